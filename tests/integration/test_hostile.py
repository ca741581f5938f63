"""The quick half of ``python -m tests.hostile``: a sentence for each file, and little time."""

import contextlib
import re

from shared import bounds
from tests.hostile.files import SLOW, files
from tests.hostile.reading import Reading, read
from worker.knowledge.reader_pool import ReaderPool

DAMAGED = "I could not read {}: it is damaged, or too complicated."
SENTENCE = re.compile(r"(I could not read|I cannot read|The file|There is no text in) .{5,250}\.")
READ = re.compile(r"\([\d,]+ (passages|of [\d,]+ characters)\)")
MAX_CPU_S = 6.0
"""Twelve times what the slowest takes on an idle machine."""
TOO_COMPLICATED = {
    "400 nested tags.md",
    "220,000 nested tags.md",
    "nested lists.rst",
    "400 nested tags.html",
    "1.1 MB of nested tags.html",
    "3,000 nested tables.docx",
    "100,000 open brackets.pdf",
}
REFUSED = {
    "4 MB of short lines.md": "of this format I read at most 2 MB",
    "5,000 parts.docx": "I read at most 1,000",
    "encrypted.pdf": "is encrypted",
    "encrypted.docx": "save it anew, without a password",
    "3,000 pages.pdf": "I read at most 2,000",
    "packed twice.pdf": "too large when it is unpacked",
    "NUL bytes.txt": "is not a text file",
    "no page.pdf": "run it through text recognition first",
}
TAKEN = {
    "headings of 20 kB.md": "(20 passages)",
    "a file that it includes.rst": "(1 passages)",
    "an entity of a file.docx": "(1 passages)",
    "a million combining characters.txt": "(1,001 passages)",
    "100,000 columns.csv": "(100,000 of 588,889 characters)",
}


def test_a_hostile_file_ends_in_a_sentence_or_is_read() -> None:
    quick = {name: made for name, made in files().items() if name not in SLOW}
    with contextlib.closing(ReaderPool()) as pool:
        readings = {name: read(pool, name, made) for name, made in quick.items()}

    told = {name: reading.told for name, reading in readings.items()}
    assert len(quick) >= 65
    assert {n: t for n, t in told.items() if not (SENTENCE.fullmatch(t) or READ.fullmatch(t))} == {}
    assert {name: told[name] for name in TOO_COMPLICATED} == {
        name: DAMAGED.format(name) for name in TOO_COMPLICATED
    }
    assert {name: told[name] for name in TAKEN} == TAKEN
    assert {name: told[name] for name, why in REFUSED.items() if why not in told[name]} == {}
    assert [reading for reading in readings.values() if _is_too_much(reading)] == []


def _is_too_much(reading: Reading) -> bool:
    most_mb = bounds.READ_MEMORY_BYTES / bounds.MB
    return reading.cpu_s > MAX_CPU_S or reading.megabytes > most_mb
