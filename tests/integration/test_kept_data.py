"""What a version before this one left behind is read and answered by this one.

An upgrade stops the old processes and starts the new ones on the same Redis. What may not change
between the two is pinned here: Redis's keys and their fields, documents and their fields, names of
Celery's queues and tasks, ids of buttons and views. ``tests/kept_data.py`` says what is kept.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis

from shared.cli.embedded_redis import embedded_redis
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.discord_model import Message as DiscordMessage
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings as DiscordSettings
from tests.fakes.openai_server import FakeModelServer
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message
from tests.kept_data import (
    NEWS_FROM_S,
    VERSIONS,
    Json,
    read,
    restore_discord,
    restore_redis,
    restore_slack,
)
from tests.patience import PATIENCE_S
from tests.running import RunningModule

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(3 * PATIENCE_S),
]

ALICE, BOB, EVE, BOSS = "U0ALICE", "U0BOB", "U0EVE", "U0BOSS"
DECK, HELM, MOOD = "C0DECK", "C0HELM", "C0MOOD"
TEAM = 7_000_000_000_000_000_000
D_DECK, D_HELM, D_MOOD = TEAM + 1, TEAM + 2, TEAM + 3
D_ALICE, D_ADMIN = TEAM + 11, TEAM + 12
SMILES, FROWNS = {"slightly_smiling_face", "🙂"}, {"slightly_frowning_face", "🙁"}
SAVED = "Saved. It holds from now on."
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Ship:
    """Platforms, Redis and a model server as one version left them, and this version's processes.

    The data has a Slack workspace and a Discord server, each with a deck to talk on, a helm with
    preferences of its own, and a place where messages are rated.
    """

    kept: Json
    """The Redis that was restored."""
    client: redis.Redis
    slack: FakeSlack
    discord: FakeDiscord
    model: FakeModelServer

    def jobs(self, state: str = "") -> dict[str, Json]:
        """Kept jobs by their ids, all or those in a state, as their documents."""
        prefix = "parley:job:"
        hashes = {k: v["value"] for k, v in self.kept["keys"].items() if k.startswith(prefix)}
        return {
            name.removeprefix(prefix): json.loads(fields["job"])["body"]
            for name, fields in hashes.items()
            if state in ("", fields["state"])
        }

    def state(self, job_id: str) -> str:
        """Where a job is now."""
        state: Any = self.client.hget(f"parley:job:{job_id}", "state")
        return state.decode() if state else ""

    def said(self, channel: str, thread: str | None = None) -> list[Message]:
        """What Parley's messages on Slack read, in a channel or a thread of it."""
        messages = self.slack.messages(channel)
        ours = [m for m in messages if m.user == self.slack.bot_user_id and not m.deleted]
        return [m for m in ours if thread is None or m.thread_ts == thread]

    def asked(self, channel: str, words: str) -> Message:
        """The message of a person on Slack that has these words."""
        messages = self.slack.messages(channel)
        return next(m for m in messages if m.user != self.slack.bot_user_id and words in m.text)

    def asked_on_discord(self, channel: int, words: str) -> DiscordMessage:
        """The same on Discord."""
        messages = self.discord.messages(channel)
        bot = self.discord.bot_user_id
        return next(m for m in messages if m.author_id != bot and words in m.content)

    def answers_to(self, asked: DiscordMessage) -> list[DiscordMessage]:
        """Parley's replies to a message on Discord."""
        return [m for m in self.discord.replies(asked.channel_id) if m.reference == asked.id]

    def prompt(self, words: str) -> str:
        """The one prompt whose question is these words, or else has them; as a text."""
        having = self.model.asked(words)
        being = [prompt for prompt in having if prompt[-1]["content"] == words]
        (prompt,) = being or having
        return "\n".join(f"{message['role']}: {message['content']}" for message in prompt)


