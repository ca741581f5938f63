"""Texts that try an expression: for each repetition, what leads to it, then what it repeats."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from re import _constants as sre  # type: ignore[attr-defined]  # the tree of an expression
from re import _parser  # type: ignore[attr-defined]
from typing import Any

ALPHABET = (
    *"aAz0_ \t\n.,:;-+/<>()[]{}`*~\"'@#!?&=|\\$%^",
    *("\u00e9", "\u2019", "\U0001f600", "\ue000"),
)
MOST_CHOICES = 5
"""Characters of a class, and branches of a choice, that are tried."""
MOST_PAIRS = 14
"""Characters of an expression whose pairs are tried."""
LONG = 16
"""A repetition that may come so often is tried."""
Tree = Sequence[tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Attack:
    """A kind of text."""

    prefix: str
    pump: str

    def text(self, length: int, ending: str) -> str:
        """A text of this kind, of about so many characters."""
        return self.prefix + self.pump * (length // len(self.pump)) + ending


def attacks_on(pattern: Any) -> list[Attack]:  # noqa: ANN401 - of re or of regex
    """The texts for an expression, each once."""
    source = pattern.pattern
    tree = _tree_of(pattern)
    shown = source.decode("latin-1") if isinstance(source, bytes) else source
    own = [char for char in dict.fromkeys(shown) if char in ALPHABET and char not in "^$|\\"]
    chars = list(dict.fromkeys([*own[:MOST_PAIRS], "a", "0", " ", "\n", "."]))
    pumps = [*ALPHABET, *("".join(pair) for pair in itertools.permutations(chars, 2))]
    words = re.findall(r"[a-z]{2,} ?", shown.lower())
    found = [Attack("", pump) for pump in [*pumps, *dict.fromkeys(words)]]
    found += _attacks_in(tree, "")
    return list(dict.fromkeys(one for one in found if one.pump))


def _tree_of(pattern: Any) -> Tree:  # noqa: ANN401 - of re or of regex
    """Its parts; of ``regex``'s own notations, what ``re`` has instead."""
    source, flags = pattern.pattern, pattern.flags
    if not isinstance(pattern, re.Pattern):
        source = re.sub(r"\\p\{\w+\}", "\u2764", source).replace("\\G", "")
        flags = re.VERBOSE | re.DOTALL | re.MULTILINE
    return list(_parser.parse(source, flags & ~re.UNICODE))


def _attacks_in(tree: Tree, prefix: str) -> Iterator[Attack]:
    items = list(tree)
    prefixes = [prefix]
    for item in items:
        prefixes.append(prefixes[-1] + _least([item]))
    for first, before in enumerate(prefixes[:-1]):
        yield from _attacks_at(items[first], before)
        for last in range(first + 1, len(items) + 1):
            for word in _samples(items[first:last]):
                yield Attack(before, word)
                yield Attack(before, word + " ")


def _attacks_at(item: tuple[Any, Any], before: str) -> Iterator[Attack]:
    kind, value = item
    if kind in REPEATS:
        _, most, inner = value
        if most >= LONG:
            for word in _samples(inner):
                for first in ("", word, *BEGINNINGS):
                    yield Attack(before + first, word)
            for one, other in itertools.permutations(_samples(inner), 2):
                yield Attack(before, one + other)
        yield from _attacks_in(inner, before)
    else:
        for inner in _inner(item):
            yield from _attacks_in(inner, before)


BEGINNINGS = ("a", "0", ".", "\n", "- ")
"""What may stand before a repetition: another one takes its characters if nothing does."""
REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}


def _inner(item: tuple[Any, Any]) -> Iterable[Tree]:
    kind, value = item
    if kind is sre.SUBPATTERN:
        return [value[-1]]
    if kind is sre.ATOMIC_GROUP:
        return [value]
    if kind is sre.BRANCH:
        return list(value[1])
    return []


def _least(tree: Tree) -> str:
    """A short text that matches."""
    return next(iter(_samples(tree)), "")


def _samples(tree: Tree) -> list[str]:
    """Some texts that match."""
    found = [""]
    for item in tree:
        ways = _ways(item)
        if len(ways) == 1:
            found = [word + ways[0] for word in found]
        else:  # one dimension at a time, lest there be too many
            found = [
                *(word + ways[0] for word in found),
                *(found[0] + way for way in ways[1:]),
            ][: 3 * MOST_CHOICES]
    return list(dict.fromkeys(found))


def _ways(item: tuple[Any, Any]) -> list[str]:  # noqa: PLR0911 - one for each kind
    kind, value = item
    match kind:
        case sre.LITERAL:
            return [chr(value)]
        case sre.NOT_LITERAL:
            return [next(char for char in ALPHABET if ord(char) != value)]
        case sre.ANY:
            return ["x", " "]
        case sre.IN:
            return [char for char in _chars_for(value) if _is_in(char, value)][:MOST_CHOICES] or [
                ""
            ]
        case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
            least, _, inner = value
            words = _samples(inner)
            return [word * least for word in words] if least else ["", *words]
        case sre.SUBPATTERN | sre.ATOMIC_GROUP | sre.BRANCH:
            ways = [word for inner in _inner(item) for word in _samples(inner)[:2]]
            return ways[: 2 * MOST_CHOICES] or [""]
    return [""]


def _chars_for(members: Sequence[tuple[Any, Any]]) -> list[str]:
    own = [
        chr(value if kind is sre.LITERAL else value[0])
        for kind, value in members
        if kind in {sre.LITERAL, sre.RANGE}
    ]
    return list(dict.fromkeys(["a", "0", " ", ".", "-", *own, *ALPHABET]))


def _is_in(char: str, members: Sequence[tuple[Any, Any]]) -> bool:
    is_negated = members[0][0] is sre.NEGATE
    return is_negated != any(_is_member(char, member) for member in members)


def _is_member(char: str, member: tuple[Any, Any]) -> bool:
    kind, value = member
    match kind:
        case sre.LITERAL:
            return bool(ord(char) == value)
        case sre.RANGE:
            return bool(value[0] <= ord(char) <= value[1])
        case sre.CATEGORY:
            return CATEGORIES[str(value).removeprefix("CATEGORY_")].match(char) is not None
    return False


CATEGORIES = {
    name: re.compile(rf"\{letter}")
    for name, letter in {
        "DIGIT": "d",
        "NOT_DIGIT": "D",
        "SPACE": "s",
        "NOT_SPACE": "S",
        "WORD": "w",
        "NOT_WORD": "W",
    }.items()
}
