"""A continued answer whose server repeats its beginning: the repetition is dropped."""
# Pure.

from typing import Final

MIN_CHARS: Final = 24
"""So much of the beginning, repeated, is no chance; less may be how a sentence begins again."""
MIN_BEGUN_CHARS: Final = 8
"""A shorter beginning may be said twice: "no, no"."""


class RepetitionFilter:
    """Holds back what may be the beginning of the answer, sent once more."""

    def __init__(self, begun: str) -> None:
        """``begun``: the answer so far; templates take the blanks around it away."""
        self._begun = begun
        self._core = begun.strip()
        self._held = ""
        self._is_over = len(self._core) < MIN_BEGUN_CHARS

    def push(self, text: str) -> str:
        """Take text; return what is certain to be new."""
        if self._is_over:
            return text
        self._held += text
        seen = self._held.lstrip()
        if self._core.startswith(seen):
            return ""
        self._is_over = True
        if not seen.startswith(self._core):
            return self._held
        rest = seen[len(self._core) :]
        ending = self._begun[len(self._begun.rstrip()) :]
        return rest.removeprefix(ending)

    def flush(self) -> str:
        """End: a part of the beginning was repeated, or a few words that it begins with."""
        held, self._held = self._held, ""
        if self._is_over:
            return ""
        self._is_over = True
        is_repeated = len(held.strip()) >= min(MIN_CHARS, len(self._core))
        return "" if is_repeated else held
