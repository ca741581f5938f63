"""Files that come with a question: laid before the model, bounded, and never dropped in silence."""

import base64
import functools
from pathlib import Path
from typing import Protocol

import pytest

from shared.errors import UnreadableDocumentError
from shared.jobs import Attachment, Job, Kind, Origin, Platform
from shared.ledger.lifecycle import Lease
from shared.replies import Done
from tests.unit.worker.byte_tokenizer import ByteTokenizer
from worker.engine.protocol import RequestLimits
from worker.handler import Outcome
from worker.knowledge.reader_pool import ReaderPool
from worker.knowledge.readers import read_text_of
from worker.leases import HeldLease
from worker.tasks.attachments import AttachmentReader, pictures_of

ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1")
LIMITS = RequestLimits(max_total_tokens=300, max_new_tokens=100)
"""A token a byte: files get 100 of the 200 that a prompt has."""


PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20


def attached(name: str, content: bytes) -> Attachment:
    return Attachment(name, base64.b64encode(content).decode())


class Run(Protocol):
    def __call__(
        self, text: str, *attachments: Attachment, is_shown_pictures: bool = False
    ) -> tuple[list[str], Outcome]:
        """What the work got to read, and what came of it."""


@pytest.fixture(name="run")
def make_run(readers: ReaderPool) -> Run:
    return functools.partial(run_with, readers)


def run_with(
    readers: ReaderPool, text: str, *attachments: Attachment, is_shown_pictures: bool = False
) -> tuple[list[str], Outcome]:
    job = Job("j", Kind.CHAT, ORIGIN, text, attachments=attachments)
    held = HeldLease(Lease(job, "t", 1, is_alone=False, shown="", history=()))
    seen: list[str] = []

    def work(held: HeldLease) -> Outcome:
        seen.append(held.lease.job.text)
        return Outcome(Done("Seen."))

    attaching = AttachmentReader(ByteTokenizer(), LIMITS, readers, max_mb=1)
    return seen, attaching.before(work, is_shown_pictures=is_shown_pictures)(held)


def test_a_files_text_stands_between_two_lines_that_nobody_can_guess(run: Run) -> None:
    (seen,), outcome = run("What is a?", attached("set.json", b'{"a": 1}'))

    question, introduction, mark, content, end = seen.replace("\n\n", "\n").split("\n")
    assert question == "What is a?"
    assert introduction.startswith("The file set.json is attached.")
    assert (content, mark) == ('{"a": 1}', end)
    assert mark in introduction
    assert outcome.reply == Done("Seen.")


def test_the_job_is_kept_with_what_was_read_and_without_the_file(run: Run) -> None:
    _, outcome = run("Look", attached("a.csv", b"x,y"))

    assert outcome.memory.job is not None
    assert outcome.memory.job.text == "Look"
    assert outcome.memory.job.attachments == (Attachment("a.csv", text="x,y"),)


def test_what_was_read_once_is_not_read_again(run: Run) -> None:
    (seen,), _ = run("Look", Attachment("a.csv", text="x,y"))

    assert "\nx,y\n" in seen


def test_of_a_long_file_the_beginning_is_read_and_the_answer_says_so(run: Run) -> None:
    (seen,), outcome = run("Sum it up", attached("long.txt", b"word " * 1000))

    assert seen.count("word") == 20
    assert outcome.reply == Done(
        "Seen.\n\n*(I read the first 100 of the 4,999 characters of long.txt.)*"
    )


def test_several_files_share_the_room(run: Run) -> None:
    (seen,), _ = run("Compare", attached("a.txt", b"a" * 500), attached("b.txt", b"b" * 500))

    assert (seen.count("a" * 50), seen.count("b" * 50)) == (1, 1)
    assert "a" * 51 not in seen


def test_what_cannot_be_read_is_said_below_the_answer(run: Run) -> None:
    seen, outcome = run("Look", attached("a.exe", b"MZ\0\0\x01\x02"))

    assert seen == ["Look"]
    assert isinstance(outcome.reply, Done)
    assert outcome.reply.text.startswith("Seen.\n\n*(The file a.exe is not a text file")


def test_a_picture_alone_gets_its_one_sentence_and_no_model(run: Run) -> None:
    seen, outcome = run("", Attachment("cat.png", note="I cannot see pictures."))

    assert (seen, outcome.reply) == ([], Done("*(I cannot see pictures.)*"))


def test_a_picture_is_shown_to_a_model_that_can_see(run: Run) -> None:
    picture = attached("cat.png", Path("docs/pictures/waiting.png").read_bytes())

    seen, outcome = run("", picture, is_shown_pictures=True)

    assert (seen, outcome.reply) == ([""], Done("Seen."))


def test_a_file_that_is_gone_with_its_first_answer_is_named_below_another(run: Run) -> None:
    seen, outcome = run("Look again", Attachment("cat.png"), is_shown_pictures=True)

    assert seen == ["Look again"]
    told = "I keep no file after its answer: send cat.png again with it."
    assert outcome.reply == Done(f"Seen.\n\n*({told})*")


def test_a_damaged_picture_is_named_and_the_question_answered(run: Run) -> None:
    seen, outcome = run("Look", attached("cat.png", PNG), is_shown_pictures=True)

    told = "The picture cat.png is damaged, so I left it out."
    assert seen == ["Look"]
    assert outcome.reply == Done(f"Seen.\n\n*({told})*")
    assert outcome.memory.job is not None
    assert outcome.memory.job.attachments == (Attachment("cat.png", note=told),)


def test_a_damaged_picture_alone_gets_its_one_sentence_and_no_model(run: Run) -> None:
    seen, outcome = run("", attached("cat.png", PNG), is_shown_pictures=True)

    assert seen == []
    assert outcome.reply == Done("*(The picture cat.png is damaged, so I left it out.)*")


@pytest.mark.parametrize("name", ["a.HEIC", "a.bmp", "a.tiff", "a.avif"])
def test_a_picture_of_another_kind_is_named_with_those_that_are_seen(run: Run, name: str) -> None:
    seen, outcome = run("Look", attached(name, b"BM\0\0\x01\x02"), is_shown_pictures=True)

    told = f"The picture {name} is none of PNG, JPEG, GIF and WebP, so I left it out."
    assert (seen, outcome.reply) == (["Look"], Done(f"Seen.\n\n*({told})*"))


def test_a_picture_that_the_model_cannot_see_is_named(run: Run) -> None:
    seen, outcome = run("Look", attached("cat.png", PNG))

    assert seen == ["Look"]
    told = "I cannot see pictures here, so I left cat.png out."
    assert outcome.reply == Done(f"Seen.\n\n*({told})*")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + b"x" * 20, "image/jpeg"),
        (b"GIF89a" + b"x" * 20, "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_pictures_are_known_by_how_they_begin(content: bytes, kind: str) -> None:
    picture = attached("named.txt", content)

    assert pictures_of([attached("a.png", b"no picture"), picture]) == (
        f"data:{kind};base64,{picture.content}",
    )


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b" \n", "a.txt", "is empty"),
        (b"x" * 1_000_001, "a.txt", "larger than 1 MB"),
        (b"not a pdf", "a.pdf", "not a PDF"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(
    content: bytes, name: str, told: str
) -> None:
    with pytest.raises(UnreadableDocumentError, match=told):
        read_text_of(content, name, max_mb=1)


def test_code_keeps_its_lines_and_markdown_its_marks() -> None:
    assert read_text_of(b"# Title\n\n    code\n", "a.md", 1) == "# Title\n\n    code"
    assert read_text_of("x = 'é'\n".encode("cp1252"), "a.py", 1) == "x = 'é'"
