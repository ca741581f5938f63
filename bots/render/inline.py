"""Parses the text of a paragraph into lines of runs.

A long paragraph is parsed in stretches, so that the result for its beginning is final before its
end is written. A stretch ends where no mark, code or link is open, if possible.
"""
# Pure. Uses markdown_it.

import re
from collections.abc import Callable, Iterator

from markdown_it.token import Token

from bots.render.blocks import Line, Run
from bots.render.grammar import BARE, spans_of

MARKS = {"strong": "strong", "em": "em", "s": "s"}
SIGN = re.compile(r"\\.|`+|\*+|_+|~~|\[|\]\(|\]|\)|[\n \u3000]", re.DOTALL)
OPENING = re.compile(r"[\\`*_~\[\]()]")
NEEDS_READING = re.compile(r"[\\`*_~\[&<]|://")
"""Text that may contain markup."""
BLANKS = " \n\u3000"
MAX_LINE_CHARS = 8000
"""A longer line is in several parts anyway."""
UNSAFE = re.compile(r"(?:&[#\w]{0,31}|\\)?\Z", re.ASCII)
"""What must not be split: the beginning of an entity, and a backslash."""
Fits = Callable[[str], bool]
"""Whether a text, written out at its longest, is at most as large as a stretch."""


def lines_of(text: str, longest: int, fits: Fits) -> Iterator[Line]:
    """The lines of a paragraph; a very long line is split.

    Args:
        text: its Markdown, without the signs of its quotes and lists.
        longest: the maximum characters of a stretch.
        fits: whether a text may be a stretch.
    """
    line: list[Run] = []
    num_chars = 0
    for stretch in stretches_of(text, longest, fits):
        if num_chars > MAX_LINE_CHARS:
            yield tuple(line)
            line, num_chars = [], 0
        num_chars += len(stretch)
        for is_line_end, run in _runs(stretch):
            if is_line_end:
                yield tuple(line)
                line = []
            else:
                _append(line, run)
    if line:
        yield tuple(line)


def stretches_of(text: str, longest: int, fits: Fits) -> Iterator[str]:
    """The text in stretches; the end of one does not depend on text beyond its longest size."""
    start = 0
    while start < len(text):
        size = longest
        while size > 1 and not fits(text[start : start + size]):
            size //= 2
        if start + size >= len(text):
            yield text[start:]
            return
        end = start + _last_calm_place(text[start : start + size])
        yield text[start:end]
        start = end


def _last_calm_place(text: str) -> int:
    """Where to end a stretch of at most this length: after a blank or a line's end."""
    if not OPENING.search(text) and (blank := last_blank(text)):
        return blank
    opened: list[str] = []
    place, least = 0, len(text)
    for match in SIGN.finditer(text):
        sign = match[0]
        if sign in " \u3000\n":
            # A sign that opens nothing counts as open for ever: the others open and close.
            if match.end() > len(text) // 8 and len(opened) <= least:
                place, least = match.end(), len(opened)
        elif opened and opened[-1][0] == "`":
            if sign == opened[-1]:
                opened.pop()
        else:
            before, after = (
                text[match.start() - 1 : match.start()],
                text[match.end() : match.end() + 1],
            )
            _note(sign, before, after, opened)
    if place:
        return place
    return len(text) - len(UNSAFE.search(text)[0])  # type: ignore[index]  # it matches nothing, too


def last_blank(text: str) -> int:
    """The position after the last blank; 0 if there is none."""
    return max(text.rfind(blank) for blank in BLANKS) + 1


def _note(sign: str, before: str, after: str, opened: list[str]) -> None:
    """Update the open signs for one sign."""
    kind = sign[0]
    if kind == "\\":
        return
    if kind == "`":
        opened.append(sign)
    elif kind == "[":
        opened.append("]")
    elif sign == "](":
        if "]" in opened:
            opened[opened.index("]")] = ")"
    elif kind in opened and (kind in "])" or (before and not before.isspace())):
        opened.remove(kind)
    elif kind in "*_~" and after.strip() and (kind != "_" or not before.isalnum()):
        opened.append(kind)


def _append(line: list[Run], run: Run) -> None:
    """Append a run, merging it with the last one if the formatting is the same."""
    if not line and not run.is_code:
        run = run._replace(text=run.text.lstrip(" "))
    if line and line[-1][1:] == run[1:] and not run.is_code and not run.is_address:
        line[-1] = run._replace(text=line[-1].text + run.text)
    elif run.text:
        line.append(run)


def _runs(text: str) -> Iterator[tuple[bool, Run]]:
    """Runs, and the ends of lines between them."""
    if not NEEDS_READING.search(text):
        yield from _plain_runs(text)
        return
    marks: list[str] = []
    labels: list[tuple[str, list[str]]] = []
    """Of each open link: its address, and its label so far."""
    for token in spans_of(text):
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if kind in MARKS:
            if token.nesting > 0:
                marks.append(kind)
            else:
                del marks[len(marks) - 1 - marks[::-1].index(kind)]
        elif token.type == "link_open":
            labels.append((str(token.attrs.get("href", "")), []))
        elif token.type == "link_close":
            href, label = labels.pop()
            yield from _address(href, "".join(label), _once(marks))
        elif token.type in {"softbreak", "hardbreak"}:
            yield True, Run("\n")
        else:
            for run in _leaf(token, _once(marks), is_in_link=bool(labels)):
                if labels:
                    labels[-1][1].append(run.text)
                yield False, run


def _once(marks: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(marks))


def _plain_runs(text: str) -> Iterator[tuple[bool, Run]]:
    """The same for a text without any sign, in a tenth of the time."""
    first, *others = text.split("\n")
    yield False, Run(first.rstrip() if others else first)
    for number, line in enumerate(others, 1):
        yield True, Run("\n")
        yield False, Run(line.rstrip() if number < len(others) else line)


def _leaf(token: Token, marks: tuple[str, ...], *, is_in_link: bool) -> Iterator[Run]:
    if token.type == "code_inline":
        yield Run(token.content, marks, is_code=True)
    elif token.type == BARE or (is_in_link and "://" in token.content):
        yield Run(token.content, marks, is_address=True)
    elif token.type == "image":
        src, alt = str(token.attrs.get("src", "")), token.content.replace("\n", " ")
        yield Run(alt, marks)
        yield from (run for _, run in _address(src, alt, marks))
    else:
        yield Run(token.content, marks)


def _address(href: str, label: str, marks: tuple[str, ...]) -> Iterator[tuple[bool, Run]]:
    """A link's address, made visible: a hidden one could leak what a model put into it."""
    if href in {label, f"mailto:{label}"} or not href:
        return
    if label:
        yield False, Run(" (", marks)
    yield False, Run(href, marks, is_address=True)
    if label:
        yield False, Run(")", marks)
