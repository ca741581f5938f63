"""The masking of a text for translation: mentions, emoji, links and code are kept unchanged. Pure.

A text is split into pieces that add up to it, character for character. Only sentences are
translated; anything kept inside one is replaced by a number meanwhile, and if the translation has
lost or repeated a number, the words around are translated separately instead.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import regex  # type: ignore[import-untyped]  # its types are a package of their own

KEPT = regex.compile(
    r"""
      ^[ \t>]*(?P<fence>`{3,}|~{3,}).*?(?:\n[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)  # a fence
    | ```.*?```
    | (?P<code>`+)(?!`).+?(?<!`)(?P=code)(?!`)                       # inline code
    | !?\[[^\[\]\n]*\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)          # Markdown links
    | <[@\#!a:/][^<>\s]*>                                            # <@U1>, <#C1>, <!here>
    | <:[\w~]+:\d+>                                                  # Discord's own emoji
    | <[a-z][a-z0-9+.-]*:[^<>\s]*(?:\|[^<>\n]*)?>                    # <https://…|label>
    | \b(?:https?|ftp|mailto|slack|discord|tel):[^\s<>]+             # addresses
    | \bwww\.[^\s<>]+
    | \b[\w.+-]+@[\w-]+(?:\.[\w-]+)+
    | (?<![\w/])[@\#][\w.-]*\w                                       # @name, #channel
    | (?<![\w:]):[a-zA-Z0-9_+-]+(?:::[a-z0-9-]+)?:(?![\w:])          # :name:, :wave::skin-tone-2:
    | \p{RI}\p{RI}                                                   # flags
    | [0-9\#*]\uFE0F?\u20E3                                          # keycaps
    | \p{Extended_Pictographic}[\p{EMod}\uFE0F\u200D\p{Extended_Pictographic}\U000E0020-\U000E007F]*
    | \uE000                                                         # ours, see MARK
    """,
    regex.VERBOSE | regex.DOTALL | regex.MULTILINE,
)
MARK = "\ue000"
"""Replaces a kept item while sentences are found; a private-use character of Unicode."""
MARKUP = re.compile(rf"(?:[\s>{MARK}]|\#{{1,6}}\s|[-*+•]\s|\d{{1,3}}[.)]\s)*")
"""Markup at the start of a line, which is no part of a sentence."""
EDGES = re.compile(rf"(?P<before>[\s{MARK}]*)(?P<core>.*?)(?P<after>[\s{MARK}]*)", re.DOTALL)

Split = Callable[[str], Sequence[str]]
"""Splits one line into sentences; they add up to it."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, with the items kept inside it."""

    words: tuple[str, ...]
    """The text between the kept items: one more than those."""
    kept: tuple[str, ...] = ()

    @property
    def asked(self) -> str | None:
        """The sentence with a number for each kept item; None if it has such numbers itself."""
        names = [_name(number) for number in range(1, len(self.kept) + 1)]
        if any(name in part for name in names for part in self.words):
            return None
        return _woven(self.words, names)

    def restored(self, translation: str) -> str | None:
        """Its translation with the kept items restored; None if one is lost or repeated.

        A mention that is glued to a word counts as lost, too.
        """
        parts = re.split(r"\[(\d+)\]", translation) if self.kept else [translation]
        numbers = [int(number) for number in parts[1::2]]
        if sorted(numbers) != list(range(1, len(self.kept) + 1)):
            return None
        text = _woven(parts[::2], [self.kept[number - 1] for number in numbers])
        found = [match.group() for match in KEPT.finditer(text)]
        return text if sorted(found) == sorted(self.kept) else None

    def woven(self, words: Sequence[str]) -> str:
        """The kept items in their old order, with other words between, and the old blanks."""
        edged = [_edged(old, new) for old, new in zip(self.words, words, strict=True)]
        return _woven(edged, self.kept)


Piece = str | Sentence
"""A text that is kept, or a sentence to translate."""


def take_apart(text: str, split: Split) -> list[Piece]:
    """The pieces of a text, which add up to it."""
    kept = [match.group() for match in KEPT.finditer(text)]
    masked = KEPT.sub(MARK, text)
    things = iter(kept)
    return [
        piece for line in masked.splitlines(keepends=True) for piece in _line(line, split, things)
    ]


def has_words(text: str) -> bool:
    """Whether the text has letters, and so anything to translate."""
    return any(char.isalpha() for char in text)


def _line(line: str, split: Split, things: Iterator[str]) -> Iterator[Piece]:
    """The pieces of a line, in which each mark stands for the next kept item."""
    markup = MARKUP.match(line)
    begin = markup.end() if markup else 0
    yield _unmasked(line[:begin], things)
    rest = line[begin:]
    sentences = list(split(rest)) if has_words(rest) else [rest]
    if "".join(sentences) != rest:
        sentences = [rest]
    for sentence in sentences:
        edges = EDGES.fullmatch(sentence)
        if edges is None or not has_words(edges["core"]):
            yield _unmasked(sentence, things)
            continue
        yield _unmasked(edges["before"], things)
        words = tuple(edges["core"].split(MARK))
        yield Sentence(words, tuple(itertools.islice(things, len(words) - 1)))
        yield _unmasked(edges["after"], things)


def _unmasked(text: str, things: Iterator[str]) -> str:
    words = text.split(MARK)
    return _woven(words, list(itertools.islice(things, len(words) - 1)))


def _woven(words: Sequence[str], between: Sequence[str]) -> str:
    return "".join(
        part for pair in itertools.zip_longest(words, between, fillvalue="") for part in pair
    )


def _edged(old: str, new: str) -> str:
    """The new words with the leading and trailing blanks of the old ones."""
    core = old.strip()
    if not core:
        return old
    before, _, after = old.partition(core)
    return f"{before}{new.strip()}{after}"


def _name(number: int) -> str:
    return f"[{number}]"
