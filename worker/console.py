"""What a worker says to the person who starts it, as opposed to what it logs."""

import sys


def say(sentence: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"parley: {sentence}\n")
    sys.stderr.flush()
