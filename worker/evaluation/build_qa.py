"""Builds the questions of ``parley eval qa`` from the FAQs of public projects' source packages.

Run by hand to change the set; the set itself ships with Parley::

    python -m worker.evaluation.build_qa --requirements > qa.txt
    pip download --no-deps --no-binary :all: --dest sdists -r qa.txt
    python -m worker.evaluation.build_qa sdists > worker/evaluation/data/faq.jsonl

A question is a heading that ends with a question mark; its passage is the text below it, without
the heading. Nothing is reworded.
"""

import itertools
import json
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from worker.knowledge.documents import Document, Section
from worker.knowledge.readers.markdown import read_markdown
from worker.knowledge.readers.rst import read_rst

MIN_CHARS = 60
"""Of a passage: "See above." answers nothing."""
MIN_WORDS = 3
"""Of a question: "Why?" asks nothing."""
TUNING, REPORT = "tuning", "report"


@dataclass(frozen=True, slots=True)
class Source:
    """The FAQ of one project."""

    project: str
    version: str
    licence: str
    """Its SPDX name, if it has one."""
    files: tuple[str, ...]
    """In the source package; matched as prefixes."""
    half: str
    """``tuning``: weights and thresholds are set on it. ``report``: figures come from it."""


SOURCES = (
    Source("beets", "2.14.1", "MIT", ("docs/faq.rst",), TUNING),
    Source("black", "26.10.1", "MIT", ("docs/faq.md",), TUNING),
    Source("borgbackup", "1.4.5", "BSD-3-Clause", ("docs/faq.rst",), REPORT),
    Source("celery", "5.7.0", "BSD-3-Clause", ("docs/faq.rst",), REPORT),
    Source("coverage", "7.17.4", "Apache-2.0", ("doc/faq.rst",), TUNING),
    Source("Django", "5.2.19", "BSD-3-Clause", ("docs/faq/",), TUNING),
    Source("django-allauth", "65.21.1", "MIT", ("docs/faq.rst",), TUNING),
    Source("docutils", "0.23", "public domain", ("FAQ.rst",), TUNING),
    Source("emcee", "3.1.6", "MIT", ("docs/user/faq.rst",), TUNING),
    Source("fabric", "3.2.3", "BSD-2-Clause", ("sites/www/faq.rst",), TUNING),
    Source("gunicorn", "27.0.1", "MIT", ("docs/content/faq.md",), TUNING),
    Source("h5py", "3.16.0", "BSD-3-Clause", ("docs/faq.rst",), TUNING),
    Source("invoke", "3.0.3", "BSD-2-Clause", ("sites/www/faq.rst",), TUNING),
    Source("Jinja2", "2.11.3", "BSD-3-Clause", ("docs/faq.rst",), TUNING),
    Source("matplotlib", "3.11.2", "PSF-2.0", ("doc/users/faq.rst",), TUNING),
    Source("mypy", "2.4.1", "MIT", ("docs/source/faq.rst",), TUNING),
    Source("numba", "0.68.1", "BSD-2-Clause", ("docs/source/user/faq.rst",), TUNING),
    Source("pymongo", "4.6.3", "Apache-2.0", ("doc/faq.rst",), REPORT),
    Source("salt", "3008.5", "Apache-2.0", ("doc/faq.rst",), REPORT),
    Source("scikit-learn", "1.9.1", "BSD-3-Clause", ("doc/faq.rst",), REPORT),
    Source("Scrapy", "2.19.0", "BSD-3-Clause", ("docs/faq.rst",), REPORT),
    Source("scrapy-splash", "0.11.1", "BSD-3-Clause", ("README.rst",), TUNING),
    Source("SQLAlchemy", "2.1.9", "MIT", ("doc/build/faq/",), REPORT),
    Source("tornado", "6.6.1", "Apache-2.0", ("docs/faq.rst",), TUNING),
    Source("WTForms", "3.3.2", "BSD-3-Clause", ("docs/faq.rst",), TUNING),
    Source("youtube_dl", "2021.12.17", "Unlicense", ("README.md",), REPORT),
)


def requirements() -> list[str]:
    """The requirements for pip's download."""
    return [f"{source.project}=={source.version}" for source in SOURCES]


def passages_of(source: Source, archive: Path) -> Iterator[dict[str, object]]:
    """The questions of one project, as lines of the set."""
    for file, text in _files(source, archive):
        is_markdown = file.endswith(".md")
        document = read_markdown(text, file) if is_markdown else read_rst(text, file)
        for question, path, sections in _questions(document):
            blocks = [block for section in sections for block in section.blocks]
            if sum(len(block.text) for block in blocks) < MIN_CHARS:
                continue
            yield {
                "project": source.project,
                "half": source.half,
                "path": list(path),
                "question": question,
                "blocks": [[block.text, block.is_code] for block in blocks],
            }


def _files(source: Source, archive: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(archive) as packed:
        for member in sorted(packed.getmembers(), key=lambda found: found.name):
            inner = str(PurePath(*PurePath(member.name).parts[1:]))
            if member.isfile() and inner.startswith(source.files):
                read = packed.extractfile(member)
                if read is not None:
                    yield inner, read.read().decode("utf-8")


def _questions(document: Document) -> Iterator[tuple[str, tuple[str, ...], list[Section]]]:
    """Each question, the headings above it, and the sections below it."""

    def upto_question(section: Section) -> tuple[str, ...]:
        is_asked = [heading.endswith("?") for heading in section.path]
        return section.path[: is_asked.index(True) + 1] if True in is_asked else ()

    for path, sections in itertools.groupby(document.sections, upto_question):
        if path and len(path[-1].split()) >= MIN_WORDS:
            yield path[-1], path[:-1], list(sections)


def _find_archive(source: Source, folder: Path) -> Path:
    plain = source.project.lower().replace("-", "_").replace(".", "_")
    for file in folder.glob("*.tar.gz"):
        if (
            file.name.lower()
            .replace("-", "_")
            .replace(".", "_")
            .startswith(f"{plain}_{source.version.replace('.', '_')}_tar")
        ):
            return file
    raise SystemExit(f"{source.project} {source.version} is not in {folder}.")


def main(arguments: Sequence[str]) -> None:
    """Write the requirements or the set to standard output."""
    if list(arguments) == ["--requirements"]:
        sys.stdout.write("\n".join(requirements()) + "\n")
        return
    (folder,) = arguments
    seen: set[tuple[str, str]] = set()
    number = 0
    for source in SOURCES:
        for passage in passages_of(source, _find_archive(source, Path(folder))):
            key = (source.project, str(passage["question"]))
            if key not in seen:
                seen.add(key)
                number += 1
                line = {"id": f"faq-{number:03}", **passage}
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
