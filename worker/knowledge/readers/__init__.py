"""The readers: from a file's bytes and name to a document, for every supported format.

A file that cannot be read is refused with one sentence that says why and what to do. Each format
has a module of its own.
"""

import codecs
from collections.abc import Callable, Mapping
from pathlib import PurePath

from shared.bounds import MAX_MARKDOWN_BYTES, MAX_PASSAGES, MAX_RST_BYTES, MB
from shared.errors import UnreadableDocumentError
from worker.knowledge.chunks import MAX_CHARS, ReadDocument, cut
from worker.knowledge.documents import Document, clean
from worker.knowledge.readers.html import read_html
from worker.knowledge.readers.markdown import read_markdown
from worker.knowledge.readers.office import read_docx, read_pdf
from worker.knowledge.readers.rst import read_rst
from worker.knowledge.readers.text import read_text

Reader = Callable[[str, str], Document]

TEXT_READERS: Mapping[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".rst": read_rst,
    ".html": read_html,
    ".htm": read_html,
    ".txt": read_text,
    ".text": read_text,
}
BYTES_READERS: Mapping[str, Callable[[bytes, str], Document]] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
}
ENDINGS = frozenset({*TEXT_READERS, *BYTES_READERS})
FORMATS = "Markdown, reStructuredText, HTML, plain text, PDF and DOCX"
SLOW_FORMATS = {
    ".md": MAX_MARKDOWN_BYTES,
    ".markdown": MAX_MARKDOWN_BYTES,
    ".rst": MAX_RST_BYTES,
}
MAX_CONTROL_SHARE = 0.02
"""A text with more control characters than that is no text in any encoding."""
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def is_known(name: str) -> bool:
    """Whether a file of this name can be read."""
    return PurePath(name).suffix.lower() in ENDINGS


def read_document(content: bytes, name: str, max_mb: float) -> Document:
    """Read a file.

    Args:
        content: its bytes.
        name: the file name; its extension gives the format.
        max_mb: the largest file that is read, in megabytes.

    Raises:
        UnreadableDocumentError: it cannot be read; the sentence says why.
    """
    if len(content) > max_mb * MB:
        raise UnreadableDocumentError(
            f"The file {name} has {len(content) / MB:,.1f} MB; I read at most {max_mb:g} MB "
            "(PARLEY_MAX_UPLOAD_MB). Please split it."
        )
    ending = PurePath(name).suffix.lower()
    most = SLOW_FORMATS.get(ending, len(content))
    if len(content) > most:
        raise UnreadableDocumentError(
            f"The file {name} has {len(content) / MB:,.1f} MB; of this format I read at most "
            f"{most / MB:g} MB. Please split it."
        )
    if not content.strip():
        raise UnreadableDocumentError(f"The file {name} is empty.")
    title = PurePath(name).stem or name
    if read_bytes := BYTES_READERS.get(ending):
        document = read_bytes(content, title)
    elif read := TEXT_READERS.get(ending):
        document = read(decode(content, name), title)
    else:
        raise UnreadableDocumentError(f"I cannot read {name}: I read {FORMATS}.")
    if document.is_empty:
        raise UnreadableDocumentError(f"There is no text in {name}.")
    return document


def read_passages(content: bytes, name: str, max_mb: float) -> ReadDocument:
    """Read a file and cut it into passages.

    Raises:
        UnreadableDocumentError: it cannot be read, or has more than ``MAX_PASSAGES``.
    """
    document = cut(read_document(content, name, max_mb))
    if len(document.passages) > MAX_PASSAGES:
        raise UnreadableDocumentError(
            f"The file {name} is too long: I keep at most {MAX_PASSAGES:,} passages of "
            f"{MAX_CHARS:,} characters of a document. Please split it."
        )
    return document


def read_text_of(content: bytes, name: str, max_mb: float) -> str:
    """A file's text: the readable text of an office document, the content of any other file.

    Raises:
        UnreadableDocumentError: it is too large, empty, or no text.
    """
    if PurePath(name).suffix.lower() in BYTES_READERS:
        return _lines_of(read_document(content, name, max_mb))
    if len(content) > max_mb * MB:
        raise UnreadableDocumentError(f"The file {name} is larger than {max_mb:g} MB.")
    text = clean(decode(content, name)).strip()
    if not text:
        raise UnreadableDocumentError(f"The file {name} is empty.")
    return text


def _lines_of(document: Document) -> str:
    lines: list[str] = []
    for section in document.sections:
        lines += section.path[-1:]
        lines += [block.text for block in section.blocks]
    return "\n\n".join(lines)


def decode(content: bytes, name: str) -> str:
    """Decode a text file: UTF-8, UTF-16 with its mark, or else Windows' Western European.

    Raises:
        UnreadableDocumentError: it is no text.
    """
    encoding = next((found for bom, found in BOMS if content.startswith(bom)), None)
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    controls = sum(char < " " and char not in "\t\n\r\f" for char in text)
    if "\0" in text or controls > MAX_CONTROL_SHARE * len(text):
        raise UnreadableDocumentError(
            f"The file {name} is not a text file, whatever its name says. I read {FORMATS}."
        )
    return text
