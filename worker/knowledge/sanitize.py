"""The sanitizer of text that strangers may have influenced. Pure.

Quoted text is plain text and is escaped so that no Markdown reads it as anything else. A model's
text about quotes stays Markdown, without pictures and with every address broken that the asker did
not write: an address can carry a secret away, and an answer needs no new one.
"""
# Pure. Uses markdown_it.

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from markdown_it import MarkdownIt

from worker.knowledge.documents import clean

_SCHEME = r"(?<![a-z0-9+.-])(?P<before>(?:(?!\b[a-z])[a-z0-9+.-])*+)(?P<scheme>[a-z][a-z0-9+.-]*+:)"
"""Begins only where a run of a scheme's characters does: else ``a.a.a`` is read from each of its
words. What the run has before its first letter is no part of the scheme."""
ADDRESS = re.compile(rf"{_SCHEME}//[^\s<>\"]+|\bwww\.[^\s<>\"]+", re.IGNORECASE)
SCHEME = re.compile(
    rf"{_SCHEME}(?P<slashes>//)"
    r"|(?P<other>\b(?:mailto|tel|sms|javascript|data|vbscript|file):)(?=\S)",
    re.IGNORECASE,
)
TRAILING = ".,;:!?)]}'*_~"
"""Punctuation behind an address that belongs to the sentence."""
PICTURE = re.compile(r"!(?=\s*\[)")
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")
LIST_MARK = re.compile(r"^([^\S\n]*+)([-+]|\d++[.)])(?=\s)", re.MULTILINE)
MENTION = re.compile(r"(?P<sign>@(?=everyone|here)|<(?=[@#!]))", re.IGNORECASE)
"""The beginning of a mention of all members, a person, a group or a channel."""


TICKS = re.compile("`+")


def addresses_in(text: str) -> frozenset[str]:
    """The addresses in a text, without the punctuation of its sentences."""
    return frozenset(address for _, address in _addresses(text))


def as_plain(text: str, allowed: AbstractSet[str] = frozenset()) -> str:
    """Escape plain text for Markdown; addresses become code, which is no link.

    Args:
        text: the plain text.
        allowed: addresses that may stay links, as the asker wrote them.
    """
    text = clean(text)
    parts: list[str] = []
    end = 0
    for start, address in _addresses(text):
        parts.append(_escaped(text[end:start]))
        parts.append(address if address in allowed else f"`{address.replace('`', '')}`")
        end = start + len(address)
    parts.append(_escaped(text[end:]))
    return LIST_MARK.sub(r"\1\\\2", "".join(parts))


def as_code(text: str) -> str:
    """Text as a code block that nothing in it can end."""
    code = clean(text)
    longest = max(map(len, TICKS.findall(code)), default=0)
    fence = "`" * max(len("```"), longest + 1)
    return f"{fence}\n{code}\n{fence}"


def sanitized(text: str, allowed: AbstractSet[str] = frozenset()) -> str:
    """A model's Markdown without pictures and new addresses; code blocks are unchanged."""
    lines = PICTURE.sub("", _without_mentions(clean(text))).split("\n")
    in_code = {
        number
        for token in MarkdownIt("commonmark").parse("\n".join(lines))
        if token.type == "fence" and token.map
        for number in range(*token.map)
    }
    return "\n".join(
        line if number in in_code else _broken(line, allowed) for number, line in enumerate(lines)
    )


def _broken(line: str, allowed: AbstractSet[str]) -> str:
    """A line with a blank behind each scheme, unless the whole address is allowed."""
    parts: list[str] = []
    end = 0
    for start, address in _addresses(line):
        if address in allowed:
            parts += [_without_schemes(line[end:start]), address]
            end = start + len(address)
    return "".join([*parts, _without_schemes(line[end:])])


def _addresses(text: str) -> Iterator[tuple[int, str]]:
    """Where each address begins, and the address without the punctuation of its sentence."""
    for found in ADDRESS.finditer(text):
        start = max(found.start(), found.end("before"))
        yield start, text[start : found.end()].rstrip(TRAILING)


def _without_schemes(text: str) -> str:
    return SCHEME.sub(_with_blank, text)


def _with_blank(found: re.Match[str]) -> str:
    """``https: //``, which is no address on any platform."""
    before = found["before"] or ""
    return f"{before}{found['scheme'] or found['other']} {found['slashes'] or ''}"


def _without_mentions(text: str) -> str:
    return MENTION.sub(r"\g<sign> ", text)


def _escaped(text: str) -> str:
    harmless = PICTURE.sub("", _without_mentions(_without_schemes(text)))
    return SPECIAL.sub(r"\\\1", harmless)
