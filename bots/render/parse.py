"""Parses an answer's Markdown into rows.

The text is parsed in windows that end where a block does, so that a growing text is parsed again
from its last block on only, and a long one takes no longer for each of its characters than a short
one.
"""
# Pure. Uses markdown_it.

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from markdown_it.token import Token

from bots.render.blocks import (
    Code,
    Fence,
    Gap,
    Line,
    ListItem,
    Path,
    Quote,
    Row,
    Rule,
    Run,
    TableBlock,
    Task,
    TextLine,
)
from bots.render.grammar import blocks_of
from bots.render.inline import Fits, lines_of

WINDOW_CHARS = 8_000
BLANK_LINES = re.compile(r"\n*")
LISTS = frozenset({"bullet_list_open", "ordered_list_open"})
ITEM = "list_item_open"
MAX_UNDERLINED_CHARS = 300
"""A longer paragraph with a line under it is no heading: it was shown as text before the line."""
MAX_CELL_CHARS = 300
"""A longer cell is shown as it was written."""
TASK = re.compile(r"\[([ xX])\](?=[ \t\n]|$)")
LANGUAGE = re.compile(r"[a-z0-9_+\-.#]{1,40}", re.IGNORECASE)
"""What Discord accepts as a language."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """How much of a paragraph is parsed at once."""

    longest: int
    fits: Fits


@dataclass(frozen=True, slots=True)
class ParsedWindow:
    """The rows of a part of a text."""

    rows: tuple[Row, ...]
    num_chars: int
    """The number of parsed characters; 0 if its one block goes on after it."""
    is_in_list: bool = False
    """What follows is the next item of the same list."""
    number: int | None = None
    """Of that item."""


START = ParsedWindow((), 0)


def read(text: str, stretch: Stretch) -> Iterator[Row]:
    """The rows of a text, possibly the unfinished beginning of an answer."""
    text = with_plain_line_ends(text)
    start, size, before, has_rows = 0, WINDOW_CHARS, START, False
    while True:
        start = BLANK_LINES.match(text, start).end()  # type: ignore[union-attr]  # it matches nothing, too
        window = text[start : start + size]
        if start + size >= len(text):
            rows = _Reader(stretch, first_number=before.number).read(blocks_of(window))
            yield from _apart(rows, is_apart=has_rows and not before.is_in_list)
            return
        # the kind of a line is not known before its end
        found = _read_window(window[: window.rfind("\n") + 1], stretch, before.number)
        if not found.num_chars:
            size *= 2  # one block is longer than the window
            continue
        yield from _apart(iter(found.rows), is_apart=has_rows and not before.is_in_list)
        has_rows = has_rows or bool(found.rows)
        start, size, before = start + found.num_chars, WINDOW_CHARS, found


def _apart(rows: Iterator[Row], *, is_apart: bool) -> Iterator[Row]:
    """The rows, after a blank line if they are to be kept apart and there are any."""
    for first in rows:
        if is_apart:
            yield Gap(())
        yield first
        yield from rows


def with_plain_line_ends(text: str) -> str:
    """Line ends as the parser counts them, and no NUL, which it replaces."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def forget() -> None:
    """Clear the cache of parsed windows; for benches."""
    _read_window.cache_clear()


@lru_cache(maxsize=64)
def _read_window(text: str, stretch: Stretch, first_number: int | None) -> ParsedWindow:
    """The finished blocks of a window, or the finished items of a list that goes on after it."""
    tokens = blocks_of(text)
    reader = _Reader(stretch, first_number=first_number)
    starts = [number for number, token in enumerate(tokens) if _is_top(token)]
    is_in_list = len(starts) == 1 and tokens[0].type in LISTS
    if is_in_list:
        starts = [n for n, token in enumerate(tokens) if token.type == ITEM and token.level == 1]
    lines = tokens[starts[-1]].map if starts else None
    if lines is None or not lines[0]:
        return START  # there is one block, which may go on
    rows = tuple(reader.read(tokens[: starts[-1]]))
    num_chars = sum(len(line) + 1 for line in text.split("\n")[: lines[0]])
    return ParsedWindow(rows, num_chars, is_in_list, reader.numbers[0] if is_in_list else None)


def _is_top(token: Token) -> bool:
    return token.level == 0 and token.nesting >= 0 and token.type != "inline"


