"""Cut Markdown into parts of a bounded length, with code fences whole in every part.

Where fences begin and end is decided by a CommonMark parser. A fence that is cut is closed at the
end of its part and opened again, with its language, in the next.
"""

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
    is_closed: bool


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    fence: Fence | None
    """The fence whose code this line is; None for fence lines themselves and everything else."""


def split_markdown(text: str, limit: int) -> list[str]:
    """Parts of at most ``limit`` code points whose text, put together, is the source's.

    Args:
        text: Markdown, possibly the unfinished beginning of an answer.
        limit: at least ``MIN_LIMIT``, so that a fence's own lines fit.
    """
    parts: list[str] = []
    current: list[str] = []
    size = 0
    for line in _fitting_lines(close_fence(text), limit):
        closing = len(line.fence.closing) + 1 if line.fence else 0
        if current and size + len(line.text) + closing > limit:
            if line.fence:
                current.append(line.fence.closing)
            parts.append("\n".join(current))
            current = [line.fence.opening] if line.fence else []
            size = sum(len(opening) + 1 for opening in current)
        current.append(line.text)
        size += len(line.text) + 1
    parts.append("\n".join(current))
    kept = [part.strip("\n") for part in parts]
    return [part for part in kept if part.strip()] or [""]


def close_fence(text: str) -> str:
    """The text with a fence that was left open closed, so that what follows is no code."""
    fences = find_fences(text)
    if fences and not fences[-1].is_closed:
        return f"{text.rstrip()}\n{fences[-1].closing}"
    return text


def find_fences(text: str) -> list[Fence]:
    """Every fenced block of code, in order, with the lines it spans."""
    lines = text.split("\n")
    tokens = MarkdownIt("commonmark").parse(text)
    return [_fence(token, lines) for token in tokens if token.type == "fence" and token.map]


def _fence(token: Token, lines: list[str]) -> Fence:
    start, end = token.map or [0, 0]
    opening = lines[start]
    indent = opening[: len(opening) - len(opening.lstrip())]
    last = lines[min(end, len(lines)) - 1].strip().lstrip("> ")
    is_closed = (
        end - start > 1 and last.startswith(token.markup) and not last.strip(token.markup[0])
    )
    return Fence(start, end, opening, indent + token.markup, is_closed)


def _fitting_lines(text: str, limit: int) -> Iterator[_Line]:
    """The text's lines, each short enough to fit into a part beside its fence's lines."""
    code_of: dict[int, Fence] = {}
    for fence in find_fences(text):
        for number in range(fence.start + 1, fence.end - 1):
            code_of[number] = fence
    for number, line in enumerate(text.split("\n")):
        within = code_of.get(number)
        frame = len(within.opening) + len(within.closing) + 2 if within else 0
        for piece in _pieces(line, max(1, limit - frame)):
            yield _Line(piece, within)


def _pieces(line: str, limit: int) -> Iterator[str]:
    """Cut one long line, at its last space where there is one in the second half."""
    while len(line) > limit:
        at = line.rfind(" ", limit // 2, limit)
        cut = at if at > 0 else limit
        yield line[:cut]
        line = line[cut:].removeprefix(" ")
    yield line
