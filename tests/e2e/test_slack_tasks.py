"""The tasks on Slack, from a command, a menu, a reaction or an upload to what people see.

One bots process and one worker for all tests; each test has channels of its own.
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
import redis

from shared.ledger import keys
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.slack_delivery import Delivery
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message
from tests.patience import PATIENCE_S
from tests.running import RunningModule

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALICE, BOB, EVE = "U0ALICE", "U0BOB", "U0EVE"
RATED, TRANSLATED, PINNED, PINNED_BEFORE = "C0RATED", "C0TRANSLATED", "C0PINNED", "C0BEFORE"
"""Channels that the settings name."""
CODE = "zebra-4711"
HANDBOOK = f"# The north tower\n\n## Vault\n\nThe vault of the tower opens with {CODE}.\n"
CELLAR = "# The cellar\n\nThe cellar of the tower opens with walrus-12.\n"
QUESTION = "With which code does the vault of the tower open?"


def is_without_answer(message: Message) -> bool:
    """Whether it says that nothing was learned, or nothing that answers."""
    return "not in the documents" in message.text or "no documents" in message.text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slack() -> AsyncIterator[FakeSlack]:
    """A workspace of our own, whose clock is the real one: tasks ask for the last hours."""
    async with FakeSlack(
        first_ts_s=int(time.time()), ts_clock=time.time, retry_after_s=3.0
    ) as server:
        server.add_user(ALICE, "alice", locale="fr-FR")
        server.add_user(BOB, "bob")
        server.add_user(EVE, "eve")
        for channel in (RATED, TRANSLATED, PINNED, PINNED_BEFORE):
            server.add_channel(channel, channel.lower(), members=[ALICE, BOB, server.bot_user_id])
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def old_pins(slack: FakeSlack) -> tuple[Message, Message]:
    """What was pinned before there were any bots: a message, and a file."""
    note = await slack.say_unheard(PINNED_BEFORE, BOB, f"The vault of the tower opens with {CODE}.")
    shared = await slack.share(PINNED_BEFORE, BOB, {"cellar.md": CELLAR})
    for message in (note, shared):
        await slack.pin(PINNED_BEFORE, message.ts, ALICE, is_heard=False)
    return note, shared


def bots_settings(slack: FakeSlack, redis_url: str) -> dict[str, str]:
    """With everything switched on."""
    return {
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_SLACK_API_URL": slack.api_url,
        "PARLEY_SENTIMENT_CHANNELS": RATED,
        "PARLEY_TRANSLATE_CHANNELS": f"{TRANSLATED}=French",
        # one that is Discord's, one that does not exist, and two of ours
        "PARLEY_LEARN_PINS_CHANNELS": f"7000000000,C0ABSENT,{PINNED},{PINNED_BEFORE}",
        "PARLEY_MAX_UPLOAD_MB": "0.01",
        "PARLEY_USER_MESSAGES_PER_MIN": "1000",
        "PARLEY_MAX_OPEN_PER_USER": "100",
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def bots(
    slack: FakeSlack,
    redis_server: str,
    worker: RunningModule,
    old_pins: tuple[Message, Message],
) -> AsyncIterator[RunningModule]:
    """A bots process."""
    del worker, old_pins
    process = await start_bots(bots_settings(slack, redis_server), "slack_ready")
    await slack.wait_for_connections(1)
    yield process
    await stop_bots(process)


NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Room:
    """A channel, as one test has it for itself."""

    slack: FakeSlack
    id: str

    async def ask(self, words: str, user: str = ALICE) -> Delivery:
        """Use ``/parley`` here; the command has been acknowledged when this returns."""
        delivery = await self.slack.slash(self.id, user, "/parley", words)
        await self.slack.wait_for(lambda: delivery.state != "waiting")
        assert delivery.state == "acked"
        return delivery

    def said(self) -> list[Message]:
        """What the bot has said here."""
        bot = self.slack.bot_user_id
        return [m for m in self.slack.messages(self.id) if m.user == bot and not m.deleted]

    async def answer(self, is_it: Callable[[Message], object]) -> Message:
        """What the bot says, once it is this."""

        def found() -> list[Message]:
            return [message for message in self.said() if is_it(message)]

        await self.slack.wait_for(found)
        return found()[0]

    async def private_answer(
        self, user: str = ALICE, containing: str = "", after: int = 0
    ) -> Message:
        """What the bot says to one person alone, after so many messages of its own."""

        def is_it(message: Message) -> bool:
            return message.is_ephemeral_for == user and containing in message.text

        def found() -> list[Message]:
            return [message for message in self.said()[after:] if is_it(message)]

        await self.slack.wait_for(found)
        return found()[0]

    async def settled(self) -> None:
        """Everything that the app was sent has been acknowledged."""
        deliveries = self.slack.deliveries
        await self.slack.wait_for(lambda: all(d.state == "acked" for d in deliveries))


@pytest.fixture
def make_room(slack: FakeSlack) -> Callable[..., Room]:
    """Makes channels; Alice and Bob are in them."""

    def make(*members: str) -> Room:
        name = f"C0ROOM{next(NUMBERS)}"
        slack.add_channel(name, name.lower(), members=[*(members or (ALICE, BOB)), "U0PARLEY"])
        return Room(slack, name)

    return make


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    """A channel of Alice, Bob and the bot."""
    return make_room()


# Who may


async def test_who_is_not_in_a_channel_is_told_nothing_of_it(
    make_room: Callable[..., Room],
) -> None:
    closed = make_room(BOB)
    await closed.slack.say(closed.id, BOB, "The secret is a blue whale.")

    for words in ("summarize 4 hours", "ask What is the secret?", "sentiment", "learn"):
        delivery = await closed.ask(words, user=EVE)

        assert delivery.response is not None
        assert delivery.response["response_type"] == "ephemeral"
        assert "You are not in this channel" in delivery.response["text"]
    (message,) = [m for m in closed.slack.messages(closed.id) if m.user == BOB]
    used = await closed.slack.use_message_shortcut(closed.id, message.ts, EVE, "parley_summarize")
    await closed.slack.wait_for(lambda: used.state == "acked")
    told = [await closed.private_answer(EVE, "You are not in this channel")]
    await closed.slack.wait_for(lambda: len(closed.said()) == 5)
    assert all(m.is_ephemeral_for == EVE and "whale" not in m.text for m in closed.said())
    assert told


# Help


async def test_help_and_mistakes_are_answered_at_once_and_privately(room: Room) -> None:
    for words, expected in (("help", "summarize"), ("translate Klingonish hello", "language")):
        delivery = await room.ask(words)

        assert delivery.response is not None
        assert delivery.response["response_type"] == "ephemeral"
        assert expected in delivery.response["text"]


async def test_new_in_a_channel_says_where_conversations_are(room: Room) -> None:
    delivery = await room.ask("new")

    assert delivery.response is not None
    assert "thread" in delivery.response["text"]


# Sentiment


async def test_rated_messages_are_marked_and_drawn(slack: FakeSlack) -> None:
    room = Room(slack, RATED)
    good = await slack.say(RATED, ALICE, "I love this, it is absolutely wonderful, thank you!")
    await slack.say_as_bot(RATED, "B0OTHER", "I hate this, terrible, awful, horrible!")
    await slack.wait_for(lambda: good.reactions)
    slack.num_file_refusals = 1

    delivery = await room.ask("sentiment")

    answer = await room.answer(lambda m: m.blocks)
    assert delivery.response == {"response_type": "in_channel"}
    assert [block["type"] for block in answer.blocks][-1] == "image"
    assert answer.blocks[-1]["alt_text"]
    (file,) = [f for f in slack.files if f.id == answer.blocks[-1]["slack_file"]["id"]]
    assert (file.content or b"").startswith(b"\x89PNG")
    assert answer.is_ephemeral_for is None
    assert slack.num_file_refusals == 0
    (marked,) = good.reactions.values()
    assert marked == [slack.bot_user_id]
    # the bot's message is none of a person's: it is neither rated nor marked
    assert [bool(m.reactions) for m in slack.messages(RATED) if m.bot_id == "B0OTHER"] == [False]


async def test_without_the_scope_for_files_the_text_comes_alone(slack: FakeSlack) -> None:
    room = Room(slack, RATED)
    good = await slack.say(RATED, ALICE, "What a great and happy day, I enjoy it so much!")
    await slack.wait_for(lambda: good.reactions)
    granted = slack.scopes
    slack.scopes = granted - {"files:write"}
    try:
        await room.ask("privately sentiment")

        answer = await room.private_answer(containing="files:write")
        assert answer.blocks == []
    finally:
        slack.scopes = granted


async def test_the_rating_of_a_deleted_message_goes(slack: FakeSlack) -> None:
    room = Room(slack, RATED)
    bad = await slack.say(RATED, BOB, "I hate this terrible, awful, disgusting mess so much!")
    await slack.wait_for(lambda: bad.reactions)
    place = f"p{bad.ts.replace('.', '')}"
    await room.ask("privately sentiment 7 days")
    await room.private_answer(containing=place)

    await slack.delete_message(RATED, bad.ts)
    await room.settled()

    num_said = len(room.said())
    await room.ask("privately sentiment 7 days")
    answer = await room.private_answer(containing="How this channel sounded", after=num_said)
    assert place not in answer.text


# Documents


async def test_an_upload_answers_its_channel_and_no_other(
    slack: FakeSlack, make_room: Callable[..., Room]
) -> None:
    here, there = make_room(), make_room()
    upload = await slack.share(
        here.id, ALICE, {"handbook.md": HANDBOOK, "big.md": "x" * 20_000}, "<@U0PARLEY> learn this"
    )

    learned = await here.answer(lambda m: "handbook" in m.text)
    refused = await here.answer(lambda m: "big.md" in m.text)
    assert {learned.thread_ts, refused.thread_ts} == {upload.ts}
    assert "at most 0.01 MB" in refused.text
    assert {h["Authorization"] for h in slack.file_requests} == {f"Bearer {slack.bot_token}"}

    delivery = await here.ask(f"ask {QUESTION}")
    cited = await here.answer(lambda m: CODE in m.text)
    await there.ask(f"ask {QUESTION}")
    ignorant = await there.answer(is_without_answer)
    assert delivery.response == {"response_type": "in_channel"}
    assert "[1]" in cited.text
    assert "Vault" in cited.text
    assert CODE not in ignorant.text
    assert len(here.said()) == 3, "one outcome an act"


async def test_what_was_learned_from_a_message_goes_with_it(slack: FakeSlack, room: Room) -> None:
    upload = await slack.share(room.id, ALICE, {"notes.md": HANDBOOK}, "<@U0PARLEY> learn this")
    await room.answer(lambda m: "notes" in m.text)

    await slack.delete_message(room.id, upload.ts)
    await room.settled()

    await room.ask(f"ask {QUESTION}")
    answer = await room.answer(is_without_answer)
    assert CODE not in answer.text


async def test_a_file_that_slack_does_not_hand_out_ends_in_a_sentence(
    slack: FakeSlack, room: Room
) -> None:
    granted = slack.scopes
    slack.scopes = granted - {"files:read"}
    try:
        await slack.share(room.id, ALICE, {"plan.md": "# Plan"}, "<@U0PARLEY> learn this")

        await room.answer(lambda m: "plan.md" in m.text and "could not fetch" in m.text)
    finally:
        slack.scopes = granted
    assert len(room.said()) == 1


async def test_pinned_messages_are_learned_and_forgotten(slack: FakeSlack) -> None:
    room = Room(slack, PINNED)
    note = await slack.say(PINNED, BOB, f"The vault of the tower opens with {CODE}.")
    await slack.pin(PINNED, note.ts, ALICE)
    told = await room.private_answer(containing="Pinned message of bob")
    assert told.is_shown

    await room.ask(f"ask {QUESTION}")
    await room.answer(lambda m: CODE in m.text)
    await slack.unpin(PINNED, note.ts, ALICE)
    await room.settled()

    await room.ask(f"ask {QUESTION}")
    answer = await room.answer(is_without_answer)
    assert CODE not in answer.text


async def test_pins_that_nobody_heard_of_are_learned_and_forgotten_at_the_next_start(
    slack: FakeSlack, redis_server: str, old_pins: tuple[Message, Message]
) -> None:
    room = Room(slack, PINNED_BEFORE)
    old, shared = old_pins
    client = redis.Redis.from_url(redis_server)
    await until(lambda: learned(client, PINNED_BEFORE) == {old.ts, shared.ts})
    version = version_of(client)
    files_fetched = len(slack.file_requests)
    new = await slack.say_unheard(PINNED_BEFORE, BOB, "The attic of the tower opens with yak-9.")
    await slack.unpin(PINNED_BEFORE, old.ts, ALICE, is_heard=False)
    await slack.pin(PINNED_BEFORE, new.ts, BOB, is_heard=False)

    again = await start_bots(bots_settings(slack, redis_server), "slack_ready")
    try:
        await until(lambda: learned(client, PINNED_BEFORE) == {new.ts, shared.ts})
    finally:
        await stop_bots(again)

    # one document went and one came, which was begun and became whole; what has not changed is not
    # fetched and not learned again
    assert version_of(client) == version + 3
    assert len(slack.file_requests) == files_fetched
    assert room.said() == [], "nobody is told"
    assert "pins_not_learned" in again.output, "a channel that is not there keeps no other away"
    await room.ask(f"ask {QUESTION.replace('vault', 'cellar')}")
    await room.answer(lambda m: "walrus-12" in m.text)
    client.close()


def version_of(client: redis.Redis) -> int:
    """A number that grows with every document that comes, changes or goes."""
    found = client.hget(keys.KNOWLEDGE, "version")
    assert isinstance(found, bytes)
    return int(found)


def learned(client: redis.Redis, channel: str) -> set[str]:
    """The messages of a channel that there are documents from."""
    documents = [json.loads(value) for value in client.hvals(keys.DOCUMENTS)]
    return {found["message"] for found in documents if found["channel"] == channel}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event of the fake tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.1)


async def test_a_message_is_learned_and_asked_about_from_its_menu(
    slack: FakeSlack, room: Room
) -> None:
    note = await slack.say(room.id, BOB, f"The vault of the tower opens with {CODE}.")
    asked = await slack.say(room.id, BOB, QUESTION)

    await slack.use_message_shortcut(room.id, note.ts, ALICE, "parley_learn")
    await room.private_answer(containing="Message of bob")
    await slack.use_message_shortcut(room.id, asked.ts, ALICE, "parley_ask")

    answer = await room.private_answer(containing=CODE)
    assert answer.is_shown
    assert {m.is_ephemeral_for for m in room.said()} == {ALICE}


# Words


async def test_a_summary_is_for_who_asks_and_links_what_was_said(
    slack: FakeSlack, room: Room
) -> None:
    said = [
        await slack.say(room.id, BOB, "The build is red since the morning because of the cache."),
        await slack.say(room.id, EVE, "I will mend the build and clear the cache today."),
        await slack.say_as_bot(room.id, "B0OTHER", "Deployed a whale to production."),
    ]

    await room.ask("summarize 4 hours")

    summary = await room.private_answer(containing="archives")
    assert any(f"p{m.ts.replace('.', '')}" in summary.text for m in said[:2])
    assert "whale" not in summary.text
    assert [m.is_ephemeral_for for m in room.said()] == [ALICE]


async def test_who_opted_out_is_in_no_summary(slack: FakeSlack, room: Room) -> None:
    await room.ask("opt-out", user=EVE)
    await room.private_answer(user=EVE)
    await slack.say(room.id, BOB, "The build is red since the morning because of the cache.")
    await slack.say(room.id, EVE, "The narwhal sings at midnight.")
    first = await slack.say(room.id, BOB, "The cache has been cleared and the build is green.")

    await slack.use_message_shortcut(room.id, first.ts, ALICE, "parley_summarize")
    await room.ask("summarize 4 hours")

    summary = await room.private_answer(containing="archives")
    assert "narwhal" not in summary.text
    num_said = len(room.said())
    await room.ask("opt-in", user=EVE)
    await room.private_answer(user=EVE, after=num_said)


async def test_a_flag_and_a_menu_translate_for_who_used_them(slack: FakeSlack, room: Room) -> None:
    message = await slack.say(room.id, BOB, "Good morning, the build is green again today.")

    await slack.react(room.id, message.ts, ALICE, "flag-de")
    await room.private_answer(containing="wrote this translation")
    num_said = len(room.said())
    # Bob reads Slack in English, as the message is
    await slack.use_message_shortcut(room.id, message.ts, BOB, "parley_translate")
    await room.private_answer(user=BOB, containing="This is in English already")
    await room.settled()

    assert num_said == 1
    assert [m.is_ephemeral_for for m in room.said()] == [ALICE, BOB]
    assert all(m.is_shown for m in room.said())


async def test_a_channel_is_translated_into_threads(slack: FakeSlack) -> None:
    room = Room(slack, TRANSLATED)
    french = await slack.say(
        TRANSLATED, BOB, "Bonjour à tous, la réunion de demain commence à neuf heures du matin."
    )
    english = await slack.say(
        TRANSLATED, BOB, "Good morning everybody, the meeting of tomorrow begins at nine o'clock."
    )

    answer = await room.answer(lambda m: m.thread_ts == english.ts)

    assert answer.is_ephemeral_for is None
    assert answer.edits == [], "nobody is told to wait for what nobody asked for"
    assert [m for m in room.said() if m.thread_ts == french.ts] == []


async def test_a_text_is_continued_in_the_channel_and_written_for_one(
    slack: FakeSlack, room: Room
) -> None:
    message = await slack.say(room.id, BOB, "Can you send me the report by Friday?")

    delivery = await room.ask("complete (20 tokens, seed 7): Once upon a time")
    await room.answer(lambda m: m.is_ephemeral_for is None and m.text not in {"", "…"})
    await room.ask("write email about: Friday's party")
    await room.private_answer()
    num_said = len(room.said())
    await slack.use_message_shortcut(room.id, message.ts, BOB, "parley_draft")
    await room.private_answer(user=BOB)

    assert delivery.response == {"response_type": "in_channel"}
    shown = [m for m in slack.messages(room.id) if m.subtype == "slash_command"]
    assert [m.text for m in shown] == ["/parley complete (20 tokens, seed 7): Once upon a time"]
    assert num_said == 2
    assert len(room.said()) == 3


async def test_a_thread_is_summed_up_by_a_mention_for_who_asks(
    slack: FakeSlack, room: Room
) -> None:
    root = await slack.say(room.id, BOB, "The build is red since the morning because of the cache.")
    await slack.say(room.id, BOB, "The cache has been cleared and the build is green.", root.ts)

    await slack.say(room.id, ALICE, "<@U0PARLEY> summarize this thread", root.ts)

    summary = await room.private_answer(containing="archives")
    assert summary.thread_ts == root.ts
    assert summary.is_shown


# Where the bot is not


async def test_where_we_are_no_member_the_answer_comes_by_the_commands_address(
    slack: FakeSlack,
) -> None:
    slack.add_channel("C0ABSENT", "absent", members=[ALICE], is_private=True)
    room = Room(slack, "C0ABSENT")

    await room.ask("translate de Good morning, the build is green again today.")

    await room.private_answer()
    await room.ask("summarize 4 hours")
    await room.private_answer(containing="Add me to this channel")
    assert [m.is_ephemeral_for for m in room.said()] == [ALICE, ALICE]
