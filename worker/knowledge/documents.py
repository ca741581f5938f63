"""The document model: headings and plain text, the output of every reader. Pure.

Readers remove all Markdown and HTML: the rest is text that people read, with code kept apart
because its line ends and signs matter.
"""
# Pure.

import re
from dataclasses import dataclass

from shared.bounds import MAX_HEADING_CHARS, MAX_HEADING_DEPTH

HIDDEN = re.compile(
    "[\U000e0000-\U000e007f\ufe00-\ufe0f\u200b-\u200d\u2060\u2061-\u2064\ufeff\u00ad]"
)
"""Characters that are invisible to people but not to a model: tags, variation selectors, zero-width
blanks."""
DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that make a text look different from its content."""
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Unicode's control characters, without line ends and tabs."""
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class DocumentBlock:
    """A paragraph, a list's item, a table's row, or code."""

    text: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """The blocks under one heading, up to the next one."""

    path: tuple[str, ...]
    """The headings above it, the outermost first; the document's title is not one of them."""
    blocks: tuple[DocumentBlock, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file."""

    title: str
    sections: tuple[Section, ...]

    @property
    def is_empty(self) -> bool:
        """Whether it has no text."""
        return not any(section.blocks for section in self.sections)


class Outline:
    """Builds a document from headings and blocks in order."""

    def __init__(self) -> None:
        self._title = ""
        self._levels: list[tuple[int, str]] = []
        self._sections: list[Section] = []
        self._blocks: list[DocumentBlock] = []

    def add_heading(self, level: int, text: str) -> None:
        """Begin a section. A first heading without text above it is the title.

        It is cut to ``MAX_HEADING_CHARS``, because it is kept with each passage under it.
        """
        text = _shortened(clean_line(text))
        if not text:
            return
        if not self._title and not self._sections and not self._blocks:
            self._title = text
            return
        self._end_section()
        self._levels = [(above, name) for above, name in self._levels if above < level]
        self._levels.append((level, text))

    def add(self, text: str) -> None:
        """Add a paragraph or the like."""
        if text := clean_line(text):
            self._blocks.append(DocumentBlock(text))

    def add_code(self, text: str) -> None:
        """Add code."""
        text = clean(text).strip("\n").rstrip()
        if text:
            self._blocks.append(DocumentBlock(text, is_code=True))

    def finish(self, name: str) -> Document:
        """The document; ``name`` is its title if it has none."""
        self._end_section()
        return Document(self._title or _shortened(name), tuple(self._sections))

    def _end_section(self) -> None:
        if self._blocks:
            path = tuple(name for _, name in self._levels[-MAX_HEADING_DEPTH:])
            self._sections.append(Section(path, tuple(self._blocks)))
            self._blocks = []


def clean(text: str) -> str:
    """Remove invisible characters: hidden, directing and control characters."""
    whole = (
        text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    )
    return CONTROLS.sub("", DIRECTIONS.sub("", HIDDEN.sub("", whole)))


def clean_line(text: str) -> str:
    """The same, with every run of blanks and line ends replaced by one blank."""
    return " ".join(clean(text).split())


def _shortened(heading: str) -> str:
    """A heading of at most ``MAX_HEADING_CHARS``."""
    if len(heading) <= MAX_HEADING_CHARS:
        return heading
    return heading[: MAX_HEADING_CHARS - len(ELLIPSIS)].rstrip() + ELLIPSIS
