"""A model that thinks, on both platforms: what people see of it, and who sees what it thought.

A bots process, a fake platform and a Redis; the worker's steps are played by the test.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bots.discord.views.thought import FILE_NAME, IN_FILE
from bots.incoming.answer_actions import NOT_YOURS_TO_READ, THOUGHT_GONE
from shared.jobs import Job, Kind, Platform, job_id, make_job
from shared.ledger import keys
from shared.replies import Done
from tests.chaos.towns import ALICE, DiscordTown, SlackTown, Town, bots_in, town_of
from tests.chaos.way_out import Scribe, scribe_at
from tests.fakes.discord_model import Message as DiscordMessage
from tests.fakes.scripted_model import save_scripted_model
from tests.fakes.slack_store import Message as SlackMessage
from tests.fakes.tiny_gguf import save_tiny_gguf
from tests.patience import PATIENCE_S
from tests.running import RunningModule

SECRET = "She dislikes <@U0ALICE> @everyone *and* ```cats```"
"""What the model thinks; people other than the one who asked must not see any of it."""
WORDS = ("dislikes", "cats")
STARTED_S = 12.6
THINKING = "Thinking… 12 s"
BOSS = "U0BOSS"


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    with scribe_at(quiet_redis) as found:
        yield found


@pytest.fixture(params=[Platform.SLACK, Platform.DISCORD])
async def town(request: pytest.FixtureRequest, quiet_redis: str) -> AsyncIterator[Town]:
    del quiet_redis
    async with town_of(request.param) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Press:
    """What a person was told who pressed a button: texts, and the contents of files."""

    told: list[str]
    files: list[str]


@dataclass
class Desk:
    """A question whose answer is thought about, and those who look at it."""

    town: Town
    scribe: Scribe
    place: str
    job: Job
    bots: RunningModule

    async def think(self, thinking_s: float, thought: str = SECRET) -> None:
        await asyncio.to_thread(self.scribe.think, self.job, thinking_s, thought)

    async def shown(self, text: str) -> None:
        """Wait until the answer in the channel reads so."""
        await self.town.wait_for(lambda: self.public() == [text])

    async def end(self, text: str = "Cold.") -> None:
        await asyncio.to_thread(self.scribe.end, self.job, Done(text, has_thought=True))
        await asyncio.to_thread(self.scribe.wait_state, self.job, "delivered")

    def public(self) -> list[str]:
        """What all see of the bot, without marks of italics."""
        return [text.strip("_*") for text in self._texts()]

    def _texts(self) -> list[str]:
        return [m.text if isinstance(m, SlackMessage) else m.content for m in self._ours()]

    def _ours(self) -> list[SlackMessage] | list[DiscordMessage]:
        if isinstance(self.town, SlackTown):
            found = self.town.slack.messages(self.place)
            bot = self.town.slack.bot_user_id
            return [m for m in found if m.user == bot and not (m.deleted or m.is_ephemeral_for)]
        assert isinstance(self.town, DiscordTown)
        return [m for m in self.town.discord.replies(int(self.place)) if not m.is_ephemeral]

    def seen_by_others(self) -> str:
        """All that messages hold or have held that are not for the person who asked alone."""
        if isinstance(self.town, SlackTown):
            said = self.town.slack.messages(self.place)
            return str([m for m in said if m.is_ephemeral_for != ALICE])
        assert isinstance(self.town, DiscordTown)
        asker = int(self.job.origin.user)
        written = self.town.discord.world.all_messages.values()
        return str([m for m in written if m.ephemeral_to != asker])

    def buttons(self) -> list[str]:
        """The actions of the answer's buttons."""
        (answer,) = self._ours()
        rows: list[Any] = answer.blocks if isinstance(answer, SlackMessage) else answer.components
        found = str([row for row in rows if row.get("elements") or row.get("components")])
        return re.findall(r"'(?:action|custom)_id': 'parley:(\w+)", found)

    async def press(self, *, is_asker: bool = True) -> Press:
        """Press "Show thinking", as the person who asked or as an administrator."""
        if isinstance(self.town, SlackTown):
            return await self._press_on_slack(self.town, ALICE if is_asker else BOSS)
        assert isinstance(self.town, DiscordTown)
        return await self._press_on_discord(self.town, is_asker=is_asker)

    async def _press_on_slack(self, town: SlackTown, user: str) -> Press:
        (answer,) = self._ours()
        assert isinstance(answer, SlackMessage)
        num_before = len(town.slack.messages(self.place))
        await town.slack.press_button(self.place, answer.ts, user, "parley:thought")
        await town.wait_for(lambda: len(town.slack.messages(self.place)) > num_before)
        told = []
        for message in town.slack.messages(self.place)[num_before:]:
            assert message.is_ephemeral_for == user
            assert not any(word in message.text for word in WORDS), "a notification shows it"
            kinds = {block["text"]["type"] for block in message.blocks}
            assert kinds <= {"plain_text"}
            whole = "".join(block["text"]["text"] for block in message.blocks)
            told.append(whole or message.text)
        return Press(told, [])

    async def _press_on_discord(self, town: DiscordTown, *, is_asker: bool) -> Press:
        (answer,) = self._ours()
        assert isinstance(answer, DiscordMessage)
        guild = town.discord.world.guilds[int(self.job.origin.team)]
        presser = int(self.job.origin.user) if is_asker else guild.owner_id
        (custom_id,) = re.findall(r"parley:thought:\w+", str(answer.components))
        pressed = await town.discord.press_button(answer, presser, custom_id)
        written = town.discord.world.all_messages
        await town.wait_for(lambda: set(pressed.message_ids) - {answer.id})
        found = [written[each] for each in pressed.message_ids if each != answer.id]
        assert all(m.ephemeral_to == presser and not m.live_mentions for m in found)
        attached = [each for message in found for each in message.attachments]
        files = [each.content.decode() for each in attached if each.filename == FILE_NAME]
        return Press([m.content for m in found], files)


