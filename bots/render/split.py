"""Packs rows into parts of a bounded size, each of which can be read by itself.

A block of code that is cut is closed and opened again with its language; quotes go on; a list goes
on with its numbers, and below "…" for the items that it is nested in; a table goes on below its
head.
"""
# Pure. Uses markdown_it, wcwidth.

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from typing import Self

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
    TextLine,
)
from bots.render.dialect import FENCE, Dialect
from bots.render.lines import Filled, fill
from bots.render.parse import Stretch, read
from bots.render.tables import lay

RULE = "———"
MORE = "…"
"""Replaces an item whose text is in an earlier part."""


@dataclass(frozen=True, slots=True)
class _Lead:
    """The prefixes of a row's lines."""

    above: tuple[str, ...]
    """Lines that show the items it is nested in."""
    first: str
    others: str
    """For its other lines."""
    items: tuple[ListItem, ...]
    """The items that are open below it."""


class Packer:
    """Packs rows into parts, one after another."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._begun: frozenset[ListItem] = frozenset()
        """The open items whose marker is written."""
        self._start_part()

    def pack(self, rows: Iterable[Row]) -> Iterator[str]:
        """The parts, each as soon as it is full."""
        for row in rows:
            yield from self._put(row)
        yield from self._end_part()

    def _start_part(self) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._here: frozenset[ListItem] = frozenset()
        """The open items whose marker is in this part."""
        self._gap: str | None = None
        self._fence: Fence | None = None
        self._fence_lead = ""
        self._num_headings = 0
        """Lines at the end that are headings of what follows."""

    def _end_part(self) -> Iterator[str]:
        self._close_fence()
        text = "\n".join(self._lines).strip("\n")
        self._start_part()
        if text.strip():
            yield text

    def _next_part(self) -> Iterator[str]:
        """End this part; a trailing heading moves to the next one."""
        headings: list[str] = []
        gap = self._gap
        if 0 < self._num_headings < len(self._lines) and not self._fence:
            headings = self._lines[-self._num_headings :]
            del self._lines[-self._num_headings :]
        yield from self._end_part()
        for line in headings:
            self._append(line)
        self._gap = gap if headings else None

    def _put(self, row: Row) -> Iterator[str]:
        if not isinstance(row, Code):
            self._close_fence()
        match row:
            case TextLine():
                yield from self._put_text(row)
            case Code():
                yield from self._put_code(row)
            case TableBlock():
                yield from self._put_table(row)
            case Rule():
                yield from self._put_text(TextLine(row.path, (Run(RULE),)))
            case Gap():
                self._gap = self._lead(row.path).others

    def _room(self) -> int:
        gap = 0 if self._gap is None or not self._lines else self._measure(self._gap) + 1
        return self._dialect.limit - self._size - gap

    def _measure(self, text: str) -> int:
        return self._dialect.measure(text)

    def _append(self, line: str) -> None:
        if self._gap is not None and self._lines:
            self._lines.append(self._gap)
            self._size += self._measure(self._gap) + 1
        self._gap = None
        self._lines.append(line)
        self._size += self._measure(line) + 1
        self._num_headings = 0

    def _lead(self, path: Path) -> _Lead:
        """The prefixes of a row in these quotes and items."""
        dialect = self._dialect
        above: list[str] = []
        items: list[ListItem] = []
        first = others = ""
        last_new = max((at for at, one in enumerate(path) if self._is_new(one)), default=-1)
        for at, container in enumerate(path):
            if isinstance(container, Quote):
                first += dialect.quote
                others += dialect.quote
                continue
            items.append(container)
            if self._is_new(container):
                first += dialect.marker(container)
                others += dialect.indent(container)
            elif container in self._here:
                first += dialect.indent(container)
                others += dialect.indent(container)
            elif at < last_new:
                above.append(f"{first}{dialect.marker(container)}{MORE}")
                first += dialect.indent(container)
                others += dialect.indent(container)
            else:
                items.pop()
        return _Lead(tuple(above), first, others, tuple(items))

    def _is_new(self, container: Quote | ListItem) -> bool:
        return isinstance(container, ListItem) and container not in self._begun

    def _enter(self, lead: _Lead, path: Path) -> None:
        """Write the lines above a row, and note that its markers are written."""
        for line in lead.above:
            self._append(line)
        self._begun = frozenset(one for one in path if isinstance(one, ListItem))
        self._here = frozenset(lead.items)

    def _size_of(self, lead: _Lead) -> int:
        return sum(self._measure(line) + 1 for line in lead.above) + self._measure(lead.first)

    def _put_text(self, row: TextLine) -> Iterator[str]:
        sign, is_bold = self._dialect.heading(row.level) if row.level else ("", False)
        runs = deque(_in_bold(row.line) if is_bold else row.line)
        if not runs and not any(self._is_new(one) for one in row.path):
            return
        while True:
            lead = self._lead(row.path)
            room = self._room() - self._size_of(lead) - self._measure(sign)
            is_narrow = bool(self._lines) and room < self._dialect.limit // 4
            filled = Filled() if is_narrow and room <= 0 else fill(runs, room, self._dialect)
            is_over = room <= 0 or self._measure(filled.text) > room
            if is_narrow and (runs or is_over):
                filled.put_back(runs)
                yield from self._next_part()
                continue
            num_headings = self._num_headings + 1 if row.level else 0
            self._enter(lead, row.path)
            self._append(lead.first + sign + filled.text)
            self._num_headings = num_headings
            if not runs:
                return
            yield from self._next_part()

    def _put_code(self, row: Code) -> Iterator[str]:
        text = self._dialect.code(row.text)
        if row.fence is not self._fence:
            self._close_fence()
            if self._lines and self._room_in_fence(row, text) < 0:
                yield from self._next_part()
            self._open_fence(row)
        elif self._room_for(text) < 0 and self._has_code():
            yield from self._next_part()
            self._open_fence(row)
        yield from self._put_code_line(row, row.text)

    def _put_code_line(self, row: Code, text: str) -> Iterator[str]:
        """Write a line of code; one that is longer than a part goes on in the next."""
        while self._room_for(self._dialect.code(text)) < 0:
            length = _longest(text, lambda piece: self._room_for(self._dialect.code(piece)) >= 0)
            self._append(self._fence_lead + self._dialect.code(text[: max(1, length)]))
            text = text[max(1, length) :]
            yield from self._next_part()
            self._open_fence(row)
        self._append(self._fence_lead + self._dialect.code(text))

    def _has_code(self) -> bool:
        """Whether this part has code besides a fence's opening line."""
        return len(self._lines) > 1

    def _room_for(self, code: str) -> int:
        """The room for a line of code, with the closing of its fence."""
        closing = self._measure(self._fence_lead + FENCE)
        return self._room() - self._measure(self._fence_lead + code) - 1 - closing

    def _room_in_fence(self, row: Code, code: str) -> int:
        """The same, if the fence has to be opened before."""
        lead = self._lead(row.path)
        opening = self._size_of(lead) + self._measure(self._dialect.opening(row.fence.language))
        inside = self._measure(lead.others + code) + 1 + self._measure(lead.others + FENCE)
        return self._room() - opening - 1 - inside

    def _open_fence(self, row: Code) -> None:
        lead = self._lead(row.path)
        self._enter(lead, row.path)
        self._append(lead.first + self._dialect.opening(row.fence.language))
        self._fence, self._fence_lead = row.fence, lead.others

    def _close_fence(self) -> None:
        if self._fence:
            self._append(self._fence_lead + FENCE)
            self._fence = None

    def _put_table(self, row: TableBlock) -> Iterator[str]:
        """Write a table as code, with its head in each part."""
        cells = [["".join(run.text for run in cell) for cell in line] for line in row.rows]
        head, body = cells[0], cells[1:]
        while True:
            laid = lay(head, body, lambda lines: self._fits(row.path, lines))
            if not self._fits(row.path, laid.lines) and self._lines:
                yield from self._next_part()
                continue
            fence = Fence()
            for line in laid.lines:
                yield from self._put_code(Code(row.path, fence, line))
            self._close_fence()
            body = body[laid.num_rows :]
            if not body:
                return

    def _fits(self, path: Path, lines: list[str]) -> bool:
        """Whether so many lines of code fit into the rest of this part."""
        code = "\n".join(self._dialect.code(line) for line in lines)
        indents = (len(lines) - 1) * self._measure(self._lead(path).others)
        return self._room_in_fence(Code(path, Fence(), ""), code) >= indents


