"""Discord's Markdown, read by the rules of its app (which are simple-markdown's, changed)."""

import re
from collections.abc import Iterator

from tests.chats.shown import Block, CodeBlock, Line, Quote, Span

CODE = re.compile(r"```(?:([a-z0-9_+\-.#]+?)\n)?\n*([^\n](?:.|\n)*?)\n*```", re.IGNORECASE)
QUOTE = re.compile(r"(?: *> [^\n]*(?:\n|\Z))+")
HEADING = re.compile(r"(#{1,3}) +([^\n]+)")
ITEM = re.compile(r"( *)([-*]|\d+\.) (?=[^\n]*)")
NESTED = re.compile(r"^ *(?:> )+")
"""Shown as it is, but meant as a quote in a quote or a list."""
INLINE = [
    ("escape", re.compile(r"\\([^0-9A-Za-z\s])")),
    ("code", re.compile(r"(`+)([\s\S]*?[^`])\1(?!`)")),
    ("address", re.compile(r"https?://[^\s<]+[^<.,:;\"'\]\s]")),
    ("masked", re.compile(r"\[((?:\\.|[^\]\\])+)\]\((https?://[^)\s]+)\)")),
    ("strong", re.compile(r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)")),
    ("underline", re.compile(r"__((?:\\[\s\S]|[^\\])+?)__(?!_)")),
    (
        "em",
        re.compile(r"\*(?=\S)((?:\*\*|\\[\s\S]|\s+(?:\\[\s\S]|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)"),
    ),
    ("em", re.compile(r"\b_((?:__|\\[\s\S]|[^\\_])+?)_\b")),
    ("s", re.compile(r"~~((?:\\[\s\S]|[^\\])+?)~~")),
    ("spoiler", re.compile(r"\|\|((?:\\[\s\S]|[^\\])+?)\|\|")),
    ("mention", re.compile(r"<(?:@[!&]?|#)\d+>|@everyone|@here")),
]
ALIKE = {"strong", "em", "underline"}
PLAIN = re.compile(r"(?:[^\\`*_~|\[<@h]|h(?!ttps?:))+|[\s\S]")


def read_discord(text: str) -> list[Block]:
    """What Discord shows of a message."""
    return list(_blocks(text))


def _blocks(text: str, *, is_quoted: bool = False) -> Iterator[Block]:
    place = 0
    while place < len(text):
        if not is_quoted and (quote := QUOTE.match(text, place)):
            inner = re.sub(r"(?m)^ *> ?", "", quote[0].rstrip("\n"))
            yield Quote(list(_blocks(inner, is_quoted=True)))
            place = quote.end()
            continue
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        fence = CODE.search(text, place)
        if fence and fence.start() <= end and "`" not in text[place : fence.start()]:
            before = text[place : fence.start()]
            if before.strip():
                yield _line(before)
            code = [
                line[len(before) :] if not line[: len(before)].strip(" >") else line
                for line in fence[2].split("\n")
            ]
            yield CodeBlock("\n".join(code), fence[1] or "")
            place = fence.end() + (text[fence.end() : fence.end() + 1] == "\n")
            continue
        yield _line(text[place:end])
        place = end + 1


def _line(text: str) -> Line:
    indent, marker, level = 0, "", 0
    text, num_quotes = _without_quotes(text)
    while item := ITEM.match(text):
        indent, marker = indent + len(item[1]), item[2]
        text, num_more = _without_quotes(text[item.end() :])
        num_quotes += num_more
    if heading := HEADING.fullmatch(text.lstrip(" ")):
        level, text = len(heading[1]), heading[2]
    return Line(list(_spans(text, ())), level, indent, marker, num_quotes)


def _without_quotes(text: str) -> tuple[str, int]:
    quotes = NESTED.match(text)
    return (text[quotes.end() :], quotes[0].count(">")) if quotes else (text, 0)


def _spans(text: str, marks: tuple[str, ...]) -> Iterator[Span]:
    place = 0
    while place < len(text):
        found = [(kind, match) for kind, pattern in INLINE if (match := pattern.match(text, place))]
        if not found:
            plain = PLAIN.match(text, place)
            assert plain
            yield Span(plain[0], marks)
            place = plain.end()
            continue
        kind, match = found[0]
        if kind in ALIKE:  # the longest of them, as its "quality" function says
            kind, match = max(
                (one for one in found if one[0] in ALIKE), key=lambda one: len(one[1][0])
            )
        yield from _span(kind, match, marks)
        place = match.end()


def _span(kind: str, match: re.Match[str], marks: tuple[str, ...]) -> Iterator[Span]:
    if kind == "escape":
        yield Span(match[1], marks)
    elif kind == "code":
        yield Span(
            match[2].strip(" ") if match[2].startswith(" `") or "`" in match[2] else match[2],
            (*marks, "code"),
        )
    elif kind in {"address", "mention"}:
        yield Span(match[0], (*marks, kind))
    elif kind == "masked":
        yield Span(match[1], (*marks, "masked"))
    else:
        yield from _spans(match[1], (*marks, kind))