@dataclass(slots=True)
class _Reader:
    """Goes through the blocks of a window."""

    stretch: Stretch
    first_number: int | None = None
    """The number of the first item, if that continues a list."""
    path: Path = ()
    numbers: list[int | None] = field(default_factory=list)
    """The next number of each open list."""
    filled: set[Path] = field(default_factory=set)
    """The quotes and items that have content."""
    level: int = 0
    is_underlined: bool = False
    cells: list[list[Line]] = field(default_factory=list)

    def read(self, tokens: list[Token]) -> Iterator[Row]:
        for token in tokens:
            match token.type:
                case "blockquote_open":
                    yield from self._begin()
                    self._enter(Quote())
                case "bullet_list_open":
                    yield from self._begin()
                    self.numbers.append(None)
                case "ordered_list_open":
                    yield from self._begin()
                    first, self.first_number = self.first_number, None
                    self.numbers.append(first or int(token.attrs.get("start", 1)))
                case "list_item_open":
                    self._enter(ListItem(self.numbers[-1]))
                case "list_item_close":
                    yield from self._leave_item()
                case "blockquote_close":
                    yield from self._leave()
                case "bullet_list_close" | "ordered_list_close":
                    self.numbers.pop()
                case _:
                    yield from self._leaf(token)

    def _leaf(self, token: Token) -> Iterator[Row]:
        match token.type:
            case "heading_open":
                self.level = int(token.tag[1:])
                self.is_underlined = not token.markup.startswith("#")
            case "heading_close":
                self.level = 0
            case "fence" | "code_block":
                if token.content.strip("\n"):  # an empty one is not shown
                    yield from self._begin()
                    yield from self._code(token)
            case "hr":
                yield from self._begin()
                yield Rule(self.path)
            case "table_open" | "tr_open" | "table_close":
                yield from self._table(token)
            case "inline" if self.cells:
                self.cells[-1].append(self._cell(token.content))
            case "inline":
                is_first = self.path not in self.filled
                yield from self._begin()
                yield from self._text(token.content, is_first=is_first)

    def _table(self, token: Token) -> Iterator[Row]:
        if token.type == "tr_open":
            self.cells.append([])
            return
        if token.type == "table_open":
            yield from self._begin()
        else:
            yield TableBlock(self.path, tuple(tuple(row) for row in self.cells))
        self.cells = []

    def _begin(self) -> Iterator[Row]:
        """Begin a block: keep it apart from the one before it, outside of lists."""
        is_apart = not self.path or isinstance(self.path[-1], Quote)
        if is_apart and self.path in self.filled:
            yield Gap(self.path)
        self.filled.add(self.path)

    def _enter(self, container: Quote | ListItem) -> None:
        self.path = (*self.path, container)
        self.filled.discard(self.path)

    def _leave(self) -> Iterator[Row]:
        if self.path not in self.filled:
            yield TextLine(self.path, ())
        self.path = self.path[:-1]

    def _leave_item(self) -> Iterator[Row]:
        yield from self._leave()
        if (number := self.numbers[-1]) is not None:
            self.numbers[-1] = number + 1

    def _text(self, content: str, *, is_first: bool) -> Iterator[Row]:
        is_text = self.is_underlined and len(content) > MAX_UNDERLINED_CHARS
        level = 0 if is_text else self.level
        box = self._box(content) if is_first else None
        if box:
            content = content[len("[ ]") :].lstrip(" \t")
        lines = lines_of(content, self.stretch.longest, self.stretch.fits)
        if box or not content:
            first = (Run(f"{box.value} "),) if box else ()
            yield TextLine(self.path, (*first, *next(lines, ())), level)
        for line in lines:
            yield TextLine(self.path, line, level)

    def _box(self, content: str) -> Task | None:
        """The check box that an item's text begins with."""
        match = TASK.match(content)
        if match is None or not self.path or not isinstance(self.path[-1], ListItem):
            return None
        return Task.OPEN if match[1] == " " else Task.DONE

    def _code(self, token: Token) -> Iterator[Row]:
        language = LANGUAGE.match(token.info.strip())
        info = token.info.strip().split(maxsplit=1)
        fence = Fence(info[0] if language and info and language[0] == info[0] else "")
        for line in token.content.removesuffix("\n").split("\n"):
            yield Code(self.path, fence, line)

    def _cell(self, content: str) -> Line:
        if len(content) > MAX_CELL_CHARS:
            return (Run(content),)
        lines = lines_of(content, MAX_CELL_CHARS, lambda _: True)
        return tuple(run for line in lines for run in line)
