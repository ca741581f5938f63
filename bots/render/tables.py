"""Lays out tables as lines of code with aligned columns.

Columns are counted as in a terminal: a Chinese character and an emoji occupy two.
"""
# Pure. Uses wcwidth.

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import wcwidth

MAX_COLUMNS = 76
"""What both desktop apps show in one line; wider text wraps."""
MIN_CELL_COLUMNS = 8
GAP = "  "

Cells = Sequence[str]


def width_of(text: str) -> int:
    """The columns that a text occupies."""
    if text.isascii() and text.isprintable():
        return len(text)
    width = wcwidth.wcswidth(text)
    return width if width >= 0 else len(text)


@dataclass(frozen=True, slots=True)
class Laid:
    """Some rows of a table, as lines."""

    lines: list[str]
    num_rows: int
    """Without the head."""


def lay(head: Cells, rows: Sequence[Cells], fits: Callable[[list[str]], bool]) -> Laid:
    """As many rows below their head as fit, and at least one if there is one.

    Their number does not depend on the rows after the first that does not fit.
    """
    laid = Laid(_lines(head, rows[:1]), min(1, len(rows)))
    step = 1
    while laid.num_rows < len(rows) and step:
        num_rows = min(laid.num_rows + step, len(rows))
        lines = _lines(head, rows[:num_rows])
        if fits(lines):
            laid = Laid(lines, num_rows)
            step *= 2
        else:
            step //= 2
    return laid


def _lines(head: Cells, rows: Sequence[Cells]) -> list[str]:
    natural = [
        max(1, *(width_of(cell) for cell in column)) for column in zip(head, *rows, strict=True)
    ]
    widths = _narrowed(natural)
    rule = GAP.join("-" * width for width in widths)
    body = [line for row in rows for line in _row(row, widths)]
    return [*_row(head, widths), rule, *body]


def _narrowed(widths: list[int]) -> list[int]:
    """Column widths that fit, with the widest columns cut down to one size."""
    room = MAX_COLUMNS - len(GAP) * (len(widths) - 1)
    if sum(widths) <= room:
        return widths
    low, most = MIN_CELL_COLUMNS, max(MIN_CELL_COLUMNS, *widths)
    while low < most:
        middle = (low + most + 1) // 2
        is_too_wide = sum(min(width, middle) for width in widths) > room
        low, most = (low, middle - 1) if is_too_wide else (middle, most)
    return [min(width, low) for width in widths]


def _row(cells: Cells, widths: list[int]) -> list[str]:
    columns = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(len(column) for column in columns)
    return [
        GAP.join(
            _padded(column[number] if number < len(column) else "", width)
            for column, width in zip(columns, widths, strict=True)
        ).rstrip()
        for number in range(height)
    ]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def _wrapped(text: str, width: int) -> list[str]:
    """A cell's text in lines of at most this many columns."""
    if width_of(text) <= width:
        return [text]
    lines, line, size = [], "", 0
    for word in text.split(" "):
        for piece in _pieces(word, width):
            piece_size = width_of(piece)
            if line and size + 1 + piece_size > width:
                lines.append(line)
                line, size = piece, piece_size
            else:
                size += piece_size + (1 if line else 0)
                line = f"{line} {piece}" if line else piece
    return [*lines, line]


def _pieces(word: str, width: int) -> list[str]:
    if width_of(word) <= width:
        return [word]
    pieces, piece, size = [], "", 0
    for char in word:
        char_size = max(0, wcwidth.wcwidth(char))
        if size + char_size > width:
            pieces.append(piece)
            piece, size = "", 0
        piece += char
        size += char_size
    return [*pieces, piece]
