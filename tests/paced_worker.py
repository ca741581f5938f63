"""A worker that writes at a pace which no machine exceeds: ``python -m tests.paced_worker``.

Tests that stop, reword or look at an answer while it is written need one that is not over before;
all others want theirs soon. See ``tests.fakes.paced_model``.
"""

import os
import sys

from shared.logs import configure_logs
from shared.settings import read_settings
from tests.fakes.paced_model import paced_mind
from worker.__main__ import serve

if __name__ == "__main__":
    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    sys.exit(serve(settings, chat_models=paced_mind))
