"""What a server writes again of an answer that it was to go on with."""
# Pure.

MIN_REPEATED_CHARS = 16
"""Shorter beginnings may be said twice: "no, no"."""


class Repeats:
    """Drops the beginning of a continuation if it is the beginning of the answer so far."""

    def __init__(self, begun: str) -> None:
        """``begun``: the answer so far; empty where nothing is continued."""
        self._begun = begun.strip()
        self._held = ""
        self._is_over = len(self._begun) < MIN_REPEATED_CHARS

    def push(self, text: str) -> str:
        """Add text; return what is new of it."""
        if self._is_over:
            return text
        self._held += text
        said = self._held.lstrip()
        if len(said) < len(self._begun) and self._begun.startswith(said):
            return ""
        self._is_over = True
        held, self._held = self._held, ""
        return said.removeprefix(self._begun) if said.startswith(self._begun) else held

    def flush(self) -> str:
        """End the text; a part of the beginning alone says nothing new either."""
        held, self._held = self._held, ""
        return "" if len(held.strip()) >= MIN_REPEATED_CHARS else held
