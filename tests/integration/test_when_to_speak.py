"""When we speak, with all that the ledger knows: threads, silence, bots, preferences, quotas."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bots.adapter import Link, Wiring
from bots.delivery.surface import Surface
from bots.discord.sdk.surface import DiscordSurface
from bots.incoming.intake import Incoming
from bots.incoming.policy import MAX_BOTS_IN_A_ROW, Situation
from bots.incoming.preferences import Editor, PreferenceCache
from bots.incoming.reception import FileSource, Reception
from bots.metrics import Metrics
from bots.store import AsyncStore
from shared.jobs import Attachment, Job, Kind, Origin, Platform, PromptOverrides
from shared.ledger import keys
from shared.ledger.lifecycle import JobLimits
from shared.ledger.presentation import read_final
from shared.preference_layers import Fallback
from shared.preferences import (
    Preferences,
    QuietHours,
    Quota,
    ReplyPlace,
    Scope,
    WhenToSpeak,
)
from shared.replies import Done, Failed

LIMITS = JobLimits(deadline_ms=60_000, retention_ms=60_000)
ADMIN = Editor("U1", is_admin=True)
CHANNEL = Scope("slack:T1", "C1")
ROOT = "1.0"
PERSON = Situation(is_from_person=True)
TO_US = Situation(is_from_person=True, mentions_us=True)
TO_OTHERS = Situation(is_from_person=True, mentions_others=True)
BOT = Situation(is_from_person=False, mentions_us=True)


class Room:
    """A channel in which people write."""

    def __init__(self, reception: Reception, preference_cache: PreferenceCache) -> None:
        self.reception = reception
        self._preference_cache = preference_cache
        self._number = 10

    async def prefer(self, after: Preferences) -> None:
        before = await self._preference_cache.get(CHANNEL)
        assert await self._preference_cache.put(CHANNEL, before, after, ADMIN) is None

    def message(
        self,
        user: str,
        text: str = "hello there",
        situation: Situation = PERSON,
        *,
        thread: str = ROOT,
        platform: Platform = Platform.SLACK,
    ) -> Incoming:
        """A message in the channel; in its first thread, unless told otherwise."""
        self._number += 1
        name = f"{self._number}.0"
        origin = Origin(platform, "T1", "C1", thread or name, name, user)
        in_thread = bool(thread) and platform is Platform.SLACK
        return Incoming(origin, text, situation, in_thread=in_thread)

    async def say(self, user: str, text: str = "hello there", known: Situation = PERSON) -> bool:
        """Say something in the first thread; whether it is answered."""
        return await self.reception.receive(self.message(user, text, known)) is not None

    async def ask_us(self, user: str = "alice", text: str = "a question") -> None:
        assert await self.say(user, text, TO_US)

    async def ending_of(self, job: Job) -> Done | Failed:
        document = await self.reception.store.client.get(keys.ending(job.id))
        assert document is not None
        reply = read_final(document)
        assert isinstance(reply, Done | Failed)
        return reply


@pytest.fixture
async def room(bots_store: AsyncStore, quiet_redis: str) -> AsyncIterator[Room]:
    async with room_of(bots_store, quiet_redis, Fallback()) as made:
        yield made


@contextlib.asynccontextmanager
async def room_of(store: AsyncStore, url: str, fallback: Fallback) -> AsyncIterator[Room]:
    preference_cache = PreferenceCache(store, url, fallback)
    wiring = Wiring(store, url, LIMITS, None, 1000, lambda _: None, Metrics(), preference_cache)
    surface: Surface = DiscordSurface()  # never connected: nothing is shown here
    link = Link(wiring, surface, Platform.SLACK)
    yield Room(link.reception, preference_cache)
    await link.delivery.close()


async def test_people_who_talk_to_each_other_in_a_thread_are_left_alone(room: Room) -> None:
    assert not await room.say("alice"), "we take no part yet"
    await room.ask_us("alice")
    assert await room.say("alice", "and then")
    assert not await room.say("bob", "@alice is that so?", TO_OTHERS)
    assert not await room.say("alice", "I think so")
    assert not await room.say("bob", "which one do you mean?")
    assert not await room.say("carol", "the second one")
    await room.ask_us("carol")
    assert await room.say("bob", "thanks"), "we were spoken to again"


async def test_an_aside_does_not_end_a_conversation_with_us(room: Room) -> None:
    await room.ask_us("alice")
    assert not await room.say("alice", "@bob look at this", TO_OTHERS)
    assert await room.say("alice", "go on"), "nobody has answered her"
    assert not await room.say("alice", "@bob look at this", TO_OTHERS)
    assert not await room.say("bob", "I see")
    assert not await room.say("alice", "go on")


async def test_our_name_is_as_good_as_a_mention_in_a_thread_of_ours(room: Room) -> None:
    await room.ask_us("alice")
    await room.say("bob", "@alice hm", TO_OTHERS)

    assert await room.say("carol", "Parley, which one is it?")


async def test_a_message_that_comes_twice_is_one_message_of_a_talk(room: Room) -> None:
    await room.ask_us("alice")
    aside = room.message("alice", "@bob look", TO_OTHERS)
    for _ in range(2):
        await room.reception.receive(aside)

    talk = await room.reception.store.client.lrange(keys.talk(aside.origin.conversation), 0, -1)
    assert talk == [f"{aside.origin.message}|alice".encode()]


async def test_a_muted_thread_is_silent_until_it_is_not(room: Room) -> None:
    await room.ask_us("alice")
    muting = await room.reception.receive(room.message("bob", "mute", TO_US))
    assert muting is not None
    ending = await room.ending_of(muting)
    assert isinstance(ending, Done)
    assert "silent in this thread" in ending.text
    assert not await room.say("alice", "go on")
    await room.ask_us("alice")
    assert not await room.say("alice", "go on"), "an answered mention does not end the silence"
    assert await room.say("alice", "unmute", TO_US)
    assert await room.say("alice", "go on")


class Luggage:
    """What comes with messages."""

    def __init__(self, *, asks_to_learn: bool = False) -> None:
        self.asks_to_learn = asks_to_learn
        self.num_learned = 0
        self.num_fetched = 0
        self.files = FileSource(self.learn, self.fetch)

    async def learn(self, incoming: Incoming) -> bool:
        del incoming
        self.num_learned += self.asks_to_learn
        return self.asks_to_learn

    async def fetch(self, incoming: Incoming) -> Incoming:
        self.num_fetched += 1
        return dataclasses.replace(incoming, attachments=(Attachment("a.txt", content="YQ=="),))


async def test_files_are_fetched_for_a_message_that_is_for_us_and_for_no_other(room: Room) -> None:
    luggage = Luggage()

    async def job_of(user: str, known: Situation = PERSON) -> Job | None:
        message = room.message(user, "look at this", known)
        return await room.reception.receive(message, files=luggage.files)

    assert await job_of("alice") is None, "we take no part yet"
    assert luggage.num_fetched == 0
    asked, followed = await job_of("alice", TO_US), await job_of("alice")
    assert not await job_of("bob", TO_OTHERS)
    assert not await job_of("alice"), "what bob said is known"

    assert [job and job.attachments[0].name for job in (asked, followed)] == ["a.txt"] * 2
    assert luggage.num_fetched == 2


async def test_a_message_whose_files_are_learned_is_no_job_of_its_own(room: Room) -> None:
    luggage = Luggage(asks_to_learn=True)

    async def is_answered(known: Situation) -> bool:
        message = room.message("alice", "learn this", known)
        return await room.reception.receive(message, files=luggage.files) is not None

    assert not await is_answered(TO_US)
    assert not await is_answered(PERSON)
    assert (luggage.num_learned, luggage.num_fetched) == (1, 0)


async def test_a_thread_is_muted_by_a_sign_at_a_message_of_it(room: Room) -> None:
    await room.ask_us("alice")
    store = room.reception.store
    await store.client.set(keys.answer("slack", "T1", "C1", "99.0"), ROOT)
    ours = Origin(Platform.SLACK, "T1", "C1", "", "99.0", "bob")
    elsewhere = dataclasses.replace(ours, message="98.0")

    assert not await room.reception.mute(elsewhere, is_muted=True)
    assert await room.reception.mute(ours, is_muted=True)
    assert not await room.say("alice", "go on")
    assert await room.reception.mute(ours, is_muted=False)
    assert await room.say("alice", "go on")


@pytest.mark.parametrize(
    ("mode", "statement", "question", "mention"),
    [
        (WhenToSpeak.ALWAYS, True, True, True),
        (WhenToSpeak.QUESTIONS, False, True, True),
        (WhenToSpeak.MENTIONS, False, False, True),
        (WhenToSpeak.OFF, False, False, False),
    ],
)
async def test_a_channel_says_when_it_is_spoken_to(
    room: Room, mode: WhenToSpeak, *, statement: bool, question: bool, mention: bool
) -> None:
    await room.prefer(Preferences(when_to_speak=mode))

    async def is_answered(text: str, known: Situation = PERSON) -> bool:
        message = room.message("alice", text, known, thread="")
        return await room.reception.receive(message) is not None

    assert await is_answered("It rains.") is statement
    assert await is_answered("Does it rain?") is question
    assert await is_answered("Does it rain, Bob?", TO_OTHERS) is False
    assert await is_answered("It rains.", TO_US) is mention


async def test_in_quiet_hours_only_mentions_are_answered(room: Room) -> None:
    await room.ask_us("alice")
    now = datetime.now(UTC)
    start, end = (now - timedelta(hours=1)).time(), (now + timedelta(hours=1)).time()
    await room.prefer(
        Preferences(quiet_hours=QuietHours(start, end, "UTC"), when_to_speak=WhenToSpeak.ALWAYS)
    )

    assert not await room.say("alice", "go on")
    await room.ask_us("alice")
    await room.prefer(Preferences(quiet_hours=QuietHours(end, start, "UTC")))
    assert await room.say("alice", "go on")


async def test_bots_are_answered_if_they_are_known_and_never_many_in_a_row(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with room_of(bots_store, quiet_redis, Fallback(answer_bots=frozenset({"B1"}))) as room:

        async def is_answered(bot: str) -> bool:
            message = room.message(bot, situation=BOT)
            message = dataclasses.replace(message, bot=bot)
            job = await room.reception.receive(message)
            again = await room.reception.receive(message)
            assert again is None, "a message that comes twice counts once"
            return job is not None

        assert not await is_answered("B2")
        answered = [await is_answered("B1") for _ in range(MAX_BOTS_IN_A_ROW + 2)]
        assert answered == [True] * MAX_BOTS_IN_A_ROW + [False] * 2
        await room.ask_us("alice")
        assert await is_answered("B1")


async def test_a_task_that_is_off_is_refused_with_a_sentence(room: Room) -> None:
    await room.prefer(Preferences(tasks_off=frozenset({Kind.TRANSLATE})))
    asked = room.message("alice", "translate this to French", TO_US)

    job = await room.reception.receive(asked)

    assert job is not None
    ending = await room.ending_of(job)
    assert isinstance(ending, Failed)
    assert ending.code == "task_off"


async def test_a_job_carries_how_its_channel_wants_to_be_answered(room: Room) -> None:
    await room.prefer(Preferences(system_prompt="Be kind.", language="fr", retention_hours=0.01))

    job = await room.reception.receive(room.message("alice", situation=TO_US))

    assert job is not None
    found = await room.reception.store.find_job(job.id)
    assert found is not None
    assert found.manner == job.manner == PromptOverrides("Be kind.", "fr", 36_000)
    left_ms = await room.reception.store.client.pttl(keys.presence(job.origin.conversation))
    assert 0 < left_ms <= 36_000


async def test_a_channels_quota_and_a_roles_hold_at_once(room: Room) -> None:
    await room.prefer(
        Preferences(user_quota=Quota(messages=1), role_quotas={"R1": Quota(messages=2)})
    )

    async def ask(*roles: str) -> Job | None:
        message = room.message("alice", situation=TO_US)
        return await room.reception.receive(dataclasses.replace(message, roles=frozenset(roles)))

    assert await ask() is not None
    refused = await ask()
    assert refused is not None
    ending = await room.ending_of(refused)
    assert isinstance(ending, Failed)
    assert "You have used up today's 1 messages" in ending.sentence
    assert await ask("R1") is not None
    assert await ask("R1") is None, "told a moment ago"


async def test_a_slack_channel_can_be_one_conversation(room: Room) -> None:
    await room.prefer(Preferences(reply_place=ReplyPlace.CHANNEL))

    top = await room.reception.receive(room.message("alice", situation=TO_US, thread=""))
    inner = await room.reception.receive(room.message("alice", situation=TO_US))

    assert top is not None
    assert inner is not None
    assert (top.origin.thread, inner.origin.thread) == ("", ROOT)


async def test_a_discord_channel_where_all_is_answered_is_one_conversation(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    fallback = Fallback(channels={"C1": WhenToSpeak.ALWAYS})
    async with room_of(bots_store, quiet_redis, fallback) as room:
        message = room.message("alice", thread="", platform=Platform.DISCORD)

        job = await room.reception.receive(message)

    assert job is not None
    assert job.origin.thread == ""


async def test_preferences_that_cannot_be_read_stop_nothing(room: Room) -> None:
    await room.reception.store.client.hset(keys.PREFERENCES, CHANNEL.name, "nonsense")

    await room.ask_us("alice")
