"""``python -m worker.prepare``: converts the default model, with progress on standard error.

A program of its own that imports next to nothing, because it runs at every start.
"""

import os
import sys

from shared.errors import StartupError
from shared.settings import read_settings
from worker.console import say
from worker.engine.gguf import DEFAULT_MODEL, ensure_converted


def main() -> int:
    """Convert the default model if it is configured and not converted yet; return the exit code."""
    try:
        settings = read_settings(os.environ)
        if settings.model == "default" and settings.engine != "openai":
            ensure_converted(DEFAULT_MODEL, settings.cache_dir, say)
    except StartupError as error:
        say(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
