"""The text of answers from documents: a quote or the model's text, and the passages behind it.

Pure: passages in, Markdown out.
"""
# Pure. Uses markdown_it.

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from worker.knowledge.chunks import JOINT, Passage, split_sentences
from worker.knowledge.documents import DocumentBlock
from worker.knowledge.sanitize import as_code, as_plain, sanitized

MAX_QUOTE_CHARS = 600
"""A longer passage is cut to the sentences around the nearest one."""
REFERENCE = re.compile(r"\s?\[(\d+(?:\s*[,;]\s*\d+)*)\](?!\()")
DIGITS = re.compile(r"\d+")
MAX_DIGITS = 100
LINK = re.compile(r"https?://[^\s<>()\[\]`|]+")
NOT_THERE = "That is not in the documents that I may use here."
NEAREST = "The nearest passages are:"
NO_DOCUMENTS = (
    "There are no documents to answer from here. Upload one and say `learn this`, or ask whoever "
    "runs Parley to take some in with `parley ingest`."
)


@dataclass(frozen=True, slots=True)
class Citation:
    """The citation of a passage in an answer."""

    title: str
    path: tuple[str, ...]
    link: str
    """Set when the document was added, never by its content; may be empty."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A numbered passage."""

    citation: Citation
    passage: Passage


def units_of(passage: Passage) -> list[DocumentBlock]:
    """Split a passage into sentences; code stays in one piece."""
    return [
        DocumentBlock(sentence, block.is_code)
        for block in passage.blocks
        for sentence in ([block.text] if block.is_code else split_sentences(block.text))
    ]


def trimmed(units: Sequence[DocumentBlock], nearness: Sequence[float]) -> list[DocumentBlock]:
    """The units around the nearest one, as many as fit into a quote; later ones are cut first.

    Args:
        units: of a passage, in its order.
        nearness: of each to the question.
    """
    start = max(range(len(units)), key=nearness.__getitem__)
    end = start + 1
    size = len(units[start].text)
    while end < len(units) and size + len(units[end].text) <= MAX_QUOTE_CHARS:
        size += len(units[end].text)
        end += 1
    while start > 0 and size + len(units[start - 1].text) <= MAX_QUOTE_CHARS:
        start -= 1
        size += len(units[start].text)
    return list(units[start:end])


def quoting_answer(
    units: Sequence[DocumentBlock], cited: Sequence[Cited], allowed: AbstractSet[str]
) -> str:
    """A quote of the first passage, and links to it and to further passages.

    Args:
        units: the quoted part of the first passage.
        cited: the passages, the quoted one first.
        allowed: addresses that the asker wrote.
    """
    parts: list[str] = []
    line: list[str] = []
    for unit in units:
        if not unit.is_code:
            line.append(as_plain(unit.text, allowed))
            continue
        if line:
            parts.append(" ".join(line))
            line = []
        parts.append(as_code(unit.text))
    if line:
        parts.append(" ".join(line))
    quoted = "\n>\n".join("\n".join(f"> {text}" for text in part.split("\n")) for part in parts)
    return f"{quoted}\n\n{sources(cited)}"


def written_answer(text: str, cited: Sequence[Cited], allowed: AbstractSet[str]) -> str:
    """A model's answer with the passages that it cites below it.

    A citation of a passage that does not exist is removed. If it cites none, all its passages are
    listed.
    """
    used: list[int] = []

    def check(found: re.Match[str]) -> str:
        # Python reads no number of thousands of digits, and no passage has one.
        numbers = [int(word) for word in DIGITS.findall(found[1]) if len(word) <= MAX_DIGITS]
        real = [number for number in numbers if 1 <= number <= len(cited)]
        used.extend(number for number in real if number not in used)
        blank = found[0][: found[0].index("[")]
        return blank + ", ".join(f"[{number}]" for number in real) if real else ""

    checked = REFERENCE.sub(check, sanitized(text, allowed)).strip()
    numbers = sorted(used) or range(1, len(cited) + 1)
    lines = [f"{_line(number, cited[number - 1].citation)}" for number in numbers]
    heading = "" if used else "I was given:\n"
    return f"{checked}\n\n{heading}" + "\n".join(lines)


def thin_answer(cited: Sequence[Cited]) -> str:
    """The answer when the documents do not have it."""
    if not cited:
        return NOT_THERE
    return f"{NOT_THERE} {NEAREST}\n\n{sources(cited)}"


def sources(cited: Sequence[Cited]) -> str:
    """The numbered list below an answer."""
    return "\n".join(_line(number, one.citation) for number, one in enumerate(cited, 1))


def passages_block(cited: Sequence[Cited]) -> str:
    """The passages in a prompt: numbered, with their headings."""
    return "\n\n".join(
        f"[{number}] {JOINT.join([one.citation.title, *one.citation.path])}\n{one.passage.text}"
        for number, one in enumerate(cited, 1)
    )


def is_link(text: str) -> bool:
    """Whether an address may be shown unchanged below an answer."""
    return LINK.fullmatch(text) is not None


def _line(number: int, citation: Citation) -> str:
    names = JOINT.join(as_plain(name) for name in (citation.title, *citation.path))
    link = f" — {citation.link}" if is_link(citation.link) else ""
    return f"[{number}] {names}{link}"
