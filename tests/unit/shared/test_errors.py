"""The tree of errors is what its drawing says, and every leaf can be told to somebody."""

import inspect
import re

import pytest

from shared import errors
from shared.errors import (
    ChannelBusyError,
    DeadlineError,
    EmptyMessageError,
    FilesWaitingError,
    FileTooLargeError,
    FileUnavailableError,
    KnowledgeFullError,
    MessageTooLongError,
    ModelServerRefusesError,
    NoKnowledgeError,
    NotAllowedError,
    NotAMemberError,
    NothingThereError,
    NoThreadError,
    ParleyError,
    PlaceUnreadableError,
    PromptTooLongError,
    QueueFullError,
    QuotaError,
    RefusedError,
    StartupError,
    TaskOffError,
    TooManyMessagesError,
    TooManyOpenError,
    TranslationPairError,
    UnreadableDocumentError,
    UnreadablePictureError,
)
from shared.replies import Failed

DRAWN = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>\w+Error)\b")
INDENT = 4
CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, ParleyError)
}
REFUSALS: list[RefusedError] = [
    EmptyMessageError(),
    MessageTooLongError(30_000, 20_000),
    PromptTooLongError(5000, 2048),
    TooManyMessagesError(20, "3"),
    ChannelBusyError(120, "3"),
    TooManyOpenError(5, "12"),
    QueueFullError(1000, "12"),
    PlaceUnreadableError(),
    TranslationPairError("Marian", "fr"),
    NothingThereError(),
    NotAMemberError(),
    NoThreadError(),
    TaskOffError("translate"),
    QuotaError("You have", 50, "messages"),
    FileTooLargeError("report.pdf", 12.5, 10),
    FileUnavailableError("report.pdf"),
    UnreadableDocumentError("The file report.pdf is empty."),
    NotAllowedError("You may not ask me here."),
    NoKnowledgeError("There are no documents to answer from here."),
    KnowledgeFullError("report.pdf", 120, "channel", "19,900 of 20,000 passages, 58 of 100 MB"),
    FilesWaitingError("30"),
    DeadlineError(600.0),
    ModelServerRefusesError(400),
    UnreadablePictureError("is damaged"),
]


def leaves(cls: type[ParleyError]) -> list[type[ParleyError]]:
    """The classes of the module below this one that have none below them."""
    below = [c for c in CLASSES.values() if cls in c.__bases__]
    return [leaf for c in below for leaf in leaves(c)] if below else [cls]


def drawn_tree() -> dict[str, str]:
    """Class name -> name of the class it is drawn under."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := DRAWN.match(line):
            path = [*path[: len(found["indent"]) // INDENT], found["name"]]
            parents[found["name"]] = path[-2] if len(path) > 1 else "Exception"
    return parents


def test_the_drawing_names_every_class_under_its_base() -> None:
    assert drawn_tree() == {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items()}


def test_every_way_not_to_start_has_an_exit_code_of_its_own() -> None:
    startup = [leaf for leaf in leaves(StartupError) if issubclass(leaf, StartupError)]
    codes = [leaf.exit_code for leaf in startup]

    assert len(set(codes)) == len(codes)
    assert StartupError.exit_code not in codes
    assert all(64 <= code <= 78 for code in codes)  # sysexits.h


def test_every_refusal_is_tried_here() -> None:
    assert {type(error) for error in REFUSALS} == set(leaves(RefusedError))


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_refusal_has_a_sentence_for_the_channel(error: RefusedError) -> None:
    assert re.fullmatch(r"[A-Z].{10,200}\.", error.sentence)
    assert error.to_reply() == Failed(error.code, error.sentence, "")
    assert error.to_reply("so far").text == "so far"


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = [error.code for error in REFUSALS]

    assert len(set(codes)) == len(codes)
    assert RefusedError.code not in codes
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MessageTooLongError(30_000, 20_000), "30,000 characters; I can read at most 20,000"),
        (PromptTooLongError(5000, 2048), "5,000 tokens long for this model, which can read at"),
        (TooManyMessagesError(20, "3"), "at most 20 messages a minute from one person"),
        (ChannelBusyError(1000, "3"), "at most 1,000 messages a minute in one channel"),
        (TooManyOpenError(5, "12"), "owe you 5 answers"),
        (QueueFullError(1000, "12"), "1,000 questions are waiting already"),
        (QueueFullError(1000, "12"), "in about 12 s"),
        (DeadlineError(600.0), "longer than 600 seconds"),
        (DeadlineError(0.5), "longer than 0.5 seconds"),
    ],
)
def test_a_refusal_gives_its_numbers(error: RefusedError, sentence: str) -> None:
    assert sentence in error.sentence
