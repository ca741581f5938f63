"""Recognises a person's words in what other people wrote.

What Parley itself put into another person's question carries its author's id. This is for what
people copied by hand: six words in the same order, or one that is hardly ever written by chance,
such as a number, an address or a name with digits.
"""
# Pure.

import re
from collections.abc import Iterable, Iterator

RUN = 6
"""Words in the same order that count as a quotation: shorter runs are often chance."""
MIN_TELLING = 8
"""Characters of a single word that counts as one, if it has a digit or an @."""
MAX_CHARS = 200_000
"""Of one text that is read: a longer one is a document, which has an owner of its own."""
WORD = re.compile(r"\w+")
AROUND = "<>\"'“”„«»()[]{},;.!?:*_~|`"
"""Marks around a word that are none of it."""


class Words:
    """A person's words."""

    def __init__(self) -> None:
        self._runs: set[tuple[str, ...]] = set()
        self._telling: set[str] = set()

    def add(self, texts: Iterable[str]) -> None:
        """Add texts that the person wrote."""
        for text in map(_plain, texts):
            self._runs.update(_runs(text))
            self._telling.update(filter(_is_telling, _single(text)))

    def are_in(self, text: str) -> bool:
        """Whether a text quotes them."""
        plain = _plain(text)
        if self._telling and not self._telling.isdisjoint(_single(plain)):
            return True
        return bool(self._runs) and not self._runs.isdisjoint(_runs(plain))


def _plain(text: str) -> str:
    return text[:MAX_CHARS].casefold()


def _single(text: str) -> list[str]:
    return [word.strip(AROUND) for word in text.split()]


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = WORD.findall(text)
    return zip(*(words[at:] for at in range(RUN)), strict=False)


def _is_telling(word: str) -> bool:
    if len(word) < MIN_TELLING or word.startswith("http"):
        return False
    return "@" in word or any(map(str.isdigit, word))