@pytest.fixture
async def desk(town: Town, scribe: Scribe, quiet_redis: str) -> AsyncIterator[Desk]:
    """A question that was asked in a channel and is in a worker's hand."""
    if isinstance(town, SlackTown):
        town.slack.add_user(BOSS, "boss", is_admin=True)
    place = town.add_place()
    async with bots_in(town, quiet_redis) as running:
        origin = await town.call(place)
        job = make_job(Kind.CHAT, origin, "")
        await asyncio.to_thread(scribe.wait_state, job, "queued")
        await asyncio.to_thread(scribe.begin, job)
        assert job.id == job_id(origin)
        yield Desk(town, scribe, place, job, running)


def everything_but(scribe: Scribe, spared: str) -> str:
    """All that Redis holds, but for one key."""
    found: list[object] = []
    client: Any = scribe.client
    for key in client.scan_iter():
        match client.type(key):
            case b"hash":
                found.append(client.hgetall(key))
            case b"list":
                found.append(client.lrange(key, 0, -1))
            case b"stream":
                found.append(client.xrange(key))
            case b"set":
                found.append(client.smembers(key))
            case b"zset":
                found.append(client.zrange(key, 0, -1))
            case _ if key.decode() != spared:
                found.append(client.get(key))
    return str(found)


async def test_people_see_how_long_it_thinks_and_only_who_asked_sees_what(desk: Desk) -> None:
    await desk.think(STARTED_S)
    await desk.shown(THINKING)
    assert desk.buttons() == ["stop"]
    await desk.think(STARTED_S + 60)
    await desk.shown("Thinking… 72 s")
    await asyncio.to_thread(desk.scribe.write, desk.job, "Co")
    await desk.shown("Co")
    await desk.end()

    assert desk.public() == ["Cold."]
    assert "thought" in desk.buttons()
    assert (await desk.press(is_asker=False)).told == [NOT_YOURS_TO_READ]
    (told,) = (await desk.press()).told
    assert told.replace("\u200b", "").strip("`\n") == SECRET.strip("`")

    kept = everything_but(desk.scribe, keys.thought(desk.job.id))
    seen = desk.seen_by_others()
    assert THINKING in seen
    for word in WORDS:
        assert word in str(desk.scribe.client.get(keys.thought(desk.job.id)))
        assert word not in kept
        assert word not in desk.bots.output
        assert word not in seen