def _longest(text: str, fits: Callable[[str], bool]) -> int:
    """How many of its first characters fit."""
    low, high = 0, len(text)
    size = 1
    while size < high and fits(text[:size]):
        size *= 2
    high = min(high, size)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(text[:middle]) else (low, middle - 1)
    return low


def _in_bold(line: Line) -> Iterator[Run]:
    """A heading's runs in bold, where headings have no size of their own."""
    for run in line:
        others = tuple(mark for mark in run.marks if mark != "strong")
        yield run._replace(marks=("strong", *others))


def parts_of(text: str, dialect: Dialect) -> Iterator[str]:
    """The parts in order, made lazily; one empty part for a text of blanks.

    While a text grows, all but its last two parts stay as they are.
    """
    has_parts = False
    for part in Packer(dialect).pack(read(text, _stretch(dialect))):
        has_parts = True
        yield part
    if not has_parts:  # the text is nothing but markup: it is shown as it is
        yield dialect.write(Run(text.strip()[: dialect.limit // 8]), is_first=True)


class Unfinished(str):
    """The last shown part of a text that goes on."""

    __slots__ = ("rest",)

    rest: Callable[[], list[str]]
    """The parts after it."""

    def __new__(cls, part: str, rest: Callable[[], list[str]]) -> Self:
        """``rest``: computes the parts after it."""
        self = super().__new__(cls, part)
        self.rest = rest
        return self


def first_parts(text: str, dialect: Dialect, max_parts: int | None) -> list[str]:
    """At most so many parts, or all; the last one is ``Unfinished`` if there are more."""
    parts = parts_of(text, dialect)
    if max_parts is None:
        return list(parts)
    shown = list(islice(parts, max_parts))
    following = list(islice(parts, 1))
    if not following:
        return shown
    return [*shown[:-1], Unfinished(shown[-1], lambda: list(chain(following, parts)))]


@lru_cache(maxsize=16)
def _stretch(dialect: Dialect) -> Stretch:
    most = dialect.limit // 2
    return Stretch(
        most, lambda text: dialect.measure(dialect.write(Run(text), is_first=True)) <= most
    )
