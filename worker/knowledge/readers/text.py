"""The reader of plain text: paragraphs only."""

import re

from worker.knowledge.documents import Document, Outline

PARAGRAPHS = re.compile(r"\n[ \t]*\n")


def read_text(text: str, name: str) -> Document:
    """Read paragraphs, which end at empty lines."""
    outline = Outline()
    for paragraph in PARAGRAPHS.split(text.replace("\r\n", "\n")):
        outline.add(paragraph)
    return outline.finish(name)
