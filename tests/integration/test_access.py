"""The access table: who asks, where, on which platform, and by every way there is to ask."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bots.store import AsyncStore
from shared.access import parse_names
from shared.jobs import Platform
from shared.ledger import preferences
from tests.integration.access_sides import (
    CHANNEL,
    DIRECT,
    INSTALLED,
    Side,
    discord_side,
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
