"""The corpus of rated texts (Hutto & Gilbert, ICWSM 2014): read, and split by a hash of the text.

The archive is the source distribution of vaderSentiment 3.3.2 (MIT); the held-out fifth comes with
Parley. Does not know the models.
"""

import csv
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shared.errors import StartupError
from worker.sentiment.ratings import Boundaries, Label, label_of

PACKAGE = "vaderSentiment"
VERSION = "3.3.2"
INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
NUM_TEXTS = 23_703
HELD_OUT = Path(__file__).parent / "data" / "held_out.tsv.xz"


class Domain(StrEnum):
    """The kind of text. For measuring only: no model sees it."""

    TWEETS = "tweets"
    AMAZON = "amazon"
    FILMS = "films"
    EDITORIALS = "editorials"


FILES = {
    "tweets_GroundTruth.txt": Domain.TWEETS,
    "amazonReviewSnippets_GroundTruth.txt": Domain.AMAZON,
    "movieReviewSnippets_GroundTruth.txt": Domain.FILMS,
    "nytEditorialSnippets_GroundTruth.txt": Domain.EDITORIALS,
}


class CorpusPart(StrEnum):
    """The part of the corpus that a text belongs to."""

    TRAINING = "training"
    VALIDATION = "validation"
    """A part of the four fifths: boundaries are chosen on it."""
    HELD_OUT = "held out"
    """The fifth on which nothing is chosen."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text with people's rating."""

    domain: Domain
    score: float
    """The mean of some 20 people's ratings, from -4 to 4."""
    text: str

    @property
    def label(self) -> Label:
        """The class of the mean."""
        return label_of(self.score, Boundaries())


def part_of(text: str) -> CorpusPart:
    """The part of a text, by its hash: it never moves, and its copies are with it."""
    digest = hashlib.sha256(" ".join(text.lower().split()).encode()).digest()
    if int.from_bytes(digest[:4], "big") % 5 == 0:
        return CorpusPart.HELD_OUT
    return (
        CorpusPart.VALIDATION
        if int.from_bytes(digest[4:8], "big") % 10 == 0
        else CorpusPart.TRAINING
    )


def read_archive(archive: Path, num_texts: int = NUM_TEXTS) -> list[Sample]:
    """All texts of the archive.

    Args:
        archive: the ``.tar.gz`` file.
        num_texts: the expected number.

    Raises:
        StartupError: it is another file.
    """
    try:
        with tarfile.open(archive) as outer:
            name = next(name for name in outer.getnames() if name.endswith(INNER))
            inner = _content(outer, name)
        with tarfile.open(fileobj=io.BytesIO(inner)) as texts:
            samples = [
                sample
                for name in texts.getnames()
                if (domain := FILES.get(Path(name).name))
                for sample in _samples(_content(texts, name).decode("utf-8"), domain)
            ]
    except (OSError, tarfile.TarError, StopIteration, ValueError) as error:
        raise StartupError(_foreign(archive)) from error
    if len(samples) != num_texts:
        raise StartupError(_foreign(archive))
    return samples


def write_held_out(samples: Iterable[Sample], file: Path) -> None:
    """Write the held-out fifth, compressed, the same bytes for the same samples."""
    lines = [
        f"{sample.domain}\t{sample.score:.4f}\t{sample.text}\n"
        for sample in samples
        if part_of(sample.text) is CorpusPart.HELD_OUT
    ]
    file.write_bytes(lzma.compress("".join(lines).encode(), preset=9))


def read_held_out(file: Path = HELD_OUT) -> list[Sample]:
    """Read the held-out fifth."""
    lines = lzma.decompress(file.read_bytes()).decode().splitlines()
    rows = (line.split("\t", 2) for line in lines)
    return [Sample(Domain(domain), float(score), text) for domain, score, text in rows]


def read_labelled(file: Path) -> list[tuple[Label, str]]:
    """Read the operator's own texts: on each line a label, a tab and the text.

    Raises:
        StartupError: the file is missing, or a line is malformed; the sentence says which.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{file} cannot be read as UTF-8 text.") from error
    labelled = [_labelled(file, number, line) for number, line in enumerate(lines, 1) if line]
    if not labelled:
        raise StartupError(f"{file} has no line.")
    return labelled


def _labelled(file: Path, number: int, line: str) -> tuple[Label, str]:
    label, tab, text = line.partition("\t")
    if not tab or label not in set(Label) or not text.strip():
        raise StartupError(
            f"Line {number} of {file} needs positive, neutral or negative, a tab, and the text."
        )
    return Label(label), text


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    opened = archive.extractfile(name)
    if opened is None:
        raise ValueError(name)
    return opened.read()


def _samples(content: str, domain: Domain) -> Iterator[Sample]:
    """Parse lines of number, mean rating and text."""
    lines = content.lstrip("\ufeff").replace("\r", "").strip("\n").split("\n")
    rows: Iterable[Sequence[str]] = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    for _, score, text in rows:
        yield Sample(domain, float(score), " ".join(text.split()))


def _foreign(archive: Path) -> str:
    return (
        f"{archive} is not the source distribution of {PACKAGE} {VERSION}. Leave --data out to "
        "have it downloaded."
    )