def settings_of(ship: Ship, url: str, data: Path) -> dict[str, str]:
    """Settings of bots on both platforms."""
    return {
        "PARLEY_REDIS_URL": url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_DATA_DIR": str(data),
        "PARLEY_SLACK_API_URL": ship.slack.api_url,
        "SLACK_BOT_TOKEN": ship.slack.bot_token,
        "SLACK_APP_TOKEN": ship.slack.app_token,
        "PARLEY_DISCORD_API_URL": ship.discord.api_url,
        "PARLEY_DISCORD_GATEWAY_URL": ship.discord.gateway_url,
        "DISCORD_TOKEN": ship.discord.token,
        "PARLEY_SENTIMENT_CHANNELS": f"{MOOD},{D_MOOD}",
    }


@contextlib.contextmanager
def worker_of(ship: Ship, url: str) -> Iterator[RunningModule]:
    """A worker whose model is the server's."""
    settings = {
        "PARLEY_REDIS_URL": url,
        "PARLEY_ENGINE": "openai",
        "PARLEY_OPENAI_BASE_URL": ship.model.url,
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CONCURRENCY": "8",
    }
    with RunningModule("worker", settings=settings) as worker:
        yield worker


@contextlib.asynccontextmanager
async def ship_of(version: str, name: str, folder: Path) -> AsyncIterator[tuple[Ship, str]]:
    """Everything that one version left, without processes; and its Redis's address."""
    kept, platforms = read(version, name), read(version, "platforms.json")
    unlimited = DiscordSettings(rate_limit=None, global_rate_limit=None)
    with embedded_redis(folder / "redis") as url, redis.Redis.from_url(url) as client:
        restore_redis(client, kept)
        async with (
            FakeSlack(first_ts_s=NEWS_FROM_S, retry_after_s=3.0) as slack,
            FakeDiscord(settings=unlimited) as discord,
            FakeModelServer() as model,
        ):
            for user in (ALICE, BOB, EVE):
                slack.add_user(user, user.removeprefix("U0").lower())
            slack.add_user(BOSS, "boss", is_admin=True)
            people = [
                discord.add_user("alice", user_id=D_ALICE),
                discord.add_user("admin", user_id=D_ADMIN),
            ]
            guild = discord.add_guild("ship", members=people, guild_id=TEAM)
            for channel, title in ((D_DECK, "deck"), (D_HELM, "helm"), (D_MOOD, "mood")):
                discord.add_channel(guild, title, channel_id=channel)
            restore_slack(slack, platforms["slack"])
            restore_discord(discord, platforms["discord"])
            yield Ship(kept, client, slack, discord, model), url


async def until(is_met: Callable[[], object], timeout_s: float = PATIENCE_S) -> bool:
    """Wait for what another process brings about; whether it has."""
    for _ in range(round(timeout_s / POLL_S)):
        if is_met():
            return True
        await asyncio.sleep(POLL_S)
    return False


async def until_delivered(ship: Ship, *processes: RunningModule) -> None:
    """Wait until every job that was kept has been shown."""

    def late() -> dict[str, str]:
        states = {job_id: ship.state(job_id) for job_id in ship.jobs()}
        return {job_id: state for job_id, state in states.items() if state != "delivered"}

    is_over = await until(lambda: not late(), 2 * PATIENCE_S)
    output = [process.output for process in processes]
    assert is_over, "\n".join([f"not shown: {late()}", *output])


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=VERSIONS)
async def ship(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ship]:
    """Questions that a version had recorded, answered and shown by this one."""
    folder = tmp_path_factory.mktemp("accepted")
    async with ship_of(request.param, "accepted.json", folder) as (ship, url):
        with worker_of(ship, url) as worker:
            bots = await start_bots(
                settings_of(ship, url, folder), "slack_ready", "commands_synced"
            )
            try:
                await until_delivered(ship, bots, worker)
                yield ship
            finally:
                await stop_bots(bots)
            assert "unregistered" not in worker.output


def fields_of(values: Mapping[str, object]) -> Json:
    """The state of a form on Slack."""
    return {name: {"value": value} for name, value in values.items()}


