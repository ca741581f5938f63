"""Cut Markdown into parts of a bounded length, with code fences whole in every part.

Where fences begin and end is decided by a CommonMark parser. A fence that is cut is closed at the
end of its part and opened again, with its language, in the next.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

MIN_LIMIT = 50
"""Characters; below it there would be no room for a fence's lines."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of code: its lines are ``start`` (the opening) to ``end`` (exclusive)."""

    start: int
    end: int
    opening: str
    closing: str
    """Indented and quoted as the lines of code are."""
    is_closed: bool

    @property
    def indent(self) -> int:
        """How many blanks its lines begin with because of the list it is in."""
        return len(self.closing) - len(self.closing.lstrip())

    @property
    def opening_again(self) -> str:
        """The opening for a part that does not hold the list it is in."""
        mark = self.closing.lstrip("> \t")
        info = self.opening[self.opening.index(mark) + len(mark) :]
        return self.closing[self.indent :] + info


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    fence: Fence | None = None
    """The fence whose code, or end, this line is; None for its opening and everything else."""
    reserve: int = 0
    """Room that has to be left behind the line, to close its fence."""


def split_markdown(text: str, limit: int) -> list[str]:
    """Parts of at most ``limit`` code points whose text, put together, is the source's.

    Args:
        text: Markdown, possibly the unfinished beginning of an answer.
        limit: at least ``MIN_LIMIT``, so that a fence's own lines fit.
    """
    parts: list[list[str]] = [[]]
    size = indent = 0
    for line in _fitting_lines(with_plain_line_ends(text), limit):
        if line.fence is None:
            indent = 0
        if parts[-1] and size + len(line.text) + line.reserve > limit:
            parts.append([])
            if line.fence:
                parts[-2].append(_dedent(line.fence.closing, indent))
                parts[-1].append(line.fence.opening_again)
                indent = line.fence.indent
            size = sum(len(opening) + 1 for opening in parts[-1])
        parts[-1].append(_dedent(line.text, indent))
        size += len(parts[-1][-1]) + 1
    kept = ["\n".join(lines).strip("\n") for lines in parts]
    return [part for part in kept if part.strip()] or [""]


def close_fence(text: str) -> str:
    """The text with a fence that was left open closed, so that what follows is no code."""
    fences = find_fences(text)
    num_lines = len(with_plain_line_ends(text).rstrip().split("\n"))
    if fences and not fences[-1].is_closed and fences[-1].end >= num_lines:
        return f"{text.rstrip()}\n{fences[-1].closing}"
    return text


def find_fences(text: str) -> list[Fence]:
    """Every fenced block of code, in order, with the lines it spans."""
    lines = with_plain_line_ends(text).split("\n")
    tokens = MarkdownIt("commonmark").parse(text)
    return [_fence(token, lines) for token in tokens if token.type == "fence" and token.map]


def _fence(token: Token, lines: list[str]) -> Fence:
    start, end = token.map or [0, 0]
    container = lines[start][: lines[start].index(token.markup)]
    num_code_lines = len(token.content.removesuffix("\n").split("\n")) if token.content else 0
    # the lines of code go on in a list's item with blanks where its first line has the marker
    closing = re.sub(r"[^>\s]", " ", container) + token.markup
    return Fence(start, end, lines[start], closing, num_code_lines < end - start - 1)


def _fitting_lines(text: str, limit: int) -> Iterator[_Line]:
    """The text's lines, each short enough to fit into a part beside its fence's lines."""
    lines = text.split("\n")
    number = 0
    for fence in find_fences(text):
        if len(fence.closing) > limit // 4:
            continue
        yield from _plain_lines(lines[number : fence.start], limit)
        yield from _fence_lines(fence, lines, limit)
        number = fence.end
    yield from _plain_lines(lines[number:], limit)


def _plain_lines(lines: list[str], limit: int) -> Iterator[_Line]:
    for line in lines:
        for piece in _pieces(line, limit):
            yield _Line(piece)


def _fence_lines(fence: Fence, lines: list[str], limit: int) -> Iterator[_Line]:
    reserve = len(fence.closing) + 1
    # what stands behind the language is not worth a part of its own
    opening = fence.opening[: limit // 2]
    whole = Fence(fence.start, fence.end, opening, fence.closing, fence.is_closed)
    yield _Line(opening, None, reserve)
    room = limit - reserve - len(opening) - 1
    for line in lines[fence.start + 1 : fence.end - fence.is_closed]:
        for piece in _pieces(line, room):
            yield _Line(piece, whole, reserve)
    yield _Line(fence.closing, whole)


def _dedent(line: str, indent: int) -> str:
    return line[min(indent, len(line) - len(line.lstrip())) :]


def with_plain_line_ends(text: str) -> str:
    """Line ends as the parser counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _pieces(line: str, limit: int) -> Iterator[str]:
    """Cut one long line, at its last space where there is one in the second half."""
    while len(line) > limit:
        at = line.rfind(" ", limit // 2, limit)
        cut = at if at > 0 else limit
        yield line[:cut]
        line = line[cut:].removeprefix(" ")
    yield line
