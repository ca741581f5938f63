"""What commands, menus, reactions and settings ask for, in words that every platform shares."""

import dataclasses
from typing import get_args

import pytest

from bots.discord.parse import requests
from bots.discord.parse.payloads import DiscordPlace, Facts, File
from bots.discord.parse.requests import Reaction, TaskRequest, UserRequest
from bots.discord.sdk.commands import FormName, LengthName
from bots.incoming.context import From, LastHours, Meant, SinceAsker, Wanted, WholeThread
from bots.incoming.intake import intake
from shared.jobs import Audience, Kind, job_id
from shared.tasks import Ask, Form, Learn, Length, Report, Summarize, Tag, Translate, Write

ME, ALICE, BOB = 1, 3, 4
CHANNEL, THREAD, DIRECT = (
    DiscordPlace(10, 20),
    DiscordPlace(10, 21, parent=20),
    DiscordPlace(None, 30),
)
SAID = Facts(
    CHANNEL, 100, BOB, "Salut <@3>!", frozenset({ME}), is_from_person=True, names={ALICE: "alice"}
)
MAX_CHARS = 1000


def act(
    place: DiscordPlace = CHANNEL, name: str = "command:ask", *, private: bool = False
) -> UserRequest:
    return UserRequest(place, 500, ALICE, name, "ticket", is_private=private)


@pytest.mark.parametrize(
    ("place", "hours", "since_me", "wanted"),
    [
        (CHANNEL, None, False, LastHours(24.0)),
        (DIRECT, None, False, LastHours(24.0)),
        (THREAD, None, False, WholeThread()),
        (THREAD, 2.0, False, LastHours(2.0)),
        (CHANNEL, 0.5, False, LastHours(0.5)),
        (CHANNEL, 2.0, True, SinceAsker()),
    ],
)
def test_a_summary_is_of_what_the_options_and_the_place_say(
    place: DiscordPlace, hours: float | None, wanted: Wanted, *, since_me: bool
) -> None:
    task_request = requests.summarize(place, hours, "the launch", since_me=since_me)

    assert (task_request.wanted, task_request.text) == (wanted, "the launch")
    assert isinstance(task_request.task, Summarize)


def test_each_use_of_a_command_is_a_job_and_a_conversation_of_its_own() -> None:
    task_request = requests.ask("why?")
    first = requests.incoming_of(act(), task_request).origin
    second = requests.incoming_of(dataclasses.replace(act(), id=501), task_request).origin

    assert job_id(first) != job_id(second)
    assert first.conversation != second.conversation
    assert (first.ticket, first.audience) == ("ticket", Audience.CHANNEL)


def test_what_is_done_in_a_thread_names_the_channel_that_it_hangs_in() -> None:
    said = dataclasses.replace(SAID, place=THREAD)
    lesson = requests.lesson_origin(said, File(7, "a.md", 5, "http://127.0.0.1/a.md"), said)
    asked = requests.incoming_of(act(THREAD), requests.ask("why?")).origin
    flagged = requests.flagged(Reaction(THREAD, 100, ALICE, "🇫🇷"))

    assert flagged is not None
    for origin in (lesson, asked, flagged.origin):
        assert (origin.channel, origin.parent) == ("21", "20")
    assert requests.incoming_of(act(CHANNEL), requests.ask("why?")).origin.parent == ""


def test_an_answer_for_one_person_says_so() -> None:
    assert (
        requests.incoming_of(act(private=True), requests.ask("why?")).origin.audience
        is Audience.ASKER
    )


@pytest.mark.parametrize(
    ("place", "conversation"), [(THREAD, "discord:10:20:21"), (DIRECT, "discord:@me:30:")]
)
def test_to_begin_afresh_is_done_with_the_conversation_of_the_place(
    place: DiscordPlace, conversation: str
) -> None:
    incoming = requests.incoming_of(act(place, "command:new"), TaskRequest(requests.NEW_WORDS))

    taken = intake(incoming, MAX_CHARS)
    assert taken is not None
    assert taken.job.kind is Kind.NEW
    assert incoming.origin.conversation == conversation


@pytest.mark.parametrize(
    ("task_request", "task"),
    [
        (requests.ask("why?"), Ask()),
        (requests.translate("French", "Good morning"), Translate("fr")),
        (
            requests.write("a lamp", Form.AD, "loud", Length.SHORT),
            Write(Form.AD, "loud", Length.SHORT),
        ),
        (requests.sentiment(7), Report(7)),
    ],
)
def test_a_command_becomes_a_job_of_its_kind(task_request: TaskRequest, task: object) -> None:
    taken = intake(requests.incoming_of(act(), task_request), MAX_CHARS)

    assert taken is not None
    assert (taken.job.task, taken.refusal) == (task, None)


