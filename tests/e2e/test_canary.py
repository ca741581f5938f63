"""Forgetting a person, whole: a canary in every key, through the real platforms and processes.

Alice leaves the same rare word wherever a person can leave one, on Slack and on Discord, asks to be
forgotten, and then neither Redis nor the data folder holds it, nor her name or her id but where
docs/privacy.md says so.
"""

import asyncio
import base64
import contextlib
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis

from bots.incoming.inbox import SpoolEntry, write_entry
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from bots.incoming.spool import Spool
from shared.cli.embedded_redis import embedded_redis
from shared.jobs import Origin, Platform, job_id
from shared.ledger import keys, lifecycle, thoughts
from shared.ledger.lifecycle import Claimant
from shared.replies import Snapshot, ThoughtSoFar
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.discord_model import Attachment
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings as DiscordSettings
from tests.fakes.openai_server import FakeModelServer
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message
from tests.patience import PATIENCE_S
from tests.running import RunningModule
from worker.store import BlockingStore

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(3 * PATIENCE_S),
]

CANARY = "zebra-4711-xylophone"
NAME = "alicia-quux"
ALICE, BOB, BOSS = "U0ALICE", "U0BOB", "U0BOSS"
HERE, RATED, DIRECT = "C0HERE", "C0RATED", "D0ALICE"
GUILD = 7_000_000_000_000_000_000
D_HERE, D_ALICE, D_BOB = GUILD + 1, GUILD + 11, GUILD + 12
SAID = f"my secret word is {CANARY} and nobody else knows it"
HANDBOOK = f"# The tower\n\nThe vault of the tower opens with {CANARY}.\n"
POLL_S = 0.05


def values_of(client: Any, name: bytes) -> Iterator[bytes]:  # noqa: ANN401 - a client without types
    """Every value of a key, of whatever type, each as it was written."""

    def of_stream() -> Iterator[bytes]:
        for _, fields in client.xrange(name):
            yield from (part for pair in fields.items() for part in pair)

    def of_vectors() -> Iterator[bytes]:
        for member in client.execute_command("VRANDMEMBER", name, 10_000):
            yield member
            yield client.execute_command("VGETATTR", name, member) or b""

    read: dict[bytes, Callable[[], Iterable[bytes]]] = {
        b"string": lambda: [client.get(name) or b""],
        b"hash": lambda: [f + b"=" + value for f, value in client.hgetall(name).items()],
        b"list": lambda: client.lrange(name, 0, -1),
        b"set": lambda: client.smembers(name),
        b"zset": lambda: client.zrange(name, 0, -1),
        b"stream": of_stream,
        b"vectorset": of_vectors,
    }
    kind = client.type(name)
    yield from read[kind]() if kind != b"none" else []