async def test_a_question_is_answered_where_it_was_asked_and_its_conversation_is_remembered(
    ship: Ship,
) -> None:
    root = ship.asked(DECK, "our ship is called Marigold")
    first, second = ship.said(DECK, root.ts)
    assert "You said: our ship is called Marigold" in first.text
    assert "You said: what is our ship called?" in second.text
    prompt = ship.prompt("what is our ship called?")
    turns = ("user: our ship is called Marigold", "assistant: You said: our ship is called")
    assert all(turn in prompt for turn in turns)

    followed = ship.asked_on_discord(D_DECK, "what is our cat called?")
    (answer,) = ship.answers_to(followed)
    assert "You said: what is our cat called?" in answer.content
    assert "user: our cat is called Bosun" in ship.prompt("what is our cat called?")


async def test_what_a_channel_prefers_holds(ship: Ship) -> None:
    # Their channels want every message answered; nobody mentioned us.
    (answer,) = ship.said(HELM, ship.asked(HELM, "where do we sail?").ts)
    assert "You said: where do we sail?" in answer.text
    prompt = ship.prompt("where do we sail?")
    assert "Speak like the captain of the Marigold." in prompt
    assert "French" in prompt
    prompt = ship.prompt("what is for supper?")
    assert "Answer as the cook." in prompt
    assert "German" in prompt

    news = await ship.slack.say(HELM, BOB, "and how far is it?")

    await ship.slack.wait_for(lambda: any("how far" in m.text for m in ship.said(HELM, news.ts)))
    assert "Speak like the captain of the Marigold." in ship.prompt("and how far is it?")


async def test_an_answer_that_was_cut_short_goes_on_in_the_same_message(ship: Ship) -> None:
    (answer,) = ship.said(DECK, ship.asked(DECK, "a tale of the sea").ts)
    assert answer.text.startswith("You said: tell us a tale of the sea (wait)")
    assert "Your answer was cut off" in answer.text, "what the model was told when it went on"

    (on_discord,) = ship.answers_to(ship.asked_on_discord(D_DECK, "a tale of the shore"))
    assert on_discord.content.startswith("You said: tell us a tale of the shore (wait)")
    assert "Your answer was cut off" in on_discord.content


async def test_tasks_are_done(ship: Ship) -> None:
    said = "\n".join(m.text for m in ship.said(DECK))
    assert "412 pounds" in said, "a question about a document that was learned then"
    assert "You said:" in ship.said(DECK, ship.asked(DECK, "the new sail").ts)[0].text
    assert "I bring the rope." in ship.prompt("We meet at the mast at nine.")
    assert "good morning, sailors" in ship.prompt("good morning, sailors")
    assert "the harbour is closed" in ship.prompt("the harbour is closed")
    assert "Once upon a wave" in ship.prompt("Once upon a wave")
    translated = ship.asked_on_discord(D_DECK, "good night, sailors")
    assert len(ship.answers_to(translated)) == 1


async def test_what_was_not_rated_yet_is(ship: Ship) -> None:
    def marked(channel: str, words: str) -> set[str]:
        reactions = ship.asked(channel, words).reactions
        return {name for name, users in reactions.items() if users}

    assert marked(MOOD, "I love this ship") <= SMILES
    assert marked(MOOD, "I hate this storm") <= FROWNS
    assert set(ship.asked_on_discord(D_MOOD, "I hate this storm").reactions) <= FROWNS
    for channel in (f"slack:T0FAKE:{MOOD}", f"discord:{TEAM}:{D_MOOD}"):
        assert ship.client.xlen(f"parley:ratings:{channel}") == 2, "one of then and one of now"


async def test_buttons_below_the_answers_of_then_do_what_they_say(ship: Ship) -> None:
    questions = ("our ship is called Marigold", "our cat is called Bosun")

    def num_asked() -> list[int]:
        asked = [prompt[-1]["content"] for prompt in ship.model.prompts]
        return [asked.count(question) for question in questions]

    assert num_asked() == [0, 0], "they were answered then"
    root = ship.asked(DECK, questions[0])
    await ship.slack.press_button(DECK, ship.said(DECK, root.ts)[0].ts, ALICE, "parley:retry")
    answer = ship.answers_to(ship.asked_on_discord(D_DECK, questions[1]))[0]
    ids = [button["custom_id"] for row in answer.components for button in row["components"]]
    (retry,) = [custom_id for custom_id in ids if custom_id.startswith("parley:retry:")]

    await ship.discord.press_button(answer, D_ALICE, retry)

    assert await until(lambda: num_asked() == [1, 1]), num_asked()


