"""The worker: the process with the model. Celery threads around one engine; one process per GPU.

Synchronous. Never imports ``bots``, discord or slack; needs Redis and a model, nothing else.
"""

import sys

# On import, openvino reports its use to Google Analytics and keeps an id of the machine under
# ~/intel, unless openvino_telemetry, which it depends on, cannot be imported: then it uses a class
# of its own that does nothing (openvino/tools/ovc/telemetry_utils.py, 2026.4).
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # makes its import fail