def unpacked(value: bytes) -> Iterator[bytes]:
    """A value, and what is in it: of base64, and compressed."""
    yield value
    for packed in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", value):
        for start in range(4):
            part = packed[start:]
            with contextlib.suppress(ValueError):
                yield base64.b64decode(part[: len(part) // 4 * 4])
    for at in (match.start() for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", value)):
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(value[at:])


def found_in_redis(client: redis.Redis, words: bytes) -> dict[str, bytes]:
    """The keys that hold words, in their name or in a value."""
    found = {}
    for name in client.scan_iter(count=1000):
        for value in [name, *values_of(client, name)]:
            if any(words in part for part in unpacked(value)):
                found[name.decode()] = value[:300]
    return found


def found_on_disk(folder: Path, words: bytes) -> list[str]:
    """The files of a folder that hold words."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [
        str(path.relative_to(folder))
        for path in files
        if any(words in part for part in unpacked(path.read_bytes()))
    ]


def kinds_of(names: dict[str, bytes]) -> set[str]:
    """The kinds of keys: what follows the prefix in their names."""
    return {name.removeprefix(keys.PREFIX).partition(":")[0] for name in names}


@dataclass(frozen=True, slots=True)
class CanaryTown:
    """Both platforms, a Redis, and the processes beside them."""

    folder: Path
    url: str
    client: redis.Redis
    slack: FakeSlack
    discord: FakeDiscord
    model: FakeModelServer

    @property
    def mention(self) -> str:
        """How people call the bot on Slack."""
        return f"<@{self.slack.bot_user_id}>"

    @property
    def discord_mention(self) -> str:
        """The same on Discord."""
        return f"<@{self.discord.bot_user_id}>"

    def said(self, channel: str, thread: str | None = None) -> list[Message]:
        """What the bot has said on Slack."""
        bot = self.slack.bot_user_id
        messages = [m for m in self.slack.messages(channel) if m.user == bot and not m.deleted]
        return [m for m in messages if thread in {None, m.thread_ts}]

    async def ask(self, channel: str, user: str, words: str, thread: str | None = None) -> Message:
        """Ask on Slack, and wait for the whole answer."""
        asked = await self.slack.say(channel, user, words, thread)
        await self.slack.wait_for(
            lambda: [m for m in self.said(channel, thread or asked.ts) if "You said" in m.text]
        )
        return asked

    async def slash(self, user: str, words: str) -> None:
        """Use the command on Slack."""
        delivery = await self.slack.slash(HERE, user, "/parley", words)
        await self.slack.wait_for(lambda: delivery.state == "acked")

    def states(self) -> dict[str, str]:
        """Job -> its state."""
        names = list(self.client.scan_iter(keys.job("*")))
        states: dict[str, Any] = {n.decode(): self.client.hget(n, "state") for n in names}
        return {name: state.decode() for name, state in states.items() if state}

    async def settled(self) -> None:
        """Wait until every job has been shown."""
        over = {"delivered", "withdrawn", "refused"}
        await until(lambda: set(self.states().values()) <= over, self.states)


async def until(is_met: Callable[[], object], state: Callable[[], object] = str) -> None:
    """Wait for what another process brings about."""
    for _ in range(round(PATIENCE_S / POLL_S)):
        if is_met():
            return
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"It did not come about: {state()}")


def bots_settings(town: CanaryTown) -> dict[str, str]:
    return {
        "PARLEY_REDIS_URL": town.url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_DATA_DIR": str(town.folder),
        "PARLEY_SLACK_API_URL": town.slack.api_url,
        "SLACK_BOT_TOKEN": town.slack.bot_token,
        "SLACK_APP_TOKEN": town.slack.app_token,
        "PARLEY_DISCORD_API_URL": town.discord.api_url,
        "PARLEY_DISCORD_GATEWAY_URL": town.discord.gateway_url,
        "DISCORD_TOKEN": town.discord.token,
        "PARLEY_SENTIMENT_CHANNELS": RATED,
        "PARLEY_LEARN_PINS_CHANNELS": f"{HERE},{D_HERE}",
        "PARLEY_USER_MESSAGES_PER_MIN": "1000",
        "PARLEY_CHANNEL_MESSAGES_PER_MIN": "1000",
        "PARLEY_MAX_OPEN_PER_USER": "100",
        "PARLEY_ADMINS": ALICE,
    }


@contextlib.contextmanager
def worker_of(town: CanaryTown) -> Iterator[RunningModule]:
    settings = {
        "PARLEY_REDIS_URL": town.url,
        "PARLEY_ENGINE": "openai",
        "PARLEY_OPENAI_BASE_URL": town.model.url,
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CONCURRENCY": "8",
    }
    with RunningModule("worker", settings=settings) as worker:
        yield worker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CanaryTown]:
    """The platforms, with Alice, Bob, and a boss."""
    folder = tmp_path_factory.mktemp("canary")
    unlimited = DiscordSettings(rate_limit=None, global_rate_limit=None)
    with embedded_redis(folder / "redis") as url, redis.Redis.from_url(url) as client:
        async with (
            FakeSlack(retry_after_s=3.0) as slack,
            FakeDiscord(settings=unlimited) as discord,
            FakeModelServer() as model,
        ):
            slack.add_user(ALICE, NAME, is_admin=True)
            slack.add_user(BOB, "bob")
            slack.add_user(BOSS, "boss", is_admin=True)
            for channel in (HERE, RATED):
                people = [ALICE, BOB, BOSS, slack.bot_user_id]
                slack.add_channel(channel, channel.lower(), members=people)
            slack.add_channel(DIRECT, NAME, is_im=True, members=[ALICE, slack.bot_user_id])
            on_discord = [
                discord.add_user(NAME, user_id=D_ALICE),
                discord.add_user("bob", user_id=D_BOB),
            ]
            guild = discord.add_guild("town", members=on_discord, guild_id=GUILD)
            discord.add_channel(guild, "here", channel_id=D_HERE)
            yield CanaryTown(folder, url, client, slack, discord, model)


async def leave_a_dead_letter(town: CanaryTown) -> None:
    """A question that is given up, with a thought and a text so far."""
    await town.slack.say(HERE, ALICE, f"{town.mention} the dead letter has {CANARY}")
    await until(lambda: "queued" in town.states().values(), town.states)
    ((name, _),) = town.states().items()
    job_id, store = name.removeprefix(keys.job("")), BlockingStore(town.client)
    claimed = store.run(lifecycle.claim(job_id, Claimant("w", "t", 60_000, 3)))
    assert claimed.lease
    assert store.run(thoughts.keep(job_id, "t", ThoughtSoFar(f"They like {CANARY}.")))
    assert store.run(lifecycle.publish_snapshot(job_id, "t", Snapshot(f"You said {CANARY}")))
    store.run(lifecycle.release(job_id, "t", is_blamed=True))
    assert store.run(lifecycle.claim(job_id, Claimant("w", "t", 60_000, 1))).reason == "closed"
    await town.settled()
    assert town.client.zcard(keys.DEAD) == 1


async def speak_on_slack(town: CanaryTown) -> None:
    """All that Alice may leave on Slack, and what Bob makes of it."""
    root = await town.ask(HERE, ALICE, f"{town.mention} {SAID}")
    answer = town.said(HERE, root.ts)[0]
    job = job_id(Origin(Platform.SLACK, town.slack.team_id, HERE, "", root.ts, ALICE))
    await town.slack.press_button(HERE, answer.ts, ALICE, "parley:feedback", f"good:{job}")
    await town.slack.say(HERE, ALICE, f"<@{BOB}> do you know what {CANARY} is?", root.ts)
    await town.ask(DIRECT, ALICE, f"remember {CANARY} for me")
    await town.slack.say(RATED, ALICE, f"I love {CANARY} so much, it is wonderful!")
    await town.slash(ALICE, f"ask what is {CANARY}?")
    await town.slash(ALICE, f"translate french my word is {CANARY}")
    # Files and pins, hers by others, too.
    shared = await town.slack.share(HERE, ALICE, {"tower.md": HANDBOOK}, f"{town.mention} learn")
    pinned = await town.slack.say(HERE, ALICE, f"The cellar of the tower opens with {CANARY}.")
    await town.slack.pin(HERE, pinned.ts, BOB)
    # Bob has her words read, by Parley and by hand.
    talk = await town.slack.say(HERE, ALICE, f"Listen: {CANARY} is my first pet's name.")
    await town.slack.say(HERE, BOB, f"{town.mention} summarize this thread for everyone", talk.ts)
    await town.slack.use_message_shortcut(HERE, talk.ts, BOB, "parley_draft")
    await town.slack.react(HERE, talk.ts, BOB, "flag-fr")
    his = await town.ask(HERE, BOB, f"{town.mention} she wrote “{CANARY}”, why?")
    await town.slack.say(HERE, ALICE, f"<@{BOB}> that is between us", his.ts)
    # A setting whose text Alice wrote, until the boss wrote another.
    await change_the_prompt(town, ALICE, f"Always say {CANARY}.")
    await change_the_prompt(town, BOSS, "Be brief.")
    assert shared
    await town.settled()


async def change_the_prompt(town: CanaryTown, user: str, prompt: str) -> None:
    """Fill in the form of settings."""
    num_before = len(town.slack.views)
    await town.slash(user, "settings")
    await town.slack.wait_for(lambda: len(town.slack.views) > num_before)
    state = {"system_prompt": {"value": {"value": prompt}}}
    await town.slack.submit_view(town.slack.views[-1].id, user, state)
    await until(lambda: found_in_redis(town.client, prompt.encode()))


async def speak_on_discord(town: CanaryTown) -> None:
    """The same on Discord."""
    discord = town.discord
    asked = await discord.say(D_HERE, D_ALICE, f"{town.discord_mention} {SAID}")
    await discord.wait_for(lambda: [m for m in discord.replies(D_HERE) if m.reference == asked.id])
    direct = discord.add_dm(D_ALICE)
    await discord.say(direct, D_ALICE, f"remember {CANARY} here, too")
    await discord.wait_for_replies(direct, contains="You said")
    file = Attachment("cellar.md", HANDBOOK.encode())
    await discord.say(D_HERE, D_ALICE, f"{town.discord_mention} learn this", attachments=[file])
    shared = await discord.say(D_HERE, D_ALICE, "see here", attachments=[file])
    words = f"{town.discord_mention} learn this"
    await discord.say(D_HERE, D_BOB, words, reply_to=shared)
    said = await discord.say(D_HERE, D_ALICE, f"The attic opens with {CANARY}.")
    await discord.pin(said)
    await discord.call_message_menu(said, D_BOB, "Draft a reply")
    await discord.call_command(D_HERE, D_BOB, "summarize", {"hours": 1})
    await discord.react(said, D_BOB, "🇫🇷")
    await town.settled()


async def leave_in_the_spool(town: CanaryTown) -> None:
    """What a bots process that died had kept of a message on Discord."""
    origin = Origin(Platform.DISCORD, str(GUILD), str(D_HERE), "", "99", str(D_ALICE))
    line = write_entry(
        SpoolEntry(Incoming(origin, SAID, Situation(is_from_person=True, mentions_us=True)))
    )
    other = Origin(Platform.DISCORD, str(GUILD), str(D_HERE), "", "98", str(D_BOB))
    spool = Spool(town.folder / "spool", Platform.DISCORD, 10)
    await spool.open()
    await spool.append(line)
    await spool.append(
        write_entry(SpoolEntry(Incoming(other, "Bob's", Situation(is_from_person=True))))
    )
    await spool.close()


async def forget_on_slack(town: CanaryTown) -> str:
    """Alice asks to be forgotten, and says yes; what she reads."""
    await town.slash(ALICE, "forget-me")
    (question,) = [m for m in town.slack.messages(HERE) if "Shall I delete" in m.text]
    await town.slack.press_button(HERE, question.ts, ALICE, "parley:forget")

    def told() -> list[Message]:
        return [m for m in town.slack.messages(HERE) if "I have deleted" in m.text]

    await town.slack.wait_for(told)
    return told()[0].text


async def forget_on_discord(town: CanaryTown) -> str:
    """The same on Discord."""
    asked = await town.discord.call_command(D_HERE, D_ALICE, "forget-me")
    shown = town.discord.world.all_messages
    (question,) = await town.discord.wait_for(
        lambda: [shown[i] for i in asked.message_ids if shown[i].components]
    )
    await town.discord.press_button(question, D_ALICE, "parley:forget-me")
    await town.discord.wait_for(lambda: "I have deleted" in question.content)
    return question.content


def all_is_over(town: CanaryTown) -> bool:
    """Whether nothing is left to be forgotten, if ten minutes pass at once."""
    town.client.delete(keys.REWRITTEN)
    return not town.client.hlen(keys.FORGETTING)


HELD_BEFORE = {
    "audit",
    "dead",
    "documents",
    "feedback",
    "job",
    "passage",
    "questions",
    "ratings",
    "thought",
    "transcript",
    "asked",
    "used",
    "bucket",
    "teachers",
    "talk",
}
"""Kinds of keys that have to hold something of Alice before, or this test shows nothing."""
MAY_STAY = {"used", "opted_out"}
"""Kinds of keys that keep her id, for the reasons that docs/privacy.md gives."""


async def test_row_41_nothing_is_left_of_who_asked_to_be_forgotten(town: CanaryTown) -> None:
    bots = await start_bots(bots_settings(town), "slack_ready", "commands_synced")
    try:
        await leave_a_dead_letter(town)
        with worker_of(town) as worker:
            await asyncio.to_thread(worker.wait_for_event, "worker_ready")
            await speak_on_slack(town)
            await speak_on_discord(town)
            await town.slash(ALICE, "opt-out")
            await town.settled()
        # Questions that wait for a worker: hers, and one of Bob's with her words.
        await town.slack.say(HERE, ALICE, f"{town.mention} and what about {CANARY}?")
        await until(lambda: "queued" in town.states().values())
        await leave_in_the_spool(town)
        before = {
            kind
            for words in (CANARY, NAME, ALICE, str(D_ALICE))
            for kind in kinds_of(found_in_redis(town.client, words.encode()))
        }
        assert before >= HELD_BEFORE - {"dead"}, HELD_BEFORE - before
        assert {name.partition("/")[0] for name in found_on_disk(town.folder, CANARY.encode())} == {
            "redis",
            "spool",
        }

        said = [await forget_on_slack(town), await forget_on_discord(town)]

        await until(lambda: all_is_over(town))
        await until(lambda: not town.client.info()["aof_rewrite_in_progress"])
        assert all("document" in each for each in said), said
        assert found_in_redis(town.client, CANARY.encode()) == {}
        assert found_in_redis(town.client, NAME.encode()) == {}
        for user in (ALICE, str(D_ALICE)):
            assert kinds_of(found_in_redis(town.client, user.encode())) <= MAY_STAY
        await until(
            lambda: not found_on_disk(town.folder, CANARY.encode()),
            lambda: found_on_disk(town.folder, CANARY.encode()),
        )
        assert found_on_disk(town.folder, b"Bob's")
    finally:
        await stop_bots(bots)


async def test_a_server_that_removes_us_is_noted_and_an_outage_of_discord_is_none(
    town: CanaryTown,
) -> None:
    settings = bots_settings(town)
    del settings["SLACK_BOT_TOKEN"], settings["SLACK_APP_TOKEN"]
    bots = await start_bots(settings, "discord_ready")
    tenant = f"discord:{GUILD}".encode()
    try:
        await town.discord.remove_guild(GUILD, is_outage=True)
        await town.discord.return_guild(GUILD)
        await town.discord.remove_guild(GUILD)
        await until(lambda: town.client.hkeys(keys.LEAVING) == [tenant])
        assert bots.output.count("workspace_left") == 1
        due_ms = int(town.client.hget(keys.LEAVING, tenant) or 0)

        await town.discord.return_guild(GUILD)
        await until(lambda: not town.client.hkeys(keys.LEAVING))
        await town.discord.remove_guild(GUILD, is_outage=True)  # and it is not over
        other = town.discord.add_guild("other")
        await town.discord.remove_guild(other)
        await until(lambda: town.client.hkeys(keys.LEAVING) == [f"discord:{other.id}".encode()])
    finally:
        await stop_bots(bots)
    assert due_ms > 1000 * (int(town.client.time()[0]) + 29 * 24 * 3600)
