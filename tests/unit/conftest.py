"""Settings of the generated examples: none has a time limit, as machines are slow at times."""

import hypothesis

hypothesis.settings.register_profile("unit", deadline=None, max_examples=60)
hypothesis.settings.load_profile("unit")
