"""Slack and Discord as the access table sees them: people, places, and every way to ask.

The adapters are the real ones, with the platforms' own libraries, on the fake platforms and a real
Redis. There is no worker: whether a request is taken shows in the ledger.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from bots.access.gate import AccessGate
from bots.adapter import Link, Wiring
from bots.delivery.buttons import AnswerButtons
from bots.delivery.rate_budget import SharedRateBudget
from bots.delivery.surface import Piece
from bots.discord.adapter import DiscordAdapter, Keeping
from bots.discord.handlers.access import DiscordAccessFacts
from bots.discord.handlers.automation import DiscordAutomationRules
from bots.discord.sdk.client import DiscordAccess
from bots.discord.sdk.surface import DiscordSurface
from bots.incoming.preferences import PreferenceCache
from bots.incoming.spool import Spool
from bots.metrics import Metrics
from bots.slack.factory import one_workspace
from bots.slack.handlers.history import channel_access_of
from bots.slack.parse.automation import SlackAutomationRules
from bots.slack.sdk.client import Account, SlackAccess, identify
from bots.slack.sdk.surface import SlackSurface
from bots.store import AsyncStore
from bots.tasks import end
from shared.access import AccessOptions
from shared.jobs import Job, Platform
from shared.ledger import keys
from shared.ledger.calls import text_of
from shared.ledger.lifecycle import JobLimits
from shared.preference_layers import Fallback
from shared.preferences import Scope
from tests.fakes.discord_driver import Driver
from tests.fakes.discord_model import Channel, ChannelKind, Interaction, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings
from tests.fakes.slack_delivery import Delivery
from tests.fakes.slack_server import FakeSlack
from tests.patience import PATIENCE_S

OPEN = AccessOptions()
NO_RULES = SlackAutomationRules()
LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
CHANNEL, DIRECT, INSTALLED = "channel", "direct", "installed"
NOT_KEPT = (
    keys.access_told(""),
    keys.seen("slack"),
    keys.seen("discord"),
    keys.PREFERENCES,
    keys.ACCESS,
    keys.AUDIT,
    keys.budget(""),
    # Of answers that are being shown.
    keys.answer("slack", "", "", "").rstrip(":"),
    keys.answer("discord", "", "", "").rstrip(":"),
    keys.threads(""),
)
"""What may be in Redis besides, of no person who asked but that they were told."""
DEFERRED = 5
"""Interaction callback type: deferred channel message with source."""
GUILDS = ("team", "next")
"""The servers that have added the bot."""
Way = Callable[[str, str], Awaitable[None]]
"""Has a person ask in a place; returns when the bot has taken it, or refused."""


class Side(Protocol):
    """One platform."""

    platform: Platform
    gate: AccessGate
    cache: PreferenceCache
    ways: dict[str, dict[str, Way]]
    """Place -> how it is asked there."""

    def name(self, text: str) -> str:
        """A list of the table with the ids of this platform in place of ``{team}`` and others."""
        ...

    def knows(self, scope: Scope) -> bool:
        """Whether the running bots know the own lists of a workspace."""
        ...

    async def prepare(self, who: str, where: str) -> None:
        """Have a person ask something, and an answer posted, while everybody may ask."""
        ...

    def told(self, who: str) -> list[str]:
        """The private sentences that a person was shown."""
        ...

    def traces(self) -> list[str]:
        """What the bot has read of histories, marked or posted for others to see."""
        ...


def wiring_of(store: AsyncStore, redis_url: str, options: AccessOptions) -> Wiring:
    """What the adapters share; nothing wakes a worker."""
    cache = PreferenceCache(store, redis_url, Fallback())
    return Wiring(
        store, redis_url, LIMITS, None, 1000, lambda *_: None, Metrics(), cache, access=options
    )


async def kept(store: AsyncStore) -> dict[str, str]:
    """What Redis holds of people: each key with what is in it, as far as that can change."""
    found = {}
    async for key in store.client.scan_iter():
        name = text_of(key)
        if not name.startswith(NOT_KEPT):
            is_job = name.startswith(keys.job(""))
            text = await store.client.hget(name, "job") if is_job else b""
            length = await store.client.hlen(name) if name.startswith(keys.feedback("")) else 0
            found[name] = f"{text_of(text)} {length}"
    return found


def is_public_deferral(response: dict[str, Any]) -> bool:
    """Whether Discord shows everybody that we are thinking."""
    return response.get("type") == DEFERRED and not (response.get("data") or {}).get("flags", 0)


async def until(is_met: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so in Redis."""
    async with asyncio.timeout(PATIENCE_S):
        while not await is_met():  # noqa: ASYNC110 - it happens in Redis
            await asyncio.sleep(0.01)


