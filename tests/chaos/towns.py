"""The fake platforms as tests of the way out see them: places, questions, and what stands below.

Bots reach the platform's Web API through a proxy that can hold bytes back; events come directly.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Protocol

import redis.asyncio
import yarl

from shared.jobs import Origin, Platform
from shared.ledger import keys
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings as DiscordSettings
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message
from tests.fakes.tcp_proxy import TcpProxy
from tests.patience import PATIENCE_S
from tests.running import RunningModule

NO_OTHERS: Mapping[str, str] = MappingProxyType({})
ALICE = "U0ALICE"
POLL_S = 0.02
POST, EDIT = "POST", "EDIT"
DISCORD_MESSAGES = "/channels/{channel_id}/messages"
DISCORD_MESSAGE = "/channels/{channel_id}/messages/{message_id}"
DISCORD_ROUTES = {POST: ("POST", DISCORD_MESSAGES), EDIT: ("PATCH", DISCORD_MESSAGE)}
SLACK_METHODS = {POST: "chat.postMessage", EDIT: "chat.update"}


class Town(Protocol):
    """One platform."""

    platform: Platform
    proxy: TcpProxy
    last_event: str
    """What bots log last before they connect, or just after."""
    started: list[RunningModule]
    """Bots that were started here. They do not outlive the platform, whatever a test does."""

    @property
    def settings(self) -> dict[str, str]:
        """Settings of bots that come through the proxy."""
        ...

    def num_sessions(self) -> int:
        """How many sessions bots have begun; they hear from the first on."""
        ...

    def add_place(self) -> str:
        """Make a channel."""
        ...

    async def ask(self, place: str, thread: str = "") -> Origin:
        """Have somebody say something that bots do not answer by themselves."""
        ...

    async def call(self, place: str) -> Origin:
        """Have somebody ask the bot."""
        ...

    async def take_back(self, origin: Origin) -> None:
        """Have somebody delete their question."""
        ...

    def visible(self, place: str) -> list[str]:
        """What the bot's messages in a place read, oldest first."""
        ...

    def histories(self, place: str) -> list[list[str]]:
        """All that each of the bot's messages has read, deleted ones too."""
        ...

    def num_calls(self, kind: str) -> int:
        """How many posts or edits have been asked for."""
        ...

    def cut_after(self, kind: str, times: int) -> None:
        """Do what the next calls ask, and close their connections without an answer."""
        ...

    def fail_after(self, kind: str, times: int) -> None:
        """Do what the next calls ask, and answer that the server has failed."""
        ...

    def fail(self, kind: str, status: int, times: int) -> None:
        """Answer the next calls so, and do nothing."""
        ...

    def limit(self, kind: str, retry_after_s: float, times: int) -> None:
        """Answer 429 to the next calls."""
        ...

    def delay(self, kind: str, delay_s: float, times: int) -> None:
        """Let the next calls wait before anything is done with them."""
        ...

    async def wait_for(self, is_met: Callable[[], object]) -> None:
        """Wait until something is so on the platform."""
        ...


class SlackTown:
    """A workspace."""

    platform = Platform.SLACK
    last_event = "slack_ready"

    def __init__(self, slack: FakeSlack, proxy: TcpProxy) -> None:
        self.slack = slack
        self.proxy = proxy
        self.started: list[RunningModule] = []
        self._num_places = 0
        slack.add_user(ALICE, "alice")

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PARLEY_SLACK_API_URL": f"http://127.0.0.1:{self.proxy.port}/api/",
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
        }

    def num_sessions(self) -> int:
        return self.slack.num_connections_opened

    def add_place(self) -> str:
        self._num_places += 1
        name = f"C0PLACE{self._num_places}"
        self.slack.add_channel(name, name.lower(), members=[ALICE, self.slack.bot_user_id])
        return name

    async def ask(self, place: str, thread: str = "") -> Origin:
        said = await self.slack.say_unheard(place, ALICE, "a question", thread or None)
        return self._origin(place, thread or said.ts, said.ts)

    async def call(self, place: str) -> Origin:
        said = await self.slack.say(place, ALICE, f"<@{self.slack.bot_user_id}> a question")
        return self._origin(place, said.ts, said.ts)

    async def take_back(self, origin: Origin) -> None:
        await self.slack.delete_message(origin.channel, origin.message)

    def _origin(self, place: str, thread: str, message: str) -> Origin:
        return Origin(Platform.SLACK, self.slack.team_id, place, thread, message, ALICE)

    def visible(self, place: str) -> list[str]:
        return [m.text for m in self._ours(place) if not m.deleted]

    def histories(self, place: str) -> list[list[str]]:
        return [[*m.edits, m.text] for m in self._ours(place)]

    def _ours(self, place: str) -> list[Message]:
        return [m for m in self.slack.messages(place) if m.user == self.slack.bot_user_id]

    def num_calls(self, kind: str) -> int:
        return len(self.slack.calls(SLACK_METHODS[kind]))

    def cut_after(self, kind: str, times: int) -> None:
        self.slack.drop_connection_after(SLACK_METHODS[kind], times=times)

    def fail_after(self, kind: str, times: int) -> None:
        self.slack.answer_500_after(SLACK_METHODS[kind], times=times)

    def fail(self, kind: str, status: int, times: int) -> None:
        self.slack.fail_next(SLACK_METHODS[kind], status=status, times=times)

    def limit(self, kind: str, retry_after_s: float, times: int) -> None:
        self.slack.fail_next(
            SLACK_METHODS[kind], status=429, retry_after_s=retry_after_s, times=times
        )

    def delay(self, kind: str, delay_s: float, times: int) -> None:
        self.slack.delay(SLACK_METHODS[kind], delay_s, times=times)

    async def wait_for(self, is_met: Callable[[], object]) -> None:
        await self.slack.wait_for(is_met)