async def test_a_thought_that_is_gone_is_told_in_a_sentence(desk: Desk) -> None:
    await desk.think(STARTED_S)
    await desk.end()
    desk.scribe.client.delete(keys.thought(desk.job.id))

    assert (await desk.press()).told == [THOUGHT_GONE]

    desk.scribe.client.delete(keys.job(desk.job.id))  # as after a day
    assert (await desk.press()).told == [THOUGHT_GONE]


async def test_a_long_thought_comes_in_parts_or_as_a_file(desk: Desk) -> None:
    thought = "".join(f"{number}: hm, <!channel> that is so.\n" for number in range(3_000))
    await desk.think(STARTED_S, thought)
    await desk.end()

    if isinstance(desk.town, SlackTown):
        slack, place = desk.town.slack, desk.place
        first = (await desk.press()).told[0]
        whispers: list[SlackMessage] = []

        def are_all_there() -> bool:
            whispers[:] = [m for m in slack.messages(place) if m.is_ephemeral_for]
            return len(whispers) == 4

        await asyncio.wait_for(slack.wait_for(are_all_there), PATIENCE_S)
        assert thought.startswith(first)
        assert "left out" in whispers[-1].blocks[-1]["text"]["text"]
    else:
        pressed = await desk.press()
        assert pressed == Press([IN_FILE], [thought])


async def test_an_answer_without_a_thought_has_no_such_button(desk: Desk) -> None:
    await asyncio.to_thread(desk.scribe.end, desk.job, "Cold.")
    await asyncio.to_thread(desk.scribe.wait_state, desk.job, "delivered")

    assert desk.public() == ["Cold."]
    assert "retry" in desk.buttons()
    assert "thought" not in desk.buttons()


LAYOUT = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '<|end|>' }}"
    "{% endfor %}assistant:"
)
WRITES = {
    ":": "<think>",
    "<think>": "She",
    "She": " dislikes",
    " dislikes": " cats.",
    " cats.": "</think>",
    "</think>": "Cold.",
}


async def test_a_worker_whose_model_thinks_shows_its_answer_alone(
    town: Town, quiet_redis: str, scribe: Scribe, tmp_path: Path
) -> None:
    folder = save_scripted_model(tmp_path / "model", LAYOUT, WRITES)
    model = save_tiny_gguf(folder, tmp_path / "model.gguf")
    settings = {
        "PARLEY_REDIS_URL": quiet_redis,
        "PARLEY_MODEL": str(model),
        "PARLEY_QUEUES": "chat",
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CACHE_DIR": str(tmp_path / "cache"),
        "PARLEY_CACHE_TOKENS": "4096",
    }
    place = town.add_place()
    async with bots_in(town, quiet_redis) as bots:
        with RunningModule("worker", settings=settings) as worker:
            await asyncio.to_thread(worker.wait_for_event, "worker_ready")
            origin = await town.call(place)
            job = make_job(Kind.CHAT, origin, "")
            await asyncio.to_thread(scribe.wait_state, job, "delivered")
        desk = Desk(town, scribe, place, job, bots)

        assert desk.public() == ["Cold."]
        assert "thought" in desk.buttons()
        (told,) = (await desk.press()).told
        assert told.strip("`\n") == "She dislikes cats."
        for word in WORDS:
            assert word not in everything_but(scribe, keys.thought(job.id))
            assert word not in desk.seen_by_others()
            assert word not in bots.output + worker.output