async def job_of(store: AsyncStore, message: str) -> Job:
    """The job of a message, once there is one, and ended: nothing more is shown of it."""
    found: list[Job] = []

    async def is_there() -> bool:
        async for key in store.client.scan_iter(match=keys.job("*")):
            job = await store.find_job(text_of(key).removeprefix(keys.job("")))
            if job and job.origin.message == message:
                found.append(job)
        return bool(found)

    await until(is_there)
    return found[0]


class RunningSide:
    """What both platforms have once their adapter runs."""

    gate: AccessGate
    cache: PreferenceCache

    def knows(self, scope: Scope) -> bool:
        """Whether the running bots know the own lists of a workspace."""
        return self.cache.own_access(scope) is not None


class SlackSide(RunningSide):
    """A workspace with members, a guest, and a person of another organisation."""

    platform = Platform.SLACK

    def __init__(self, slack: FakeSlack, store: AsyncStore, surface: SlackSurface) -> None:
        self.slack = slack
        self._store = store
        self._surface = surface
        self.people = {"alice": "U0ALICE", "bob": "U0BOB", "guest": "U0GUEST", "stranger": "U0FAR"}
        for name, user in self.people.items():
            slack.add_user(
                user,
                name,
                is_guest=name == "guest",
                team="T0FAR" if name == "stranger" else "",
                locale="de-DE" if name == "bob" else "en-US",
            )
            slack.add_channel(f"D{user}", name, members=[user], is_im=True)
        slack.add_usergroup("S0GROUP", [self.people["alice"]])
        slack.add_channel("C0HERE", "here", members=[*self.people.values(), slack.bot_user_id])
        self._root = self.asked = self._answer = self._job = ""
        self._ended = 0
        self._num_posts = 0
        acts = {"command": self._command, "menu": self._menu, "button": self._button}
        self.ways: dict[str, dict[str, Way]] = {
            CHANNEL: {
                "mention": self._mention,
                "follow-up": self._follow_up,
                "reaction": self._flag,
                "edit": self._edit,
                **acts,
            },
            DIRECT: {"message": self._message, "window": self._window, **acts},
        }

    def name(self, text: str) -> str:
        return text.format(
            team=self.slack.team_id,
            channel="C0HERE",
            other="C0OTHER",
            group="S0GROUP",
            home="T0FAR",
            **self.people,
        )

    def told(self, who: str) -> list[str]:
        user = self.people[who]
        places = ("C0HERE", f"D{user}")
        shown = [
            m.text
            for place in places
            for m in self.slack.messages(place)
            if m.is_ephemeral_for == user
        ]
        replies = [d.response for d in self.slack.deliveries if d.response]
        shown += [str(r["text"]) for r in replies if r.get("response_type") == "ephemeral"]
        return [*shown, *(str(e) for r in replies for e in r.get("errors", {}).values())]

    def traces(self) -> list[str]:
        methods = ("conversations.history", "conversations.replies", "reactions.add", "pins.list")
        found = [method for method in methods for _ in self.slack.calls(method)]
        num_posts = len(self.slack.calls("chat.postMessage")) - self._num_posts
        return [*found, *(["chat.postMessage"] * num_posts)]

    async def prepare(self, who: str, where: str) -> None:
        place = self._place(who, where)
        said = await self.slack.say(place, self.people[who], "<@U0PARLEY> How deep is it?")
        job = await job_of(self._store, said.ts)
        await self.slack.wait_for(lambda: self.slack.calls("chat.postMessage"))
        self._root = self.asked = said.ts
        self._job = job.id
        self._answer = await self._surface.post(job, 1, Piece("Deep.", controls=AnswerButtons.DONE))
        self._num_posts = len(self.slack.calls("chat.postMessage"))

    def _place(self, who: str, where: str) -> str:
        return "C0HERE" if where == CHANNEL else f"D{self.people[who]}"

    async def handled(self, delivery: Delivery) -> None:
        """Wait until an event or an interaction is acknowledged."""
        await self.slack.wait_for(lambda: delivery.state != "waiting")

    async def _mention(self, who: str, where: str) -> None:
        del where
        said = await self.slack.say("C0HERE", self.people[who], "<@U0PARLEY> How wide is it?")
        for delivery in self.slack.deliveries_of(said.ts):
            await self.handled(delivery)

    async def _follow_up(self, who: str, where: str) -> None:
        del where
        said = await self.slack.say("C0HERE", self.people[who], "And how long?", self._root)
        for delivery in self.slack.deliveries_of(said.ts):
            await self.handled(delivery)

    async def _message(self, who: str, where: str) -> None:
        said = await self.slack.say(self._place(who, where), self.people[who], "How old is it?")
        for delivery in self.slack.deliveries_of(said.ts):
            await self.handled(delivery)

    async def _command(self, who: str, where: str) -> None:
        place = self._place(who, where)
        await self.handled(
            await self.slack.slash(place, self.people[who], "/parley", "complete Once upon")
        )

    async def _menu(self, who: str, where: str) -> None:
        place = self._place(who, where)
        said = await self.slack.say_unheard(place, self.people["alice"], "Good morning.")
        await self.handled(
            await self.slack.use_message_shortcut(
                place, said.ts, self.people[who], "parley_translate"
            )
        )

    async def _button(self, who: str, where: str) -> None:
        place = self._place(who, where)
        await self.handled(
            await self.slack.press_button(
                place, self._answer, self.people[who], "parley:feedback", f"good:{self._job}"
            )
        )

    async def _window(self, who: str, where: str) -> None:
        del where
        user = self.people[who]
        num_views = len(self.slack.views)
        await self.handled(await self.slack.use_shortcut(user, "parley_ask_anywhere"))
        views = [view for view in self.slack.views[num_views:] if "question" in str(view.view)]
        if views:
            values = {"question": {"value": {"type": "plain_text_input", "value": "How high?"}}}
            await self.handled(await self.slack.submit_view(views[-1].id, user, values))

    async def _flag(self, who: str, where: str) -> None:
        del where
        num = len(self.slack.deliveries)
        await self.slack.react("C0HERE", self._root, self.people[who], "flag-fr")
        for delivery in self.slack.deliveries[num:]:
            await self.handled(delivery)

    async def _edit(self, who: str, where: str) -> None:
        del who, where
        num = len(self.slack.deliveries)
        await self.slack.edit_message("C0HERE", self.asked, "<@U0PARLEY> How deep is it now?")
        for delivery in self.slack.deliveries[num:]:
            await self.handled(delivery)


