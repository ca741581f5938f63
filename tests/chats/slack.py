"""Slack's mrkdwn, read by the rules of docs.slack.dev/messaging/formatting-message-text."""

import html
import re
from collections.abc import Iterator

from tests.chats.shown import Block, CodeBlock, Line, Quote, Span

CODE = re.compile(r"```\n?((?:.|\n)*?)\n?```")
MENTION = re.compile(r"<[@#!][^>]*>")
ITEM = re.compile(r"( *)(•|\d+\.) ")
EDGE = "[\\s\u200b(\\[{.,;:!?\"'“”（《—>/-]"  # noqa: RUF001 - as they are written
NESTED = re.compile(r"^ *(?:> ?)+")
"""Shown as it is, but meant as a quote in a quote or a list."""
OPENINGS = "`h*_~<"
INLINE = [
    ("code", re.compile(r"`(?!\u200b)([^`\n]+)`")),
    ("address", re.compile(r"https?://[^\s<>|*_~`]+")),
    ("strong", re.compile(r"\*(?![\s\u200b*])([^*\n]*[^\s*])\*(?!\w)")),
    ("em", re.compile(r"_(?![\s\u200b_])([^_\n]*(?:\w_\w[^_\n]*)*[^\s_])_(?!\w)")),
    ("s", re.compile(r"~(?![\s\u200b~])([^~\n]*[^\s~])~(?!\w)")),
    ("mention", MENTION),
]


def read_slack(text: str) -> list[Block]:
    """What Slack shows of a message."""
    return list(_blocks(text))


def _blocks(text: str) -> Iterator[Block]:
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        if lines[number].startswith((">", "&gt;")):
            quoted = []
            while number < len(lines) and lines[number].startswith((">", "&gt;")):
                quoted.append(re.sub(r"^(?:>|&gt;) ?", "", lines[number]))
                number += 1
            yield Quote(list(_in_quote("\n".join(quoted))))
            continue
        plain = []
        is_in_code = False
        while number < len(lines) and (is_in_code or not lines[number].startswith((">", "&gt;"))):
            is_in_code ^= bool(lines[number].count("```") % 2)
            plain.append(lines[number])
            number += 1
        yield from _in_quote("\n".join(plain))


def _in_quote(text: str) -> Iterator[Block]:
    place = 0
    for fence in CODE.finditer(text):
        before, indent = text[place : fence.start()], 0
        if before:
            head, _, last = before.rpartition("\n")
            indent = len(last) if not last.strip(" >") else 0
            yield from map(
                _line, [*(head.split("\n") if head else []), *([last] if last.strip(" >") else [])]
            )
        code = [
            line[indent:] if not line[:indent].strip(" >") else line
            for line in fence[1].split("\n")
        ]
        if indent and not code[-1].strip(" >"):
            code.pop()
        yield CodeBlock(html.unescape("\n".join(code)))
        place = fence.end()
    rest = text[place:].removeprefix("\n") if place else text
    if rest:
        yield from map(_line, rest.split("\n"))


def _line(text: str) -> Line:
    indent, marker = 0, ""
    text, num_quotes = _without_quotes(text)
    while item := ITEM.match(text):
        indent, marker = indent + len(item[1]), item[2]
        text, num_more = _without_quotes(text[item.end() :])
        num_quotes += num_more
    if not marker:
        indent = len(text) - len(text.lstrip(" "))
    return Line(list(_spans(text.lstrip(" "), ())), 0, indent, marker, num_quotes)


def _without_quotes(text: str) -> tuple[str, int]:
    quotes = NESTED.match(text)
    return (text[quotes.end() :], quotes[0].count(">")) if quotes else (text, 0)


def _spans(text: str, marks: tuple[str, ...]) -> Iterator[Span]:
    place, plain = 0, ""
    while place < len(text):
        if text[place] not in OPENINGS:
            plain += text[place]
            place += 1
            continue
        before = text[place - 1] if place else " "
        match = None
        for kind, pattern in INLINE:
            match = pattern.match(text, place)
            if match and (kind in {"address", "mention"} or re.match(EDGE + r"|[*_~]", before)):
                break
            match = None
        if match is None:
            plain += text[place]
            place += 1
            continue
        if plain:
            yield Span(html.unescape(plain), marks)
            plain = ""
        if kind in {"address", "code", "mention"}:
            yield Span(html.unescape(match[match.lastindex or 0]), (*marks, kind))
        else:
            yield from _spans(match[1], (*marks, kind))
        place = match.end()
    if plain:
        yield Span(html.unescape(plain), marks)
