"""The Markdown grammar of answers: CommonMark with tables, strikethrough and bare addresses.

HTML and reference definitions are plain text. Nesting is bounded inside the parser, where deeper
levels become text: no answer costs more than its length, and none loses a word.
"""
# Pure. Uses markdown_it.

import re
from collections.abc import Callable
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.blockquote import blockquote
from markdown_it.rules_block.list import list_block
from markdown_it.rules_block.table import table
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MAX_DEPTH = 16
"""Levels of quotes and lists; an item of a list counts for two. Below the parser's own bound,
beyond which it drops content."""
MAX_TABLE_HEAD_CHARS = 500
"""A longer line is not the head of a table: it would be shown as text first, in parts."""
ADDRESS = re.compile(r"https?://[^\s<>]+", re.IGNORECASE)
SCHEME = re.compile(r"https?\Z", re.IGNORECASE)
BEHIND = "?!.,:;*_~'\"|"
"""Not the end of an address, but what follows it (github.github.com/gfm, autolinks)."""
BARE = "bare_address"

BlockRule = Callable[[StateBlock, int, int, bool], bool]


@cache
def grammar() -> MarkdownIt:
    """The parser; it keeps no state between two texts."""
    parser = MarkdownIt("commonmark")
    parser.enable(["table", "strikethrough"])
    # Text that looks like HTML, or like "[1]: https://…", must stay readable.
    parser.disable(["reference", "html_block", "html_inline"])
    ends = ["paragraph", "reference", "blockquote"]
    parser.block.ruler.at("blockquote", _bounded(blockquote), {"alt": [*ends, "list"]})
    parser.block.ruler.at("list", _bounded(list_block), {"alt": ends})
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    parser.inline.ruler.before("linkify", BARE, _bare_address)
    parser.normalizeLink = _as_it_is  # type: ignore[method-assign,assignment]  # its documented hook
    parser.normalizeLinkText = _as_it_is  # type: ignore[method-assign,assignment]  # the same
    return parser


def blocks_of(text: str) -> list[Token]:
    """The blocks, with their inner text unparsed."""
    parser = grammar()
    tokens: list[Token] = []
    parser.block.parse(text, parser, {}, tokens)
    return tokens


def spans_of(text: str) -> list[Token]:
    """The inline tokens of a paragraph's text."""
    parser = grammar()
    tokens: list[Token] = []
    parser.inline.parse(text, parser, {}, tokens)
    return tokens


def _as_it_is(address: str) -> str:
    return address


def _bounded(rule: BlockRule) -> BlockRule:
    def bounded(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's
        return state.level < MAX_DEPTH and rule(state, start, end, silent)

    return bounded


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's
    if state.eMarks[start] - state.bMarks[start] > MAX_TABLE_HEAD_CHARS:
        return False
    return table(state, start, end, silent)


def _bare_address(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's
    """An address in the text, found before its ``_`` and ``*`` are parsed as marks."""
    if state.src[state.pos] != ":" or state.linkLevel > 0:
        return False
    scheme = SCHEME.search(state.pending[-5:])
    if scheme is None:
        return False
    begin = state.pos - len(scheme[0])
    match = ADDRESS.match(state.src, begin, state.posMax)
    address = _without_what_follows(match[0]) if match else ""
    if len(address) <= len("https://"):
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[0])]
        state.push(BARE, "", 0).content = address
    state.pos = begin + len(address)
    return True


def _without_what_follows(address: str) -> str:
    while address:
        last = address[-1]
        is_unmatched = last == ")" and address.count(")") > address.count("(")
        if last not in BEHIND and not is_unmatched:
            break
        address = address[:-1]
    return address