class DiscordSide(RunningSide):
    """A server with a role and a category, another one, and a third that has not added the bot."""

    platform = Platform.DISCORD

    def __init__(self, discord: FakeDiscord, store: AsyncStore, surface: DiscordSurface) -> None:
        self.discord: Driver = discord
        self._store = store
        self._surface = surface
        self.people: dict[str, User] = {
            name: discord.add_user(name) for name in ("alice", "bob", "outsider")
        }
        alice, bob, outsider = self.people.values()
        self._guild = discord.add_guild(GUILDS[0], members=[alice, bob])
        self._next = discord.add_guild(GUILDS[1], members=[outsider])
        self._foreign = discord.add_guild("foreign", members=[alice], is_foreign=True)
        self._role = discord.add_role(self._guild, "asks")
        discord.give_role(self._guild, alice, self._role)
        self._category = discord.add_channel(self._guild, "texts", ChannelKind.CATEGORY)
        self._here = discord.add_channel(self._guild, "here", category=self._category)
        self._there = discord.add_channel(self._next, "there")
        self._far = discord.add_channel(self._foreign, "far")
        self._asked = self._answer = 0
        acts = {"command": self._command, "menu": self._menu, "button": self._button}
        said = {"edit": self._edit, "modal": self._modal, **acts}
        self.ways: dict[str, dict[str, Way]] = {
            CHANNEL: {
                "mention": self._mention,
                "reply": self._reply,
                "reaction": self._flag,
                **said,
            },
            DIRECT: {"message": self._message, **said},
            INSTALLED: {"command": self._installed},
        }

    def name(self, text: str) -> str:
        return text.format(
            team=self._guild.id,
            next=self._next.id,
            foreign=self._foreign.id,
            channel=self._here.id,
            category=self._category.id,
            role=self._role.id,
            **{name: user.id for name, user in self.people.items()},
        )

    def told(self, who: str) -> list[str]:
        user = self.people[who]
        direct = [m.content for m in self.discord.replies(self.discord.add_dm(user))]
        answered = [
            self.discord.world.all_messages[number].content
            for interaction in self.discord.world.interactions.values()
            if interaction.user_id == user.id
            for number in interaction.message_ids
        ]
        return [text for text in [*direct, *answered] if "Please ask" in text or "ask the" in text]

    def traces(self) -> list[str]:
        paths = ("/messages", "/reactions")
        shown = [
            f"interaction {interaction.id} deferred for all"
            for interaction in self.discord.world.interactions.values()
            if interaction.response and is_public_deferral(interaction.response)
        ]
        return shown + [
            f"{r.method} {r.path}"
            for r in self.discord.requests
            if r.method in {"GET", "PUT"}
            and any(path in r.path for path in paths)
            and "/webhooks/" not in r.path
        ]

    async def prepare(self, who: str, where: str) -> None:
        if where == INSTALLED:
            return
        place = self._place(who, where)
        said = await self.discord.say(place, self.people[who], f"{self._mark} How deep is it?")
        job = await job_of(self._store, str(said.id))
        self._asked = said.id
        answer = await self._surface.post(job, 1, Piece("Deep.", controls=AnswerButtons.DONE))
        self._answer = int(answer)

    @property
    def _mark(self) -> str:
        return f"<@{self.discord.bot_user_id}>"

    def _place(self, who: str, where: str) -> Channel:
        if where == DIRECT:
            return self.discord.add_dm(self.people[who])
        return self._there if who == "outsider" else self._here

    async def _handled(self, before: tuple[dict[str, str], int]) -> None:
        """Wait until something was taken, or refused."""

        async def is_handled() -> bool:
            return self.gate.num_refused > before[1] or await kept(self._store) != before[0]

        await until(is_handled)

    async def _now(self) -> tuple[dict[str, str], int]:
        return await kept(self._store), self.gate.num_refused

    async def _answered(self, interaction: Interaction) -> None:
        await self.discord.wait_for(lambda: interaction.response)

    async def _say(self, who: str, where: str, text: str, reply_to: int | None = None) -> None:
        before = await self._now()
        await self.discord.say(self._place(who, where), self.people[who], text, reply_to=reply_to)
        await self._handled(before)

    async def say(self, who: str, text: str) -> None:
        """Have a person mention the bot in a server's channel."""
        place = self._place(who, CHANNEL)
        await self.discord.say(place, self.people[who], f"{self._mark} {text}")

    async def _mention(self, who: str, where: str) -> None:
        await self._say(who, where, f"{self._mark} How wide is it?")

    async def _reply(self, who: str, where: str) -> None:
        await self._say(who, where, "And how long?", self._answer)

    async def _message(self, who: str, where: str) -> None:
        await self._say(who, where, "How old is it?")

    async def _flag(self, who: str, where: str) -> None:
        del where
        before = await self._now()
        await self.discord.react(self._asked, self.people[who], "🇫🇷")
        await self._handled(before)

    async def _edit(self, who: str, where: str) -> None:
        del who, where
        before = await self._now()
        await self.discord.edit_message(self._asked, f"{self._mark} How deep is it now?")
        await self._handled(before)

    async def _acted(self, acting: Awaitable[Interaction]) -> None:
        before = await self._now()
        interaction = await acting
        await self._answered(interaction)
        await self._handled(before)

    async def _command(self, who: str, where: str) -> None:
        place, given = self._place(who, where), {"text": "Once upon"}
        await self._acted(
            self.discord.call_command(place, self.people[who], "complete", dict(given))
        )

    async def _installed(self, who: str, where: str) -> None:
        del where
        await self._acted(
            self.discord.call_command(
                self._far, self.people[who], "complete", {"text": "Once"}, is_user_install=True
            )
        )

    async def _menu(self, who: str, where: str) -> None:
        del where
        await self._acted(
            self.discord.call_message_menu(self._asked, self.people[who], "Translate")
        )

    async def _modal(self, who: str, where: str) -> None:
        opened = await self.discord.call_message_menu(
            self._asked, self.people[who], "Ask about this"
        )
        await self._answered(opened)
        form = (opened.response or {}).get("data", {}).get("custom_id")
        if form:
            place = self._place(who, where)
            await self._acted(
                self.discord.submit_modal(place, self.people[who], form, {"question": "Why?"})
            )

    async def _button(self, who: str, where: str) -> None:
        del where
        message = self.discord.world.all_messages[self._answer]
        (row,) = message.components
        good = next(b["custom_id"] for b in row["components"] if ":good:" in b["custom_id"])
        await self._acted(self.discord.press_button(message, self.people[who], good))


