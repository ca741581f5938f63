"""The reader of Markdown: the text of the rendered page."""

import re

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from worker.knowledge.documents import Document, Outline
from worker.knowledge.readers.html import add_html, text_of_html

FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(---|\.\.\.)[ \t]*\n", re.DOTALL)
"""Settings of a site generator, which readers do not see."""


def read_markdown(text: str, name: str) -> Document:
    """Read CommonMark with tables and strikethrough."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    text = FRONT_MATTER.sub("", text.replace("\r\n", "\n"))
    outline = Outline()
    for node in SyntaxTreeNode(parser.parse(text)).children:
        _add(outline, node)
    return outline.finish(name)


def _add(outline: Outline, node: SyntaxTreeNode) -> None:
    match node.type:
        case "heading":
            outline.add_heading(int(node.tag.removeprefix("h")), _text(node))
        case "fence" | "code_block":
            outline.add_code(node.content)
        case "html_block":
            add_html(outline, node.content)
        case "paragraph":
            outline.add(_text(node))
        case "tr":
            outline.add(" | ".join(_text(cell) for cell in node.children))
        case _:
            for child in node.children:
                _add(outline, child)


def _text(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text" | "code_inline":
            return node.content
        case "image":  # its description, which may be marked up
            return "".join(_text(child) for child in node.children)
        case "softbreak" | "hardbreak":
            return " "
        case "html_inline":
            return text_of_html(node.content)
        case _:
            return "".join(_text(child) for child in node.children)
