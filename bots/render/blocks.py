"""The model of a parsed answer: rows of text, code, tables or rules, with their nesting.

A row is a line of text, a line of code, a whole table, a rule or a blank line. Made by
``bots.render.parse``, packed into parts by ``bots.render.split``.
"""
# Pure.

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Run(NamedTuple):
    """Characters of a line with the same formatting."""

    text: str
    marks: tuple[str, ...] = ()
    """``strong``, ``em``, ``s``, the outermost first."""
    is_code: bool = False
    is_address: bool = False
    """The visible address of a link: written as it is, and not cut if possible."""


Line = tuple[Run, ...]


class Task(Enum):
    """A list item with a check box."""

    OPEN = "☐"
    DONE = "☑"


@dataclass(frozen=True, slots=True)
class Quote:
    """A block quote."""


@dataclass(frozen=True, slots=True, eq=False)
class ListItem:
    """An item of a list; compared by identity, however alike others are."""

    number: int | None = None
    """None in a bulleted list."""


Path = tuple[Quote | ListItem, ...]
"""The quotes and items that a row is in, the outermost first."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text."""

    path: Path
    line: Line
    level: int = 0
    """1 to 6 in a heading."""


@dataclass(frozen=True, slots=True, eq=False)
class Fence:
    """A block of code; compared by identity."""

    language: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A line of code."""

    path: Path
    fence: Fence
    text: str


@dataclass(frozen=True, slots=True)
class TableBlock:
    """All rows of a table; the first is its head."""

    path: Path
    rows: tuple[tuple[Line, ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal rule."""

    path: Path


@dataclass(frozen=True, slots=True)
class Gap:
    """A blank line between two blocks."""

    path: Path


Row = TextLine | Code | TableBlock | Rule | Gap
