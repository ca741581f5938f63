"""What a text says by CommonMark itself, and what a chat shows of its parts, in one normal form.

The normal form of a text is what is to be read, in order, in two strings: that outside of code, and
that in blocks of code. Blanks and characters of no width do not count, nor do a list's markers, the
line for a rule, and "…" in the place of an item that a list goes on below. A link reads as its
label and, where that is another, its address in brackets behind it; a picture alike. A box of a
task list is ☐ or ☑. A table is taken as code, as which it is shown, without the line below its head
and without that head where it is said again in another part.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bots.render.discord import NO_WIDTH
from bots.render.split import MORE, RULE
from tests.chats.shown import Block, CodeBlock, flat

BLANKS = re.compile(rf"[\s{NO_WIDTH}]+")
BOX = re.compile(r"\[([ xX])\](?=\s|$)")
TABLE_RULE = re.compile(r"^-+(?:  -+)*$", re.MULTILINE)


class Said(NamedTuple):
    """A text in the normal form."""

    text: str
    code: str


def squeeze(text: str) -> str:
    return BLANKS.sub("", text).replace(RULE, "")


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.disable(["reference", "html_block", "html_inline"])
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]  # hook
    parser.normalizeLinkText = lambda url: url  # type: ignore[method-assign,assignment]  # hook
    return parser


def source_of(markdown: str) -> Said:
    """What a text says, by the parser's own reading."""
    text, code = "", ""
    is_in_table = False
    tokens = _parser().parse(markdown)
    for before, token in zip([None, None, *tokens], tokens, strict=False):
        is_in_table = (is_in_table and token.type != "table_close") or token.type == "table_open"
        if token.type in {"fence", "code_block"}:
            code += token.content
        elif token.type == "inline" and is_in_table:
            code += "".join(_spans(token.children or []))
        elif token.type == "inline":
            said = "".join(_spans(token.children or []))
            if before and before.type == "list_item_open":
                said = (
                    BOX.sub(lambda box: "☐" if box[1] == " " else "☑", said, count=1)
                    if BOX.match(said)
                    else said
                )
            text += said
    return Said(squeeze(text), squeeze(code))


def _spans(children: Sequence[Token]) -> Iterable[str]:
    href, label = "", ""
    for child in children:
        said = child.content
        if child.type == "link_open":
            href, label = str(child.attrs["href"]), ""
            continue
        if child.type == "link_close":
            if href and href not in {label, f"mailto:{label}"}:
                yield f"({href})" if label else href
            href = ""
            continue
        if child.type == "image":
            src, alt = str(child.attrs["src"]), child.content
            said = f"{alt}({src})" if alt and src and src != alt else alt or src
        label += said
        yield said


def _is_table_rule(lines: list[str], number: int) -> bool:
    """Whether a line is below the head of a table of ``documents``."""
    return lines[number - 1].startswith("head") and bool(TABLE_RULE.fullmatch(lines[number]))


def shown(parts: Sequence[str], read: Callable[[str], Sequence[Block]]) -> Said:
    """What a chat shows of an answer's parts."""
    text, code, head = "", "", ""
    for part in parts:
        for block in flat(read(part)):
            if isinstance(block, CodeBlock):
                lines = block.text.split("\n")
                rule = next((at for at in range(1, len(lines)) if _is_table_rule(lines, at)), None)
                above = squeeze("".join(lines[:rule])) if rule else ""
                if rule:
                    lines = (
                        lines[rule + 1 :] if above == head else [*lines[:rule], *lines[rule + 1 :]]
                    )
                code += "".join(lines)
                head = above
            elif not (block.marker and block.text == MORE):
                text += block.text
    return Said(squeeze(text), squeeze(code))
