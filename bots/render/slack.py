"""Markdown as Slack's mrkdwn, in parts that ``chat.update`` takes.

The text is parsed as CommonMark with tables and strikethrough and written out again; every ``&``,
``<`` and ``>`` of the model is escaped, so that no output can hold a live mention.
"""

import html
from collections.abc import Callable, Sequence

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from bots.render.split import MIN_LIMIT, split_markdown

MAX_TEXT_CHARS = 3500
"""``chat.update`` answers ``msg_too_long`` above some 4,000; Slack advises to stay below."""
MAX_SOURCE_CHARS = 3000
"""Markdown grows when it is written out again: escapes, lists, tables. Mostly this leaves room."""
BULLET = "•"


def render_for_slack(text: str) -> list[str]:
    """Parts for Slack, in order.

    While a text grows, what comes from all but the last two parts of its Markdown stays.
    """
    return [
        rendered
        for part in split_markdown(text, MAX_SOURCE_CHARS)
        for rendered in render_part(part)
    ]


def render_part(part: str, limit: int = MAX_SOURCE_CHARS) -> list[str]:
    """A part of Markdown as mrkdwn; cut again, into halves, if it came out too long."""
    rendered = to_mrkdwn(part)
    if len(rendered) <= MAX_TEXT_CHARS or limit // 2 < MIN_LIMIT:
        return [rendered]
    halves = split_markdown(part, limit // 2)
    return [piece for half in halves for piece in render_part(half, limit // 2)]


def to_mrkdwn(text: str) -> str:
    """One Markdown text as mrkdwn."""
    # without "reference", "[1]: https://…" stays text that can be read
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("reference")
    return _blocks(SyntaxTreeNode(parser.parse(text)).children, "\n\n")


def escape(text: str) -> str:
    """Slack's three control characters as entities (docs.slack.dev, formatting message text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(nodes: Sequence[SyntaxTreeNode], gap: str) -> str:
    return gap.join(_block(node) for node in nodes)


def _block(node: SyntaxTreeNode) -> str:
    render = _BLOCKS.get(node.type)
    return render(node) if render else _inline_of(node) if node.children else escape(node.content)


def _inline_of(node: SyntaxTreeNode) -> str:
    return "".join(_inline(child) for child in node.children)


def _inline(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text" | "image" | "html_inline":
            return escape(node.content or str(node.attrs.get("src", "")))
        case "code_inline":
            return f"`{escape(node.content)}`"
        case "softbreak" | "hardbreak":
            return "\n"
        case "link":
            return _link(node)
        case mark if mark in _MARKS:
            return f"{_MARKS[mark]}{_inline_of(node)}{_MARKS[mark]}"
        case _:
            return _inline_of(node)


_MARKS = {"strong": "*", "em": "_", "s": "~"}


def _link(node: SyntaxTreeNode) -> str:
    label = _inline_of(node)
    address = escape(str(node.attrs.get("href", "")))
    return label if label == address else f"{label} ({address})"


def _code(node: SyntaxTreeNode) -> str:
    # three backticks inside would end the code in Slack: a blank of no width keeps them apart
    content = node.content.rstrip("\n").replace("```", "`\u200b`\u200b`")
    return f"```\n{escape(content)}\n```"


def _quote(node: SyntaxTreeNode) -> str:
    return "\n".join(f"> {line}" for line in _blocks(node.children, "\n").split("\n"))


def _heading(node: SyntaxTreeNode) -> str:
    return f"*{_inline_of(node).replace('*', '')}*"


def _list(node: SyntaxTreeNode) -> str:
    first = int(node.attrs.get("start", 1))
    is_numbered = node.type == "ordered_list"
    lines: list[str] = []
    for number, item in enumerate(node.children, first):
        marker = f"{number}." if is_numbered else BULLET
        body = _blocks(item.children, "\n").split("\n")
        lines.append(f"{marker} {body[0]}")
        lines.extend(f"    {line}" for line in body[1:])
    return "\n".join(lines)


def _table(node: SyntaxTreeNode) -> str:
    """Columns lined up as code: mrkdwn has no tables."""
    rows = [
        [_inline_of(cell) for cell in row.children]
        for section in node.children
        for row in section.children
    ]
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join(["```", lines[0], rule, *lines[1:], "```"])


def _width(cell: str) -> int:
    """Characters as they are read, after Slack has undone the escapes."""
    return len(html.unescape(cell))


_BLOCKS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "paragraph": _inline_of,
    "inline": _inline_of,
    "heading": _heading,
    "fence": _code,
    "code_block": _code,
    "blockquote": _quote,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
    "hr": lambda _node: "———",
}
