"""Settings of the generated examples: no time limit for one, as two slow cores are two slow cores."""

import hypothesis

hypothesis.settings.register_profile("unit", deadline=None, max_examples=60)
hypothesis.settings.load_profile("unit")