@contextlib.asynccontextmanager
async def slack_side(
    store: AsyncStore,
    redis_url: str,
    options: AccessOptions = OPEN,
    rules: SlackAutomationRules = NO_RULES,
) -> AsyncIterator[SlackSide]:
    """A workspace with a running adapter."""
    async with FakeSlack(
        retry_after_s=3.0, first_ts_s=int(time.time()), ts_clock=time.time
    ) as slack:
        access = SlackAccess(slack.bot_token, slack.api_url, slack.app_token)
        account = Account(access, await identify(access))
        sight = channel_access_of(account, store)
        surface = SlackSurface(access, SharedRateBudget(store))
        wiring = wiring_of(store, redis_url, options)
        link = Link(wiring, surface, Platform.SLACK, sight.history_reader, sight.access_facts)
        side = SlackSide(slack, store, surface)
        assert link.access_gate
        assert link.preference_cache
        side.gate, side.cache = link.access_gate, link.preference_cache
        adapter = one_workspace(account, link, sight, rules)
        async with _running(link, adapter.run()):
            await slack.wait_for_connections(2)
            yield side


@contextlib.asynccontextmanager
async def discord_side(
    store: AsyncStore, redis_url: str, folder: Path, *, user_installs: bool = False
) -> AsyncIterator[DiscordSide]:
    """Servers with a running adapter."""
    async with FakeDiscord(settings=Settings(rate_limit=None)) as discord:
        surface = DiscordSurface()
        wiring = wiring_of(store, redis_url, AccessOptions(user_installs=user_installs))
        link = Link(wiring, surface, Platform.DISCORD, None, DiscordAccessFacts(surface))
        side = DiscordSide(discord, store, surface)
        assert link.access_gate
        assert link.preference_cache
        side.gate, side.cache = link.access_gate, link.preference_cache
        adapter = DiscordAdapter(
            DiscordAccess(
                discord.token, discord.api_url, discord.gateway_url, user_installs=user_installs
            ),
            surface,
            link,
            DiscordAutomationRules(),
            Keeping(Spool(folder, Platform.DISCORD, 10), 0.0),
        )
        async with _running(link, adapter.run()):
            await discord.wait_for(lambda: discord.world.commands.get(None))

            async def knows_guilds() -> bool:
                # Not until it is ready: discord.py waits two seconds more for further guilds.
                return surface.client is not None and len(surface.client.guilds) == len(GUILDS)

            await until(knows_guilds)
            yield side


@contextlib.asynccontextmanager
async def _running(link: Link, running: Awaitable[None]) -> AsyncIterator[None]:
    assert link.preference_cache
    await link.preference_cache.refresh()

    async def run() -> None:
        await running

    tasks = [asyncio.create_task(run()), asyncio.create_task(link.preference_cache.run())]
    try:
        yield
    finally:
        await end(tasks)
        await link.delivery.close()
