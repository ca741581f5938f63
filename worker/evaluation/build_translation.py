"""Builds ``data/translation.tsv`` from the messages of Django's interface and their translations.

``python -m worker.evaluation.build_translation DJANGO.whl`` with the wheel that ``pip download
--no-deps django==5.2.19`` fetches. Run by maintainers alone; the result is in the repository.
"""

import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from babel.messages.pofile import read_po

from worker.evaluation.translation import SHIPPED, TranslationExample

LANGUAGES = ("fr", "de", "es")
NUM_EACH = 20
"""A small model needs some minutes for so many on two cores."""
MIN_CHARS, MAX_CHARS = 40, 160
"""Sentences: shorter messages are labels, longer ones paragraphs."""


def main(wheel: Path) -> None:
    """Select the messages by hash, the same for every language, and write them."""
    with zipfile.ZipFile(wheel) as archive:
        messages = {language: dict(_messages(archive, language)) for language in LANGUAGES}
    shared = set.intersection(*(set(of_one) for of_one in messages.values()))
    chosen = sorted(shared, key=lambda text: hashlib.sha256(text.encode()).digest())[:NUM_EACH]
    examples = [
        TranslationExample("en", language, source, messages[language][source])
        for language in LANGUAGES
        for source in chosen
    ]
    lines = [f"{e.source}\t{e.target}\t{e.text}\t{e.reference}" for e in examples]
    Path(str(SHIPPED)).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _messages(archive: zipfile.ZipFile, language: str) -> Iterator[tuple[str, str]]:
    ending = f"locale/{language}/LC_MESSAGES/django.po"
    for name in sorted(archive.namelist()):
        if name.endswith(ending):
            for message in read_po(io.BytesIO(archive.read(name))):
                if _is_sentence(message.id, message.string) and not message.fuzzy:
                    yield str(message.id), str(message.string)


def _is_sentence(source: object, reference: object) -> bool:
    """Whether it is a whole sentence without placeholders, tags or line breaks."""
    texts = (source, reference)
    if not all(isinstance(text, str) and text for text in texts):
        return False
    has_gaps = any(char in str(text) for text in texts for char in "%{<\n\t")
    return not has_gaps and MIN_CHARS <= len(str(source)) <= MAX_CHARS


if __name__ == "__main__":
    main(Path(sys.argv[1]))