@pytest.mark.parametrize(
    "task_request",
    [
        requests.translate("klingonese", "Hi"),
        requests.learn(None, "  "),
        requests.translate("", "Hi"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(task_request: TaskRequest) -> None:
    assert task_request.sentence.endswith(".")
    assert task_request.task is None


@pytest.mark.parametrize(
    ("task_request", "is_empty"),
    [
        (requests.ask(" "), True),
        (requests.write("\n", Form.AD, "", Length.SHORT), True),
        (requests.ask("why?"), False),
        (requests.sentiment(7), False),
        (requests.learn(File(1, "a.md", 5, "http://127.0.0.1/a.md"), ""), False),
        (requests.summarize_from_message(SAID), False),
        (requests.opt(is_out=True), False),
    ],
)
def test_a_wish_without_words_is_empty_where_words_are_needed(
    task_request: TaskRequest, *, is_empty: bool
) -> None:
    assert requests.is_empty(task_request) is is_empty


def test_the_options_of_a_command_are_those_of_the_task() -> None:
    assert set(get_args(FormName)) == set(Form)
    assert set(get_args(LengthName)) == set(Length)


@pytest.mark.parametrize(
    ("locale", "language"), [("fr", "fr"), ("en-US", "en"), ("pt-BR", "pt"), ("??", "en")]
)
def test_a_menu_translates_into_the_language_of_the_persons_discord(
    locale: str, language: str
) -> None:
    task_request = requests.translate_message(SAID, locale)

    assert (task_request.text, task_request.task, task_request.author) == (
        "Salut @alice!",
        Translate(language),
        BOB,
    )


def test_menus_work_on_the_message_they_were_called_from() -> None:
    reply = requests.reply_to_message(SAID).task

    assert isinstance(reply, Write)
    assert reply.reply_to == requests.quoted(SAID)
    assert requests.summarize_from_message(SAID).wanted == From("100")
    asked = requests.ask_about(SAID, " Who is that? ")
    assert (asked.text, asked.author) == ("Who is that?\n\n wrote:\n> Salut @alice!", BOB)
    assert requests.ask_about(dataclasses.replace(SAID, text=""), "why?").sentence


@pytest.mark.parametrize(("emoji", "language"), [("🇫🇷", "fr"), ("🇯🇵", "ja"), ("🇬🇧", "en")])
def test_a_flag_asks_for_a_translation_for_one_person(emoji: str, language: str) -> None:
    incoming = requests.flagged(Reaction(CHANNEL, 100, ALICE, emoji))

    assert incoming is not None
    assert (incoming.task, incoming.wanted) == (Translate(language), Meant())
    assert incoming.origin.audience is Audience.ASKER
    assert requests.emoji_of(incoming.origin.act) == emoji


@pytest.mark.parametrize("emoji", ["👍", "🏳️‍🌈", "🏁"])
def test_another_emoji_asks_for_nothing(emoji: str) -> None:
    assert requests.flagged(Reaction(CHANNEL, 100, ALICE, emoji)) is None


def test_two_people_who_put_the_same_flag_are_two_jobs_and_one_who_does_it_twice_is_one() -> None:
    jobs = [requests.flagged(Reaction(CHANNEL, 100, user, "🇫🇷")) for user in (ALICE, BOB, BOB)]

    assert len({job_id(job.origin) for job in jobs if job}) == 2


def test_what_is_overheard_is_no_job_of_the_message_itself() -> None:
    rating, translation = requests.rating_of(SAID), requests.translation_of(SAID, "en")

    assert rating is not None
    assert translation is not None
    assert isinstance(rating.task, Tag)
    assert translation.task == Translate("en", is_unasked=True)
    answer = dataclasses.replace(rating.origin, act="")
    assert len({job_id(o) for o in (rating.origin, translation.origin, answer)}) == 3
    assert requests.rating_of(dataclasses.replace(SAID, text="")) is None


def test_a_lesson_belongs_to_the_message_that_holds_the_file_and_to_who_asked() -> None:
    file = File(7, "a.md", 5, "http://127.0.0.1/a.md")
    asked = dataclasses.replace(
        SAID, message=200, author=ALICE, reply_to=100, reply_to_author=BOB, replied_files=(file,)
    )

    source = asked.replied_source
    origin = requests.lesson_origin(source, file, asked)

    assert (source.message, source.author, source.files) == (100, BOB, (file,))
    assert (origin.message, origin.user) == ("100", str(ALICE))
    assert requests.taught(origin, Learn("a.md", "")).origin == origin