async def test_a_form_that_was_opened_then_is_saved(ship: Ship) -> None:
    form = ship.slack.views[1]
    changed = {"language": {"value": "Spanish"}, "when_to_speak": {"selected_option": None}}

    sent = await ship.slack.submit_view(form.id, BOSS, fields_of(changed))

    await ship.slack.wait_for(lambda: sent.response)
    assert sent.response is not None
    assert sent.response["view"]["blocks"][0]["text"]["text"] == SAVED
    shown = next(m for m in ship.discord.messages(D_HELM) if m.is_ephemeral and m.components)
    opened = await ship.discord.press_button(shown, D_ADMIN, "parley:settings:channel:answers")
    response = await ship.discord.wait_for(lambda: opened.response)
    assert response is not None
    assert "Answer as the cook." in json.dumps(response), "the form has what was saved then"


async def test_who_opted_out_then_is_left_out_of_summaries(ship: Ship) -> None:
    root = await ship.slack.say(DECK, ALICE, "The tide is low at seven.")
    for person, words in ((EVE, "Eve has a secret."), (BOB, "Bob has none.")):
        await ship.slack.say(DECK, person, words, root.ts)
    mention = f"<@{ship.slack.bot_user_id}>"

    await ship.slack.say(DECK, ALICE, f"{mention} summarize this thread for everyone", root.ts)

    await ship.slack.wait_for(lambda: ship.said(DECK, root.ts))
    assert await until(lambda: ship.model.asked("The tide is low at seven."))
    prompt = ship.prompt("The tide is low at seven.")
    assert "secret" not in prompt


async def test_commands_are_those_that_people_knew(ship: Ship) -> None:
    async def known() -> dict[str, Json]:
        return {command["name"]: command for command in ship.discord.world.commands[None]}

    now = await known()
    for version in VERSIONS:
        for command in read(version, "platforms.json")["discord"]["commands"]:
            options = {option["name"] for option in command.get("options") or ()}
            still = {option["name"] for option in now[command["name"]].get("options") or ()}
            assert now[command["name"]]["type"] == command["type"]
            assert options <= still


@pytest.mark.parametrize("version", VERSIONS)
async def test_answers_that_were_not_shown_are_shown_once(version: str, tmp_path: Path) -> None:
    async with ship_of(version, "answered.json", tmp_path) as (ship, url):
        waiting = [
            (fields["job"], json.loads(fields["reply"]))
            for platform in ("slack", "discord")
            for _, fields in ship.kept["keys"][f"parley:outbox:{platform}"]["value"]["entries"]
        ]
        channels = {job["origin"]["channel"] for job in ship.jobs().values()}
        before = {channel: texts_in(ship, channel) for channel in channels}
        bots = await start_bots(settings_of(ship, url, tmp_path), "slack_ready", "discord_ready")
        try:
            await until_delivered(ship, bots)
        finally:
            await stop_bots(bots)
        assert {reply["type"] for _, reply in waiting} == {"done", "failed", "tagged"}
        for job_id, reply in waiting:
            if reply["type"] != "tagged":
                job, text = ship.jobs()[job_id], reply["body"]["text"] or reply["body"]["sentence"]
                assert_shown_once(ship, job, text, before[job["origin"]["channel"]])
        assert not ship.model.prompts


def assert_shown_once(ship: Ship, job: Json, text: str, before: list[str]) -> None:
    """The end of an answer's first line stands in one message more of its channel than before."""
    channel = job["origin"]["channel"]
    words = text.splitlines()[0].replace("*", "")[-40:]
    now = sum(words in each for each in texts_in(ship, channel))
    assert now - sum(words in each for each in before) == 1, (job["kind"], words)


def texts_in(ship: Ship, channel: str) -> list[str]:
    """What Parley's messages in a channel read, without the stars of each platform's bold."""
    if channel.isdecimal():
        texts = [m.content for m in ship.discord.replies(int(channel))]
    else:
        texts = [m.text for m in ship.said(channel)]
    return [text.replace("*", "") for text in texts]
