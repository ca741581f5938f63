"""The readers of PDF and DOCX. Libraries open both; nothing in a file is ever run."""

import io
import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import mammoth
import pypdf

from shared.errors import UnreadableDocumentError
from worker.knowledge.documents import Document, Outline
from worker.knowledge.readers.html import read_html

MAX_UNPACKED_BYTES = 200_000_000
"""A DOCX is a ZIP file: a small one may unpack to more than any memory holds."""
MAX_PAGES = 2000
PARAGRAPHS = re.compile(r"\n[ \t]*\n")
HYPHEN = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
"""A word that is hyphenated at the end of a line."""


def read_pdf(content: bytes, name: str) -> Document:
    """Read a PDF, one section per page: a heading in PDF is only larger text.

    Raises:
        UnreadableDocumentError: it is encrypted, damaged, or has pictures instead of text.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs each oddity of a file
    with _faults_told(f"The file {name}.pdf is damaged, or not a PDF at all."):
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted:
            _decrypt(reader, name)
        return _read_pages(reader, name)


def _decrypt(reader: pypdf.PdfReader, name: str) -> None:
    """Open a file that only forbids printing or changes: its password is empty."""
    with _faults_told(f"The file {name}.pdf is encrypted: save it without a password."):
        if not reader.decrypt(""):
            raise ValueError("It needs a password.")


def _read_pages(reader: pypdf.PdfReader, name: str) -> Document:
    if len(reader.pages) > MAX_PAGES:
        raise UnreadableDocumentError(
            f"The file {name}.pdf has {len(reader.pages):,} pages; I read at most {MAX_PAGES:,}."
        )
    outline = Outline()
    outline.add_heading(0, str((reader.metadata and reader.metadata.title) or name))
    num_chars = 0
    for number, page in enumerate(reader.pages, 1):
        text = HYPHEN.sub("", page.extract_text())
        num_chars += len(text.strip())
        outline.add_heading(1, f"Page {number}")
        for paragraph in PARAGRAPHS.split(text):
            outline.add(paragraph)
    if not num_chars:
        raise UnreadableDocumentError(
            f"The file {name}.pdf has pictures of pages and no text: run it through text "
            "recognition first."
        )
    return outline.finish(name)


def read_docx(content: bytes, name: str) -> Document:
    """Read Word's headings, paragraphs, lists and tables.

    Raises:
        UnreadableDocumentError: it is damaged or encrypted, or too large when it is unpacked.
    """
    with _faults_told(
        f"The file {name}.docx is damaged, encrypted, or not a DOCX at all: save it anew, without "
        "a password."
    ):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            num_bytes = sum(part.file_size for part in packed.infolist())
        _require_small(num_bytes, name)
        page = mammoth.convert_to_html(io.BytesIO(content), convert_image=_no_image).value
        return read_html(page, name)


def _require_small(num_bytes: int, name: str) -> None:
    if num_bytes > MAX_UNPACKED_BYTES:
        raise UnreadableDocumentError(f"The file {name}.docx is too large when it is unpacked.")


def _no_image(_image: object) -> list[object]:
    return []


@contextmanager
def _faults_told(sentence: str) -> Iterator[None]:
    """Turn any exception of the library for a damaged file into a sentence."""
    try:
        yield
    except (UnreadableDocumentError, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise UnreadableDocumentError(sentence) from error
