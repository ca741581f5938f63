"""The cues of the sentiment model, its extra inputs: VADER's scores, and shouting.

The only file that imports ``vaderSentiment``.
"""

from collections.abc import Sequence

from vaderSentiment.vaderSentiment import (  # type: ignore[import-untyped]  # no types
    SentimentIntensityAnalyzer,
)

from worker.sentiment.ratings import Label

NUM_CUES = 7
MAX_MARKS = 3
"""The most exclamation or question marks that count; VADER has a similar limit."""
VADER_BOUNDARY = 0.05
"""VADER's own boundary of its compound score (its README, "About the Scoring")."""


class VaderLexicon:
    """VADER, with its word lists read."""

    def __init__(self) -> None:
        self._analyzer = SentimentIntensityAnalyzer()

    def cues(self, text: str) -> list[float]:
        """``NUM_CUES`` numbers, most between 0 and 1."""
        scores = self._analyzer.polarity_scores(text)
        words = text.split()
        num_shouted = sum(len(word) > 1 and word.isupper() for word in words)
        return [
            *(scores[name] for name in ("neg", "neu", "pos", "compound")),
            min(text.count("!"), MAX_MARKS) / MAX_MARKS,
            min(text.count("?"), MAX_MARKS) / MAX_MARKS,
            num_shouted / max(1, len(words)),
        ]

    def label(self, text: str) -> Label:
        """VADER's own label."""
        compound = self._analyzer.polarity_scores(text)["compound"]
        if compound >= VADER_BOUNDARY:
            return Label.POSITIVE
        return Label.NEGATIVE if compound <= -VADER_BOUNDARY else Label.NEUTRAL

    def with_words_for_emoji(self, text: str) -> str:
        """Replace each emoji by words: the encoder's vocabulary has none of them."""
        emojis = self._analyzer.emojis
        if text.isascii():
            return text
        return " ".join("".join(f" {emojis[c]} " if c in emojis else c for c in text).split())


def cues_of(lexicon: VaderLexicon, texts: Sequence[str]) -> list[list[float]]:
    """The cues of each text."""
    return [lexicon.cues(text) for text in texts]
