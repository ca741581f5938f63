"""The relevance of a passage to a question, and the thresholds to answer from it. Pure.

The numbers come from ``parley eval qa --calibrate``, which sets them on the tuning half of its
questions; the figures it reports come from the other half.
"""
# Pure.

LEXICAL_SHARE = 0.3
LEXICAL_HALF = 16.0
"""The BM25 score that counts half of the maximum. Both maximise the mean reciprocal rank on the
tuning
questions; it is flat around them (0.805 to 0.810)."""
THIN_BELOW = 0.35
"""Cosine of question and nearest passage with all-MiniLM-L6-v2. Below it the documents do not say:
5 %
of the tuning questions with an answer are below it, and all of those from another field."""
STRONG_FROM = 0.69
"""A chat is answered from documents from this cosine on. Of tuning questions whose own passage is
removed, nine in ten have no other passage as near; no trivia question has."""


def fused(cosine: float, lexical: float) -> float:
    """Combine both scores into one.

    BM25 has no upper bound and cosines do: it is mapped to below 1, so that no rare word alone
    decides,
    and not divided by the best one's score, so that a poor best one stays poor.

    Args:
        cosine: of the two vectors, -1 to 1.
        lexical: the BM25 score, 0 and above.
    """
    return (1 - LEXICAL_SHARE) * cosine + LEXICAL_SHARE * lexical / (lexical + LEXICAL_HALF)
