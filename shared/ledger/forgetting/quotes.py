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
WORD = re.compile(r"[^\s<>\"'“”„«»()\[\]{},;!?`*_~|:]+")


class Words:
    """A person's words."""

    def __init__(self) -> None:
        self._runs: set[tuple[str, ...]] = set()
        self._telling: set[str] = set()

    def add(self, texts: Iterable[str]) -> None:
        """Add texts that the person wrote."""
        for text in texts:
            words = _words(text)
            self._runs.update(_runs(words))
            self._telling.update(filter(_is_telling, words))

    def are_in(self, text: str) -> bool:
        """Whether a text quotes them."""
        if not self._runs and not self._telling:
            return False
        words = _words(text)
        if not self._telling.isdisjoint(words):
            return True
        return any(run in self._runs for run in _runs(words))


def _words(text: str) -> list[str]:
    found = WORD.findall(text[:MAX_CHARS].casefold())
    return [word for word in (one.strip(".") for one in found) if word]


def _runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[at:] for at in range(RUN)), strict=False)


def _is_telling(word: str) -> bool:
    if len(word) < MIN_TELLING or word.startswith(("//", "http")):
        return False
    return "@" in word or any(char.isdigit() for char in word)
