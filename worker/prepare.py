"""``python -m worker.prepare``: prepares the model's files, with progress on standard error.

A program of its own that imports next to nothing, because it runs at every start.
"""

import os
import sys

from shared.errors import StartupError
from shared.settings import read_settings
from worker.console import say
from worker.engine.factory import choice_of, prepare


def main() -> int:
    """Make the files that a worker of these settings would make; return the exit code."""
    try:
        settings = read_settings(os.environ)
        if settings.engine != "openai":
            prepare(settings.engine, choice_of(settings), say)
    except StartupError as error:
        say(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
