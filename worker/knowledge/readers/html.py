"""The reader of HTML: the text that a person reads on the page, without its navigation.

Hidden text is left out, because a model would read it.
"""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shared.bounds import MAX_NESTING
from worker.knowledge.documents import Document, Outline

LEFT_OUT = frozenset(
    """
    script style template noscript nav header footer aside form button svg head iframe object
    """.split()  # noqa: SIM905 - quoted words are hard to read
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
INLINE = frozenset(
    """
    a abbr b bdi bdo cite code data dfn em font i ins kbd label mark q s samp small span strong sub
    sup time tt u var wbr
    """.split()  # noqa: SIM905 - the same
)
HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])"
)
TAG = re.compile(r"<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)")
ENDED_BY_OTHERS = frozenset(
    """
    area base body br col colgroup dd dt embed head hr html img input li link meta optgroup option p
    param rp rt source tbody td tfoot th thead tr track wbr
    """.split()  # noqa: SIM905 - the same
)
"""Tags that need no end of their own."""
TEXT, COMMENT = "-text", "-comment"
"""selectolax's tags of nodes that are no elements."""


def read_html(text: str, name: str) -> Document:
    """Read a page, or a part of one.

    Raises:
        RecursionError: its tags are nested deeper than any page's.
    """
    _require_shallow(text)
    page = LexborHTMLParser(text)
    title = page.css_first("title")
    outline = Outline()
    body = page.css_first("main") or page.css_first("article") or page.body
    if body is not None:
        _Walk(outline).read(body)
    return outline.finish(title.text(strip=True) if title else name)


def add_html(outline: Outline, text: str) -> None:
    """Add a piece of HTML to a document of another format.

    Raises:
        RecursionError: as ``read_html``.
    """
    _require_shallow(text)
    body = LexborHTMLParser(text).body
    if body is not None:
        _Walk(outline).read(body)


def text_of_html(text: str) -> str:
    """The visible text of a piece of HTML."""
    body = LexborHTMLParser(text).body
    return body.text() if body is not None else ""


def _require_shallow(text: str) -> None:
    """Refuse tags that would take the parser time with the square of their depth.

    What is less deep than this, and still too deep to be walked, it parses within milliseconds.
    """
    depth = 0
    for tag in TAG.finditer(text):
        if tag["name"].lower() not in ENDED_BY_OTHERS:
            depth = max(0, depth - 1) if tag["end"] else depth + 1
            if depth > MAX_NESTING:
                raise RecursionError("The tags are nested too deep.")


class _Walk:
    """Walks a page; text between two blocks is a paragraph."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._words: list[str] = []

    def read(self, node: LexborNode) -> None:
        self._visit_children(node)
        self._end_paragraph()

    def _visit_children(self, node: LexborNode) -> None:
        child = node.first_child
        while child is not None:
            self._visit(child)
            child = child.next

    def _visit(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag == TEXT:
            self._words.append(node.text(deep=False))
        elif tag == COMMENT or tag in LEFT_OUT or _is_hidden(node):
            return
        elif tag in HEADINGS:
            self._end_paragraph()
            self._outline.add_heading(HEADINGS[tag], node.text())
        elif tag == "pre":
            self._end_paragraph()
            self._outline.add_code(node.text())
        elif tag == "br":
            self._words.append(" ")
        elif tag in INLINE:
            self._visit_children(node)
        else:
            self._visit_block(node, tag)

    def _visit_block(self, node: LexborNode, tag: str) -> None:
        is_cell = tag in {"td", "th"}
        if not is_cell:
            self._end_paragraph()
        self._visit_children(node)
        if is_cell:
            self._words.append(" | ")
        else:
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        self._outline.add("".join(self._words).strip().removesuffix("|"))
        self._words.clear()


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    style = (attributes.get("style") or "").lower()
    return "hidden" in attributes or bool(HIDING.search(style))
