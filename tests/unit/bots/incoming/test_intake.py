"""From a message to a job: what is read, what is refused, what is not ours."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.incoming.context import LastHours, Meant, Wanted, WholeThread
from bots.incoming.intake import MUTED, NO_THREAD_TO_MUTE, UNMUTED, Incoming, Taken, clean, intake
from bots.incoming.policy import Situation
from shared.jobs import Audience, Effort, Job, Kind, Origin, Platform, job_id, make_job
from shared.ledger import codec
from shared.replies import Done, Failed
from shared.tasks import Tag, Translate

ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "2.0", "U1")
TO_US = Situation(is_from_person=True, mentions_us=True)
ANYTHING = st.text(alphabet=st.characters())  # lone surrogates included


def incoming(text: str, situation: Situation = TO_US) -> Incoming:
    return Incoming(ORIGIN, text, situation)


# written, kind, read
TAKEN: list[tuple[str, Kind, str]] = [
    ("hello", Kind.CHAT, "hello"),
    ("  hello \n", Kind.CHAT, "hello"),
    ("two\n\tlines", Kind.CHAT, "two\n\tlines"),
    ("NUL\0 in it", Kind.CHAT, "NUL in it"),
    ("bell\a, escape\x1b[31m, C1\x85\x9b", Kind.CHAT, "bell, escape[31m, C1"),
    ("a\r\nb", Kind.CHAT, "a\nb"),
    ("lone \ud83d surrogate", Kind.CHAT, "lone ? surrogate"),
    ("whole \U0001f600 one", Kind.CHAT, "whole \U0001f600 one"),
    (
        "\u0645\u0631\u062d\u0628\u0627 \u4f60\u597d",
        Kind.CHAT,
        "\u0645\u0631\u062d\u0628\u0627 \u4f60\u597d",
    ),
    ("/new", Kind.NEW, "/new"),
    (" /NEW. ", Kind.NEW, "/NEW."),
    ("Forget this conversation!", Kind.NEW, "Forget this conversation!"),
    ("forget this conversation", Kind.NEW, "forget this conversation"),
    ("/new\0", Kind.NEW, "/new"),
    ("/news", Kind.CHAT, "/news"),
    ("/new topic", Kind.CHAT, "/new topic"),
    ("please forget this conversation", Kind.CHAT, "please forget this conversation"),
]


@pytest.mark.parametrize(("written", "kind", "read"), TAKEN)
def test_intake_takes_a_message(written: str, kind: Kind, read: str) -> None:
    taken = intake(incoming(written), max_chars=100)

    assert taken is not None
    assert taken.refusal is None
    assert taken.job == Job(job_id(ORIGIN), kind, ORIGIN, read)


def test_words_that_ask_for_a_task_become_one() -> None:
    taken = intake(incoming("translate this to French"), max_chars=100)

    assert taken == Taken(
        make_job(Kind.TRANSLATE, ORIGIN, "", task=Translate("fr")), wanted=Meant()
    )


@pytest.mark.parametrize(("is_direct", "audience"), [(False, "asker"), (True, "channel")])
def test_a_task_whose_answer_is_private_is_so_among_others(
    *, is_direct: bool, audience: Audience
) -> None:
    situation = Situation(is_from_person=True, mentions_us=True, is_direct=is_direct)

    taken = intake(incoming("tl;dr", situation), max_chars=100)

    assert taken is not None
    assert taken.job.origin.audience == audience
    assert taken.job.id == job_id(ORIGIN)


@pytest.mark.parametrize(
    ("in_thread", "reply_to", "wanted"),
    [
        (True, "", WholeThread()),
        (False, "1.0", WholeThread()),
        (False, "", LastHours(24)),
    ],
)
def test_a_bare_summary_is_of_where_it_is_asked_for(
    *, in_thread: bool, reply_to: str, wanted: Wanted
) -> None:
    asked = Incoming(ORIGIN, "tl;dr", TO_US, in_thread=in_thread, reply_to=reply_to)

    taken = intake(asked, max_chars=100)

    assert taken is not None
    assert taken.wanted == wanted


def test_words_beside_a_command_are_not_read_as_another() -> None:
    asked = Incoming(ORIGIN, "translate this to French", TO_US, task=Translate("de"))

    taken = intake(asked, max_chars=100)

    assert taken is not None
    assert (taken.job.task, taken.job.text) == (Translate("de"), "translate this to French")


@pytest.mark.parametrize("written", ["", "  \n\t ", "\0", "\x07\x1b", "\u2003"])
def test_intake_refuses_a_message_without_text(written: str) -> None:
    taken = intake(incoming(written), max_chars=100)

    assert taken is not None
    assert isinstance(taken.refusal, Failed)
    assert taken.refusal.code == "empty"
    assert taken.job.text == ""


@pytest.mark.parametrize(
    ("written", "is_taken"),
    [
        ("x" * 20_000, True),
        ("x" * 20_001, False),
        (" " * 50 + "x" * 20_000 + "\0", True),  # what is cleaned away does not count
        ("\U0001f600" * 20_000, True),  # characters, not bytes
        ("x" * 100_000, False),
    ],
)
def test_intake_refuses_a_message_that_is_too_long_and_does_not_keep_it(
    written: str, *, is_taken: bool
) -> None:
    taken = intake(incoming(written), max_chars=20_000)

    assert taken is not None
    if is_taken:
        assert taken.refusal is None
    else:
        assert isinstance(taken.refusal, Failed)
        assert taken.refusal.code == "too_long"
        assert f"{len(written):,} characters" in taken.refusal.sentence
        assert "20,000" in taken.refusal.sentence
        assert taken.job.text == ""


@pytest.mark.parametrize("written", ["hello", "", "x" * 1000, "/new"])
def test_intake_leaves_what_is_not_for_us_alone(written: str) -> None:
    assert intake(incoming(written, Situation(is_from_person=True)), max_chars=100) is None


def test_intake_names_a_message_alike_however_it_reaches_us() -> None:
    by_mention = intake(incoming("hi"), max_chars=100)
    by_follow_up = intake(
        incoming("<@U9> hi", Situation(is_from_person=True, is_follow_up=True)), max_chars=100
    )

    assert by_mention is not None
    assert by_follow_up is not None
    assert by_mention.job.id == by_follow_up.job.id


@given(ANYTHING)
def test_clean_leaves_nothing_that_json_or_a_model_chokes_on(text: str) -> None:
    cleaned = clean(text)

    controls = {char for char in cleaned if unicodedata.category(char) in {"Cc", "Cs"}}
    assert controls <= {"\n", "\t"}
    assert cleaned == cleaned.strip()
    assert clean(cleaned) == cleaned


@given(ANYTHING)
def test_intake_makes_only_jobs_that_can_be_written_down(text: str) -> None:
    taken = intake(incoming(text), max_chars=20)

    assert taken is not None
    assert codec.decode(codec.encode(taken.job), Job) == taken.job


@pytest.mark.parametrize(
    ("written", "in_thread", "said", "mutes"),
    [
        ("mute", True, MUTED, True),
        ("Mute this thread!", True, MUTED, True),
        ("🔇", True, MUTED, True),
        ("unmute.", True, UNMUTED, False),
        ("mute", False, NO_THREAD_TO_MUTE, None),
    ],
)
def test_a_thread_is_muted_by_a_word(
    written: str, *, in_thread: bool, said: str, mutes: bool | None
) -> None:
    taken = intake(Incoming(ORIGIN, written, TO_US, in_thread=in_thread), max_chars=100)

    assert taken is not None
    assert (taken.refusal, taken.mutes) == (Done(said), mutes)


def test_a_message_that_has_the_word_in_it_is_none_of_that() -> None:
    taken = intake(Incoming(ORIGIN, "mute buttons", TO_US, in_thread=True), max_chars=100)

    assert taken is not None
    assert (taken.refusal, taken.mutes) == (None, None)


def test_a_task_that_is_switched_off_is_refused_and_nothing_of_it_is_kept() -> None:
    off = frozenset({Kind.TRANSLATE, Kind.TAG})

    taken = intake(incoming("translate this to French: secret"), 100, off)

    assert taken is not None
    assert isinstance(taken.refusal, Failed)
    assert "“translate” is switched off" in taken.refusal.sentence
    assert (taken.job.text, taken.job.task, taken.wanted) == ("", None, None)


@pytest.mark.parametrize("task", [Tag("Alice"), Translate("fr", is_unasked=True)])
def test_what_nobody_asked_for_is_left_out_in_silence_where_it_is_off(
    task: Tag | Translate,
) -> None:
    off = frozenset({Kind.TRANSLATE, Kind.TAG})

    assert intake(Incoming(ORIGIN, "hello", TO_US, task=task), 100, off) is None
    assert intake(incoming("hello"), 100, off) is not None


@pytest.mark.parametrize(
    ("text", "kind", "effort"),
    [
        ("think hard: why is it so?", Kind.CHAT, Effort.HARD),
        ("ask the docs: quick answer: how do I get a badge?", Kind.ASK, Effort.OFF),
        ("why is it so?", Kind.CHAT, None),
        ("translate to French: think hard: why is it so?", Kind.TRANSLATE, None),
        ("/new", Kind.NEW, None),
    ],
)
def test_a_question_may_say_how_much_is_to_be_thought_and_stays_as_it_is(
    text: str, kind: Kind, effort: Effort | None
) -> None:
    taken = intake(incoming(text), max_chars=100)

    assert taken is not None
    assert (taken.job.kind, taken.job.effort) == (kind, effort)
    assert taken.job.text in text
    assert kind is not Kind.CHAT or taken.job.text == text
