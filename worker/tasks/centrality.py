"""Which messages say what the others say: the most central ones by TF-IDF. Pure.

For models too small to be trusted with a summary in words of their own.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

WORD = re.compile(r"[^\W_]{2,}")
MIN_WORDS = 3
"""A shorter message ("yes", "thanks a lot") says nothing by itself."""
REDUNDANCY = 0.7
"""How much it counts against a message to be like one that was chosen (maximal marginal relevance,
Carbonell and Goldstein 1998)."""
WISH = 2.0
"""How much more it counts to be like what somebody wants to know."""

Vector = Mapping[str, float]


def most_central(texts: Sequence[str], num: int, wish: str = "") -> list[int]:
    """The numbers of the texts that stand for the others, in their order.

    Args:
        texts: the messages.
        num: how many are chosen at most.
        wish: what is wanted of them, if anything.
    """
    words = [WORD.findall(text.casefold()) for text in texts]
    rarity = _rarity(words)
    vectors = [_vector(of_one, rarity) for of_one in words]
    centre = _sum(vectors)
    wanted = _vector(WORD.findall(wish.casefold()), rarity)
    worth = {
        number: _cosine(vector, centre) + WISH * _cosine(vector, wanted)
        for number, vector in enumerate(vectors)
        if len(words[number]) >= MIN_WORDS
    }
    chosen: list[int] = []
    while worth and len(chosen) < num:
        best = max(worth, key=lambda number: (_marginal(number, worth, chosen, vectors), -number))
        chosen.append(best)
        del worth[best]
    return sorted(chosen)


def _marginal(
    number: int, worth: Mapping[int, float], chosen: Sequence[int], vectors: Sequence[Vector]
) -> float:
    likeness = max((_cosine(vectors[number], vectors[other]) for other in chosen), default=0.0)
    return worth[number] - REDUNDANCY * likeness


def _rarity(words: Sequence[Sequence[str]]) -> dict[str, float]:
    num_with = Counter(word for of_one in words for word in set(of_one))
    return {word: math.log((1 + len(words)) / num) for word, num in num_with.items()}


def _vector(words: Sequence[str], rarity: Mapping[str, float]) -> Vector:
    counts = Counter(word for word in words if word in rarity)
    weights = {word: (1 + math.log(count)) * rarity[word] for word, count in counts.items()}
    length = math.sqrt(sum(weight**2 for weight in weights.values()))
    return {word: weight / length for word, weight in weights.items()} if length else {}


def _sum(vectors: Sequence[Vector]) -> Vector:
    total: Counter[str] = Counter()
    for vector in vectors:
        total.update(vector)
    return total


def _cosine(one: Vector, other: Vector) -> float:
    """Of two vectors, of which the second need not have length 1."""
    length = math.sqrt(sum(weight**2 for weight in other.values()))
    shared = sum(weight * other.get(word, 0.0) for word, weight in one.items())
    return shared / length if length else 0.0
