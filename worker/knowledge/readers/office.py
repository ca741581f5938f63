"""The readers of PDF and DOCX. Libraries open both; nothing in a file is ever run."""

import errno
import io
import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import mammoth
import pypdf
import pypdf.errors

from shared.bounds import MAX_PAGES, MAX_PARTS, MAX_UNPACKED_BYTES, MB
from shared.errors import UnreadableDocumentError
from worker.knowledge.documents import Document, Outline
from worker.knowledge.readers.html import read_html

PACKED_RATIO = 1.5
"""What shrinks less when it is packed was packed already: it is a picture, and unpacks to no more
than the upload has."""
PARAGRAPHS = re.compile(r"\n[ \t]*\n")
PDF_BOUNDS = pypdf.Configuration(
    array_based_stream_maximum_output_length=MAX_UNPACKED_BYTES,
    brotli_maximum_output_length=MAX_UNPACKED_BYTES,
    jbig2_maximum_output_length=MAX_UNPACKED_BYTES,
    lzw_maximum_output_length=MAX_UNPACKED_BYTES,
    run_length_maximum_output_length=MAX_UNPACKED_BYTES,
    stream_decoding_work_maximum_length=MAX_UNPACKED_BYTES,
    zlib_maximum_output_length=MAX_UNPACKED_BYTES,
    jbig2dec_binary=None,
    disable_legacy_handling=True,
)
"""What a stream may unpack to by each of its filters; no other program is run, and settings of
the library's older versions are not looked for in its source."""
HYPHEN = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
"""A word that is hyphenated at the end of a line."""


def read_pdf(content: bytes, name: str) -> Document:
    """Read a PDF, one section per page: a heading in PDF is only larger text.

    Raises:
        UnreadableDocumentError: it is encrypted, damaged, or has pictures instead of text.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs each oddity of a file
    with (
        _faults_told(f"The file {name}.pdf is damaged, or not a PDF at all."),
        pypdf.apply_configuration(PDF_BOUNDS),
    ):
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted:
            _decrypt(reader, name)
        try:
            return _read_pages(reader, name)
        except pypdf.errors.LimitReachedError as error:
            raise _too_large(f"{name}.pdf") from error


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
    num_chars = num_bytes = 0
    for number, page in enumerate(reader.pages, 1):
        content = page.get_contents()
        # Pages may share one stream, which is read again for each of them.
        num_bytes += len(content.get_data()) if content is not None else 0
        _require_small(num_bytes, f"{name}.pdf")
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
            parts = packed.infolist()
        if len(parts) > MAX_PARTS:
            raise UnreadableDocumentError(
                f"The file {name}.docx has {len(parts):,} parts; I read at most {MAX_PARTS:,}."
            )
        grown = (each for each in parts if each.file_size > PACKED_RATIO * each.compress_size)
        _require_small(sum(each.file_size for each in grown), f"{name}.docx")
        page = mammoth.convert_to_html(io.BytesIO(content), convert_image=_no_image).value
        return read_html(page, name)


def _require_small(num_bytes: int, name: str) -> None:
    if num_bytes > MAX_UNPACKED_BYTES:
        raise _too_large(name)


def _too_large(name: str) -> UnreadableDocumentError:
    return UnreadableDocumentError(
        f"The file {name} is too large when it is unpacked; I read at most "
        f"{MAX_UNPACKED_BYTES // MB:,} MB."
    )


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
        if isinstance(error, OSError) and error.errno == errno.EMFILE:
            raise  # a fault of this process, which can open nothing
        raise UnreadableDocumentError(sentence) from error
