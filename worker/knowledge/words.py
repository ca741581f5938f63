"""From a text to the words that BM25 counts: lower case, without their endings.

English endings are cut; words of other languages stay whole, as do names such as ``task_acks_late``
and their parts. Pure, but for the stemmer's library.
"""
# Pure. Uses snowballstemmer.

import re

import snowballstemmer

WORD = re.compile(r"[^\W_]+(?:[_.\-:][^\W_]+)*", re.UNICODE)
PART = re.compile(r"[^\W_]+", re.UNICODE)
STOP_WORDS = frozenset(
    """
    a about after am an and any are as at be because been before being both but by can could did do
    does during each few for from further had has have he her here him his how i if in into is it
    its just me more most my no nor not now of off on once only or other our out over own s same
    she should so some such t than that the their then there these they this through to too under
    until up us very was we were what when where which while who whom why will with would you your
    yours
    """.split()  # noqa: SIM905 - a hundred quoted words are hard to read
)
"""Lucene's English stop words and those of questions."""


class Words:
    """Splits and stems; remembers stems, as the same words come again and again."""

    def __init__(self) -> None:
        self._stemmer = snowballstemmer.stemmer("english")
        self._stems: dict[str, str] = {}

    def of(self, text: str) -> list[str]:
        """The words of a text, in its order. A compound gives itself and its parts."""
        words: list[str] = []
        for found in WORD.findall(text.lower()):
            parts = PART.findall(found)
            if len(parts) > 1:
                words.append(found)
            words.extend(self._stem(part) for part in parts if part not in STOP_WORDS)
        return words

    def _stem(self, word: str) -> str:
        stem = self._stems.get(word)
        if stem is None:
            stem = self._stems[word] = str(self._stemmer.stemWord(word))
        return stem
