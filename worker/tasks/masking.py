"""The masking of a text for translation: mentions, emoji, links and code are kept unchanged. Pure.

A text is split into pieces that add up to it, character for character. Only sentences are
translated; anything kept inside one is replaced by a number meanwhile, and if the translation has
lost or repeated a number, the words around are translated separately instead.
"""

import bisect
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import regex  # type: ignore[import-untyped]  # its types are a package of their own

KEPT = regex.compile(
    r"""
      ^[ \t>]*(?P<fence>`{3,}|~{3,}).*?(?:\n[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)  # a fence
    | (?P<ticks>`++)                                                 # code, see _Ticks
    | !?\[[^\[\]\n]*\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)          # Markdown links
    | <[@\#!a:/][^<>\s]*>                                            # <@U1>, <#C1>, <!here>
    | <:[\w~]+:\d+>                                                  # Discord's own emoji
    | <[a-z][a-z0-9+.-]*:[^<>\s|]*+(?:\|[^<>\n]*+)?>                 # <https://…|label>
    | \b(?:https?|ftp|mailto|slack|discord|tel):[^\s<>]+             # addresses
    | \bwww\.[^\s<>]+
    | (?:\G\b|\b(?=\w)(?<=(?:\G|(?<![\w.+-]))[.+-]*))               # at a run's beginning:
      [\w.+-]++@[\w-]++(?:\.[\w-]++)++                              # mail addresses
    | (?<![\w/])[@\#][\w.-]*\w                                       # @name, #channel
    | (?<![\w:]):[a-zA-Z0-9_+-]+(?:::[a-z0-9-]+)?:(?![\w:])          # :name:, :wave::skin-tone-2:
    | \p{RI}\p{RI}                                                   # flags
    | [0-9\#*]\uFE0F?\u20E3                                          # keycaps
    | \p{Extended_Pictographic}[\p{EMod}\uFE0F\u200D\p{Extended_Pictographic}\U000E0020-\U000E007F]*
    | \uE000                                                         # ours, see MARK
    """,
    regex.VERBOSE | regex.DOTALL | regex.MULTILINE,
)
FENCE = "```"
TICKS = re.compile("`+")
MARK = "\ue000"
"""Replaces a kept item while sentences are found; a private-use character of Unicode."""
MARKUP = re.compile(rf"(?:[\s>{MARK}]|\#{{1,6}}\s|[-*+•]\s|\d{{1,3}}[.)]\s)*+")
"""Markup at the start of a line, which is no part of a sentence."""
BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))
"""All that Unicode counts as blanks: the last is U+3000."""

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
        found = [text[start:end] for start, end in kept_spans(text)]
        return text if sorted(found) == sorted(self.kept) else None

    def woven(self, words: Sequence[str]) -> str:
        """The kept items in their old order, with other words between, and the old blanks."""
        edged = [_edged(old, new) for old, new in zip(self.words, words, strict=True)]
        return _woven(edged, self.kept)


Piece = str | Sentence
"""A text that is kept, or a sentence to translate."""


def take_apart(text: str, split: Split) -> list[Piece]:
    """The pieces of a text, which add up to it."""
    spans = list(kept_spans(text))
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    masked = MARK.join(text[end:start] for end, start in zip(ends, starts, strict=True))
    things = iter([text[start:end] for start, end in spans])
    return [
        piece for line in masked.splitlines(keepends=True) for piece in _line(line, split, things)
    ]


def kept_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each kept item begins and ends."""
    ticks = _Ticks(text)
    place = 0
    while found := KEPT.search(text, place):
        start, place = found.span()
        if found["ticks"] is None:
            yield start, place
        elif span := ticks.code_at(start, place):
            place = span[1]
            yield span


class _Ticks:
    """Finds the end of code between backticks, in one pass over the text for all of them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: dict[int, list[int]] = {}
        for run in TICKS.finditer(text):
            self._starts.setdefault(len(run[0]), []).append(run.start())

    def code_at(self, start: int, end: int) -> tuple[int, int] | None:
        """The code that begins in a run of backticks; None if it does not end.

        Three of them end at the next three. A run ends at the next one that is as long; if there
        is none, its last backticks may begin code.
        """
        if end - start >= len(FENCE):
            closing = self._text.find(FENCE, start + len(FENCE))
            if closing >= 0:
                return start, closing + len(FENCE)
        for length in range(end - start, 0, -1):
            starts = self._starts.get(length, [])
            number = bisect.bisect_left(starts, end)
            if number < len(starts):
                return end - length, starts[number] + length
        return None


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
        core = sentence.strip(BLANKS + MARK)
        if not has_words(core):
            yield _unmasked(sentence, things)
            continue
        before, _, after = sentence.partition(core)
        yield _unmasked(before, things)
        words = tuple(core.split(MARK))
        yield Sentence(words, tuple(itertools.islice(things, len(words) - 1)))
        yield _unmasked(after, things)


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