class DiscordTown:
    """A guild."""

    platform = Platform.DISCORD
    last_event = "commands_synced"  # discord.py is ready two seconds after the last guild

    def __init__(self, discord: FakeDiscord, proxy: TcpProxy) -> None:
        self.discord = discord
        self.proxy = proxy
        self.started: list[RunningModule] = []
        self._alice = discord.add_user("alice")
        self._guild = discord.add_guild("team", members=[self._alice])

    @property
    def settings(self) -> dict[str, str]:
        path = yarl.URL(self.discord.api_url).path
        return {
            "PARLEY_DISCORD_API_URL": f"http://127.0.0.1:{self.proxy.port}{path}",
            "PARLEY_DISCORD_GATEWAY_URL": self.discord.gateway_url,
            "DISCORD_TOKEN": self.discord.token,
        }

    def num_sessions(self) -> int:
        return self.discord.gateway_status()["identifies"]

    def add_place(self) -> str:
        return str(self.discord.add_channel(self._guild, "place").id)

    async def ask(self, place: str, thread: str = "") -> Origin:
        said = await self.discord.say(int(place), self._alice, "a question")
        return self._origin(place, thread or str(said.id), str(said.id))

    async def call(self, place: str) -> Origin:
        mention = f"<@{self.discord.bot_user_id}>"
        said = await self.discord.say(int(place), self._alice, f"{mention} a question")
        return self._origin(place, str(said.id), str(said.id))

    async def take_back(self, origin: Origin) -> None:
        await self.discord.delete_message(int(origin.message))

    def _origin(self, place: str, thread: str, message: str) -> Origin:
        guild, alice = str(self._guild.id), str(self._alice.id)
        return Origin(Platform.DISCORD, guild, place, thread, message, alice)

    def visible(self, place: str) -> list[str]:
        return [m.content for m in self.discord.replies(int(place))]

    def histories(self, place: str) -> list[list[str]]:
        messages = self.discord.messages(int(place))
        ours = [m for m in messages if m.author_id == self.discord.bot_user_id]
        return [[*m.edits, m.content] for m in ours]

    def num_calls(self, kind: str) -> int:
        route = DISCORD_ROUTES[kind]
        return sum((r.method, r.route) == route for r in self.discord.requests)

    def cut_after(self, kind: str, times: int) -> None:
        self.discord.drop_connection_after(*DISCORD_ROUTES[kind], times=times)

    def fail_after(self, kind: str, times: int) -> None:
        self.discord.answer_502_after(*DISCORD_ROUTES[kind], times=times)

    def fail(self, kind: str, status: int, times: int) -> None:
        self.discord.fail_next(*DISCORD_ROUTES[kind], status=status, times=times)

    def limit(self, kind: str, retry_after_s: float, times: int) -> None:
        self.discord.fail_next(
            *DISCORD_ROUTES[kind], status=429, retry_after_s=retry_after_s, times=times
        )

    def delay(self, kind: str, delay_s: float, times: int) -> None:
        self.discord.delay(*DISCORD_ROUTES[kind], delay_s, times=times)

    async def wait_for(self, is_met: Callable[[], object]) -> None:
        await self.discord.wait_for(is_met)


@asynccontextmanager
async def town_of(platform: Platform) -> AsyncIterator[Town]:
    """A platform of this kind, without places."""
    if platform is Platform.SLACK:
        async with FakeSlack() as slack:
            with _proxy_to(slack.base_url) as proxy:
                async with _emptied(SlackTown(slack, proxy)) as town:
                    yield town
    else:
        async with FakeDiscord(settings=DiscordSettings(rate_limit=None)) as discord:
            with _proxy_to(discord.api_url) as proxy:
                async with _emptied(DiscordTown(discord, proxy)) as town:
                    yield town


@asynccontextmanager
async def _emptied(town: Town) -> AsyncIterator[Town]:
    """The same; its bots are stopped at the end."""
    try:
        yield town
    finally:
        for bots in town.started:
            await asyncio.to_thread(bots.stop)


@contextlib.contextmanager
def _proxy_to(url: str) -> Iterator[TcpProxy]:
    with TcpProxy(yarl.URL(url).port or 0) as proxy:
        yield proxy


async def start_bots_in(
    town: Town, redis_url: str, others: Mapping[str, str] = NO_OTHERS
) -> RunningModule:
    """A bots process that listens to people and to workers. The town stops it at its end."""
    settings = {**town.settings, "PARLEY_REDIS_URL": redis_url, **others}
    port = {"PARLEY_HTTP_PORT": str(free_port())}
    num_before = town.num_sessions()
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        num_listeners = await _num_listeners(client, town)
        bots = await start_bots({**settings, **port}, town.last_event)
        town.started.append(bots)
        # A nudge that comes before is lost, and a test writes too little to make up for it.
        async with asyncio.timeout(PATIENCE_S):
            while await _num_listeners(client, town) <= num_listeners:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(POLL_S)
    await town.wait_for(lambda: town.num_sessions() > num_before)
    return bots


async def _num_listeners(client: redis.asyncio.Redis, town: Town) -> int:
    """How many processes hear that a text has changed, frozen ones too."""
    ((_, number),) = await client.pubsub_numsub(keys.nudge(town.platform))
    return int(number)


@asynccontextmanager
async def bots_in(
    town: Town, redis_url: str, others: Mapping[str, str] = NO_OTHERS
) -> AsyncIterator[RunningModule]:
    """A bots process that listens, for as long as the block runs; ``others`` are settings."""
    bots = await start_bots_in(town, redis_url, others)
    try:
        yield bots
    finally:
        await stop_bots(bots)
