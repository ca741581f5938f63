"""The access table: who asks, where, on which platform, and by every way there is to ask."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from slack_bolt.error import BoltError
from slack_sdk.oauth.installation_store import Installation

from bots.access.request import AccessRequest
from bots.incoming.backfill import BackfillWindow
from bots.incoming.privacy import forget_user
from bots.incoming.read_marks import Seen
from bots.slack.handlers.access import SlackAccessCheck
from bots.slack.handlers.backfill import SlackBackfill
from bots.slack.parse.automation import SlackAutomationRules
from bots.slack.parse.text import Identity
from bots.slack.sdk.client import SlackAccess
from bots.slack.sdk.history import History
from bots.slack.sdk.installations import RedisInstallations
from bots.store import AsyncStore, open_store
from bots.token_encryption import TokenCipher
from shared.access import AccessOptions, parse_names
from shared.jobs import Origin, Platform
from shared.ledger import keys, preferences
from shared.preferences import Preferences, Scope
from tests.fakes.tcp_proxy import TcpProxy
from tests.integration.access_sides import (
    CHANNEL,
    DIRECT,
    INSTALLED,
    Side,
    discord_side,
    job_of,
    kept,
    slack_side,
    until,
)

SLACK, DISCORD = Platform.SLACK, Platform.DISCORD
# platform, who, where, allowed, denied; whether they may ask
TABLE = [
    (SLACK, "alice", CHANNEL, "", "", True),
    (SLACK, "alice", DIRECT, "", "", True),
    (SLACK, "alice", CHANNEL, "slack:{team}/{group}", "", True),
    (SLACK, "alice", DIRECT, "slack:{team}/{group}", "", True),
    (SLACK, "bob", CHANNEL, "slack:{team}/{group}", "", False),
    (SLACK, "bob", DIRECT, "slack:{team}/{group}", "", False),
    (SLACK, "bob", CHANNEL, "slack:{team}", "slack:{team}/{bob}", False),
    (SLACK, "bob", DIRECT, "slack:{team}", "slack:{team}/{bob}", False),
    (SLACK, "alice", CHANNEL, "slack:{team}/{channel}", "", True),
    (SLACK, "alice", CHANNEL, "slack:{team}/{other}", "", False),
    (SLACK, "alice", DIRECT, "", "slack:{team}", False),
    (SLACK, "guest", CHANNEL, "slack:{team}", "", True),
    (SLACK, "guest", CHANNEL, "", "slack:*/guests", False),
    (SLACK, "guest", DIRECT, "", "slack:*/guests", False),
    (SLACK, "stranger", CHANNEL, "slack:{team}/{channel}", "", True),
    (SLACK, "stranger", CHANNEL, "", "slack:{home}", False),
    (DISCORD, "alice", CHANNEL, "", "", True),
    (DISCORD, "alice", DIRECT, "", "", True),
    (DISCORD, "alice", CHANNEL, "discord:{team}/role:{role}", "", True),
    (DISCORD, "alice", DIRECT, "discord:{team}/role:{role}", "", True),
    (DISCORD, "bob", CHANNEL, "discord:{team}/role:{role}", "", False),
    (DISCORD, "bob", DIRECT, "discord:{team}/role:{role}", "", False),
    (DISCORD, "alice", CHANNEL, "", "discord:{team}/category:{category}", False),
    (DISCORD, "alice", DIRECT, "discord:{team}", "discord:{team}/user:{alice}", False),
    (DISCORD, "outsider", CHANNEL, "discord:{team}", "", False),
    (DISCORD, "outsider", DIRECT, "discord:{team}", "", False),
    (DISCORD, "alice", INSTALLED, "", "", False),
]


@contextlib.asynccontextmanager
async def side_of(
    platform: Platform, store: AsyncStore, url: str, folder: Path
) -> AsyncIterator[Side]:
    if platform is SLACK:
        async with slack_side(store, url) as slack:
            yield slack
    else:
        async with discord_side(store, url, folder) as discord:
            yield discord


async def put(side: Side, store: AsyncStore, allowed: str, denied: str) -> None:
    """As `parley allow` and `parley deny` do; returns when the running bots know."""
    for text, which in ((allowed, "allowed"), (denied, "denied")):
        for name in parse_names(side.name(text)) if text else ():
            await store.run(preferences.put_access(str(name), which, "slack:T1|"))
    wanted = await store.run(preferences.read_access())

    async def is_known() -> bool:
        await asyncio.sleep(0)
        return side.gate.operator_lists == wanted

    await until(is_known)


Row = tuple[Platform, str, str, str, str, bool]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(map(str, row)))
async def test_who_may_ask_where_and_how(
    bots_store: AsyncStore, quiet_redis: str, tmp_path: Path, row: Row
) -> None:
    platform, who, where, allowed, denied, may_ask = row
    async with side_of(platform, bots_store, quiet_redis, tmp_path) as side:
        await side.prepare(who, where)
        await put(side, bots_store, allowed, denied)
        num_told, num_traces = len(side.told(who)), len(side.traces())
        taken = {}
        for way, ask in side.ways[where].items():
            before = await kept(bots_store)
            await ask(who, where)
            taken[way] = await kept(bots_store) != before

        assert taken == dict.fromkeys(side.ways[where], may_ask)
        if not may_ask:
            (sentence,) = side.told(who)[num_told:]
            assert (
                "may not ask me here" in sentence
                or "nicht fragen" in sentence
                or (where == INSTALLED and "a server has not added me" in sentence)
            )
            assert side.traces()[num_traces:] == []


async def test_guests_and_strangers_are_confined_and_members_are_not(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        for who in ("alice", "guest", "stranger"):
            await side.prepare(who, CHANNEL)
            job = await job_of(bots_store, side.asked)
            assert job.is_confined is (who != "alice")


async def test_a_workspaces_own_lists_hold_in_channels_and_direct_messages(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        await prefer(side, bots_store, f"slack:{side.slack.team_id}", denied={"U0BOB"})
        for where in (CHANNEL, DIRECT):
            for who, is_taken in (("alice", True), ("bob", False)):
                before = await kept(bots_store)
                await side.ways[where]["command"](who, where)
                assert (await kept(bots_store) != before) is is_taken, (who, where)


async def test_a_servers_own_lists_hold_for_its_members_in_direct_messages(
    bots_store: AsyncStore, quiet_redis: str, tmp_path: Path
) -> None:
    async with discord_side(bots_store, quiet_redis, tmp_path) as side:
        role = side.name("role:{role}")
        await prefer(side, bots_store, side.name("discord:{team}"), allowed={role})
        for who, where, is_taken in (
            ("alice", CHANNEL, True),
            ("bob", CHANNEL, False),
            ("alice", DIRECT, True),
            ("bob", DIRECT, False),
            ("outsider", CHANNEL, True),
            ("outsider", DIRECT, True),
        ):
            before = await kept(bots_store)
            await side.ways[where]["command"](who, where)
            assert (await kept(bots_store) != before) is is_taken, (who, where)


async def test_user_installs_that_are_switched_on_are_answered(
    bots_store: AsyncStore, quiet_redis: str, tmp_path: Path
) -> None:
    async with discord_side(bots_store, quiet_redis, tmp_path, user_installs=True) as side:
        before = await kept(bots_store)
        await side.ways[INSTALLED]["command"]("alice", INSTALLED)
        taken = await kept(bots_store)
        assert taken != before
        await put(side, bots_store, "", "discord:{team}/user:{alice}")
        await side.ways[INSTALLED]["command"]("alice", INSTALLED)
        assert await kept(bots_store) == taken
    offered = side.discord.world.commands[None]
    assert any(1 in command["integration_types"] for command in offered)


async def test_commands_are_not_offered_to_user_installs_by_themselves(
    bots_store: AsyncStore, quiet_redis: str, tmp_path: Path
) -> None:
    async with discord_side(bots_store, quiet_redis, tmp_path) as side:
        offered = side.discord.world.commands[None]

    assert not any(1 in command["integration_types"] for command in offered)
    assert not any(2 in command["contexts"] for command in offered)


async def test_while_slack_does_not_say_who_asks_the_safe_side_is_taken(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        side.slack.fail_next("users.info", error="internal_error", times=100)
        await side.prepare("alice", CHANNEL)
        job = await job_of(bots_store, side.asked)
        assert job.is_confined, "she may be a guest"

        await put(side, bots_store, "", "slack:*/guests")
        before = await kept(bots_store)
        await side.ways[CHANNEL]["mention"]("bob", CHANNEL)

        assert await kept(bots_store) == before
        (sentence,) = side.told("bob")
        assert "Slack did not tell me who you are" in sentence


async def test_without_the_scope_for_user_groups_their_people_are_refused_and_told(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        side.slack.scopes -= {"usergroups:read"}
        await put(side, bots_store, "slack:{team}/{group}", "")
        before = await kept(bots_store)
        await side.ways[CHANNEL]["mention"]("alice", CHANNEL)

        assert await kept(bots_store) == before
        (sentence,) = side.told("alice")
        assert "did not tell me who you are" in sentence


async def test_what_slack_says_of_people_and_groups_is_asked_for_once(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        await put(side, bots_store, "slack:{team}/{group}", "")
        for who in ("alice", "bob", "alice", "bob"):
            await side.ways[CHANNEL]["mention"](who, CHANNEL)

        assert len(side.slack.calls("users.info")) == 2
        assert len(side.slack.calls("usergroups.users.list")) == 1


async def test_who_is_refused_may_still_be_forgotten_and_repair_the_settings(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        side.slack.add_user("U0BOB", "bob", is_admin=True)
        await prefer(side, bots_store, f"slack:{side.slack.team_id}", denied={"U0BOB"})

        async def say(words: str) -> str:
            delivery = await side.slack.slash("C0HERE", "U0BOB", "/parley", words)
            await side.slack.wait_for(lambda: delivery.state != "waiting")
            return str((delivery.response or {}).get("text", ""))

        assert "Shall I delete what I keep" in await say("forget-me")
        assert await say("settings workspace") == ""
        assert "Who may not ask" in str(side.slack.views[-1].view)
        await put(side, bots_store, "", "slack:{team}/{bob}")
        num_views = len(side.slack.views)
        assert "may not ask me here" in await say("settings workspace")
        assert len(side.slack.views) == num_views
        assert "Shall I delete what I keep" in await say("forget-me")


async def test_the_home_tab_of_a_person_who_may_not_ask_is_one_sentence(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        await put(side, bots_store, "", "slack:{team}/{bob}")
        await side.slack.open_home("U0BOB")
        await side.slack.wait_for(lambda: side.slack.views)

    (shown,) = side.slack.views
    assert len(shown.view["blocks"]) == 1
    assert "nicht fragen" in str(shown.view), "his Slack is in German"


async def test_nothing_is_said_where_the_operator_wants_nothing_said(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    options = AccessOptions(is_told=False)
    async with slack_side(bots_store, quiet_redis, options) as side:
        await put(side, bots_store, "", "slack:{team}/{bob}")
        for way in ("mention", "command"):
            await side.ways[CHANNEL][way]("bob", CHANNEL)

        assert side.told("bob") == []
        assert [key async for key in bots_store.client.scan_iter(keys.access_told("*"))] == []


async def test_a_closed_channel_is_not_read_after_a_gap(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        slack = side.slack
        slack.add_channel("C0OTHER", "other", members=["U0BOB", slack.bot_user_id])
        await put(side, bots_store, "", "slack:{team}/{channel}")
        for place in ("C0HERE", "C0OTHER"):
            await slack.say_unheard(place, "U0BOB", "<@U0PARLEY> How deep is it?")
        me = Identity("U0PARLEY", slack.team_id)
        history = History(SlackAccess(slack.bot_token, slack.api_url))
        now_s = time.time()
        found: list[str] = []

        async def take(body: Mapping[str, Any], at_s: float) -> None:
            assert at_s == now_s
            found.append(body["event"]["channel"])

        backfill = SlackBackfill(me, history, SlackAccessCheck(me, side.gate))
        window = BackfillWindow(Seen(now_s, now_s - 60, {}), 600.0, float)
        await backfill.look_through(window, take)

        read = {request.arguments["channel"] for request in slack.calls("conversations.history")}
        assert found == ["C0OTHER"]
        assert "C0HERE" not in read


async def test_what_is_done_with_messages_unasked_is_not_done_for_a_person_who_may_not_ask(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    rules = SlackAutomationRules(
        sentiment_channels=frozenset({"C0HERE"}), translate_channels={"C0HERE": "fr"}
    )
    async with slack_side(bots_store, quiet_redis, rules=rules) as side:
        await put(side, bots_store, "", "slack:{team}/{bob}")
        for who, num_jobs in (("bob", 0), ("alice", 2)):
            said = await side.slack.say("C0HERE", side.people[who], "I like the weather here.")
            for delivery in side.slack.deliveries_of(said.ts):
                await side.handled(delivery)
            found = [key async for key in bots_store.client.scan_iter(keys.job("*"))]
            assert len(found) == num_jobs
        assert side.told("bob") == [], "he asked for nothing"


async def test_a_stop_sign_and_a_sign_for_silence_of_a_person_who_may_not_ask_do_nothing(
    bots_store: AsyncStore, quiet_redis: str
) -> None:
    async with slack_side(bots_store, quiet_redis) as side:
        await side.prepare("bob", CHANNEL)
        await put(side, bots_store, "", "slack:{team}/{bob}")
        before = await kept(bots_store)
        for sign in ("mute", "octagonal_sign"):
            num = len(side.slack.deliveries)
            await side.slack.react("C0HERE", side.asked, "U0BOB", sign)
            for delivery in side.slack.deliveries[num:]:
                await side.handled(delivery)

        assert await kept(bots_store) == before
        assert side.told("bob") == []


async def test_nothing_of_a_person_who_may_not_ask_waits_on_disk_while_redis_is_away(
    bots_store: AsyncStore, quiet_redis: str, tmp_path: Path, line: TcpProxy
) -> None:
    head, _, _ = quiet_redis.rpartition(":")
    store = await open_store(f"{head}:{line.port}/0", allow_volatile=False)
    try:
        async with discord_side(store, quiet_redis, tmp_path) as side:
            await put(side, bots_store, "", "discord:{team}/user:{bob}")
            line.pause()
            for who, is_kept in (("bob", False), ("alice", True)):
                num = side.gate.num_refused
                await side.say(who, "How deep is it?")

                async def is_handled(num: int = num) -> bool:
                    return side.gate.num_refused > num or is_spooled(tmp_path)

                await until(is_handled)
                assert is_spooled(tmp_path) is is_kept
            line.resume()
    finally:
        line.resume()
        await store.close()


def is_spooled(folder: Path) -> bool:
    return any(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def test_a_workspace_that_no_list_allows_is_not_installed(bots_store: AsyncStore) -> None:
    cipher = TokenCipher(Fernet.generate_key().decode())
    installations = RedisInstallations(bots_store, cipher, lambda team: team == "T1")

    def installed(team: str) -> Installation:
        return Installation(user_id="U1", team_id=team, bot_token="xoxb-1", bot_user_id="U0")

    await installations.async_save(installed("T1"))
    with pytest.raises(BoltError, match="may not use this Parley"):
        await installations.async_save(installed("T2"))

    assert await installations.teams() == ["T1"]


@pytest.mark.parametrize("platform", [SLACK, DISCORD])
async def test_that_a_person_was_told_is_forgotten_with_them(
    bots_store: AsyncStore, platform: Platform
) -> None:
    origin = Origin(platform, "T1", "C1", "", "1", "51")
    name = AccessRequest(origin).person
    for kind in keys.TOLD_KINDS:
        assert await bots_store.run(preferences.note_told(f"{name}:{kind}", 60_000))
        assert not await bots_store.run(preferences.note_told(f"{name}:{kind}", 60_000))

    await forget_user(bots_store, origin)

    assert [key async for key in bots_store.client.scan_iter("*51*")] == []


async def prefer(
    side: Side,
    store: AsyncStore,
    tenant: str,
    *,
    allowed: set[str] | None = None,
    denied: set[str] | None = None,
) -> None:
    """As the administrators of a workspace do in its settings."""
    scope = Scope(tenant)
    before = await store.run(preferences.read(scope))
    after = Preferences(
        allowed=frozenset(allowed) if allowed else None,
        denied=frozenset(denied) if denied else None,
    )
    assert await store.run(preferences.put(scope, before, after, "U0ADMIN"))

    async def is_known() -> bool:
        return side.knows(scope)

    await until(is_known)
