"""The worker's messages to the person who starts it, as opposed to its logs."""

import sys


def say(sentence: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"parley: {sentence}\n")
    sys.stderr.flush()
