"""The chunking of a document into passages of bounded size that keep their headings. Pure.

A passage never crosses a heading. A section that is too long for one is cut between blocks, or else
between sentences, and each further passage repeats the end of the one before it.
"""
# Pure.

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shared.bounds import MAX_PASSAGES
from worker.knowledge.documents import Document, DocumentBlock, Section

MAX_CHARS = 1000
"""Some 220 tokens of English: all-MiniLM-L6-v2 reads 256, and the headings come first."""
OVERLAP_CHARS = 160
"""One or two sentences, so that one that explains the next is found with it."""
SENTENCE_END = re.compile(r"(?<=[.!?\u2026\u3002\uff01\uff1f])[\"')\]]*\s+(?=[^a-z\s])")
JOINT = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "
"""Between headings."""
ID_CHARS = 24
"""Of a SHA-256 in hexadecimal: 96 bits."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit of search, prompt and citation."""

    path: tuple[str, ...]
    """The headings above it, the outermost first."""
    blocks: tuple[DocumentBlock, ...]

    @property
    def text(self) -> str:
        """Its text, without the headings."""
        return "\n".join(block.text for block in self.blocks)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document as passages: what a reader's process answers, and what is stored."""

    title: str
    passages: tuple[Passage, ...]


def cut(document: Document) -> ReadDocument:
    """Cut a document into passages, of which there may be one more than ``MAX_PASSAGES``."""
    passages = itertools.islice(_all_passages(document), MAX_PASSAGES + 1)
    return ReadDocument(document.title, tuple(passages))


def passages_of(document: Document) -> list[Passage]:
    """A document's passages, in its order."""
    return list(_all_passages(document))


def _all_passages(document: Document) -> Iterator[Passage]:
    return (passage for section in document.sections for passage in _passages_of(section))


def searched_text(title: str, path: Sequence[str], text: str) -> str:
    """The text that is searched: the headings give the words their context."""
    return "\n".join([JOINT.join([title, *path]), text])


def passage_id(document_id: str, passage: Passage, number: int) -> str:
    """An id that is stable as long as headings and words are.

    Args:
        document_id: its document's.
        passage: the passage.
        number: how many like it stand before it in the document.
    """
    parts = [document_id, *passage.path, *(b.text for b in passage.blocks), str(number)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:ID_CHARS]


def split_sentences(text: str) -> list[str]:
    """The sentences of a paragraph, approximately: an abbreviation may end one too early."""
    return [sentence for sentence in SENTENCE_END.split(text) if sentence.strip()]


def _passages_of(section: Section) -> Iterator[Passage]:
    pieces = [piece for block in section.blocks for piece in _cut(block)]
    current: list[DocumentBlock] = []
    for piece in pieces:
        if current and _size([*current, piece]) > MAX_CHARS:
            yield Passage(section.path, tuple(current))
            current = _overlap(current, MAX_CHARS - len(piece.text) - 1)
        current.append(piece)
    if current:
        yield Passage(section.path, tuple(current))


def _size(blocks: Sequence[DocumentBlock]) -> int:
    return sum(len(block.text) + 1 for block in blocks) - 1


def _overlap(blocks: Sequence[DocumentBlock], max_chars: int) -> list[DocumentBlock]:
    """The last words of a passage, for the next one."""
    last = blocks[-1]
    if last.is_code:
        return []
    room = min(max_chars, OVERLAP_CHARS)
    kept: list[str] = []
    for sentence in reversed(split_sentences(last.text)):
        if sum(len(s) + 1 for s in kept) + len(sentence) > room:
            break
        kept.insert(0, sentence)
    return [DocumentBlock(" ".join(kept))] if kept else []


def _cut(block: DocumentBlock) -> Iterator[DocumentBlock]:
    """Cut a block to size: between lines of code, else between sentences, else anywhere."""
    if len(block.text) <= MAX_CHARS:
        yield block
        return
    joint = "\n" if block.is_code else " "
    parts = block.text.split("\n") if block.is_code else split_sentences(block.text)
    line = ""
    for part in itertools.chain.from_iterable(map(_hard_cut, parts)):
        if line and len(line) + len(joint) + len(part) > MAX_CHARS:
            yield DocumentBlock(line, block.is_code)
            line = part
        else:
            line = f"{line}{joint}{part}" if line else part
    if line:
        yield DocumentBlock(line, block.is_code)


def _hard_cut(text: str) -> Iterable[str]:
    """Cut a text without sentences to lengths that fit; between words where there are some."""
    start = 0
    while len(text) - start > MAX_CHARS:
        at = text.rfind(" ", start + MAX_CHARS // 2, start + MAX_CHARS)
        at = at if at > 0 else start + MAX_CHARS
        yield text[start:at]
        start = at
        while text.startswith(" ", start):
            start += 1
    yield text[start:]
