"""One app in several Slack workspaces: installed by people, answered each with its own token."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
import redis
from cryptography.fernet import Fernet

from shared.ledger import keys
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message
from tests.patience import PATIENCE_S
from tests.running import RunningModule

ALICE = "U0ALICE"
HERE, THERE = "T0HERE", "T0THERE"
CHANNELS = {HERE: "C0HERE", THERE: "C0THERE"}
INSTALLATIONS = keys.installations("slack")


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack with two workspaces besides the one that nobody installs the app in."""
    async with FakeSlack(retry_after_s=3.0) as server:
        server.add_user(ALICE, "alice")
        for team, channel in CHANNELS.items():
            people = [ALICE, server.bot_user_id]
            server.add_channel(channel, channel.lower(), members=people).team = team
        yield server


@pytest.fixture
def settings(slack: FakeSlack, redis_url: str, worker: RunningModule) -> dict[str, str]:
    """Settings of an app that workspaces install, in Socket Mode."""
    del worker
    return {
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_SLACK_API_URL": slack.api_url,
        "PARLEY_SLACK_CLIENT_ID": slack.client_id,
        "PARLEY_SLACK_CLIENT_SECRET": slack.client_secret,
        "PARLEY_SECRET_KEY": Fernet.generate_key().decode(),
        "SLACK_APP_TOKEN": slack.app_token,
    }


@dataclass(frozen=True, slots=True)
class Site:
    """The app's pages, and a person's browser."""

    slack: FakeSlack
    port: str
    bots: RunningModule

    async def get(self, path: str, cookie: str = "") -> tuple[int, str, str]:
        """A page: its status, its text, and the cookie that came with it."""
        headers = {"Cookie": cookie} if cookie else {}
        address = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as got:
            set_cookie = got.headers.get("Set-Cookie", "").partition(";")[0]
            return got.status, await got.text(), set_cookie

    async def ask(self) -> tuple[dict[str, str], str]:
        """Ask to install the app: what Slack's page is told, and the cookie."""
        status, page, cookie = await self.get("/slack/install")
        assert status == 200
        found = re.search(r'href="([^"]*/oauth/v2/authorize\?[^"]*)"', page)
        assert found
        address = html.unescape(found[1])
        assert address.startswith(self.slack.base_url)
        return dict(parse_qsl(urlsplit(address).query)), cookie

    async def install(self, team: str) -> None:
        """Install the app in a workspace."""
        query, cookie = await self.ask()
        code = self.slack.allow(query, team)
        status, page, _ = await self.finish(code, query["state"], cookie)
        assert status == 200, page

    async def finish(self, code: str, state: str, cookie: str) -> tuple[int, str, str]:
        """Go back to us from Slack's page."""
        return await self.get(f"/slack/oauth_redirect?code={code}&state={state}", cookie)


@pytest.fixture
async def site(slack: FakeSlack, settings: dict[str, str]) -> AsyncIterator[Site]:
    """A bots process in Socket Mode."""
    bots = await start_bots(settings, "slack_ready")
    await slack.wait_for_connections(1)
    yield Site(slack, settings["PARLEY_HTTP_PORT"], bots)
    await stop_bots(bots)


async def ask_in(slack: FakeSlack, team: str, words: str = "hello") -> Message:
    """Ask in a workspace's channel."""
    return await slack.say(CHANNELS[team], ALICE, f"<@{slack.bot_user_id}> {words}")


async def answer_in(slack: FakeSlack, team: str) -> Message:
    """The first message of the answer there."""
    return await slack.wait_for_message(CHANNELS[team], user=slack.bot_user_id)


async def test_each_workspace_is_answered_with_its_own_token(slack: FakeSlack, site: Site) -> None:
    await site.install(HERE)
    await site.install(THERE)

    for team in (HERE, THERE):
        await ask_in(slack, team)
        await answer_in(slack, team)

    tokens = {call.arguments["channel"]: call.token for call in slack.calls("chat.postMessage")}
    assert tokens.keys() == set(CHANNELS.values())
    assert all(str(tokens[CHANNELS[team]]).startswith(f"xoxb-{team}-") for team in CHANNELS)


async def test_commands_buttons_and_home_work_where_it_is_installed(
    slack: FakeSlack, site: Site
) -> None:
    await site.install(HERE)

    told = await slack.slash(CHANNELS[HERE], ALICE, "/parley", "quota")
    stranger = await slack.slash(CHANNELS[THERE], ALICE, "/parley", "quota")

    await slack.wait_for(lambda: told.state == stranger.state == "acked")
    assert told.response
    assert "today" in told.response["text"]
    assert "today" not in str(stranger.response)


async def test_a_token_is_nowhere_to_be_read(slack: FakeSlack, site: Site, redis_url: str) -> None:
    await site.install(HERE)
    await ask_in(slack, HERE)
    await answer_in(slack, HERE)

    with redis.Redis.from_url(redis_url) as client:
        kept = client.hgetall(INSTALLATIONS)
    assert isinstance(kept, dict)
    assert list(kept) == [HERE.encode()]
    assert b"xoxb" not in kept[HERE.encode()]
    assert "xoxb-" not in site.bots.output
    assert slack.client_secret not in site.bots.output


async def test_a_state_is_good_once_in_one_browser_and_for_a_while(
    slack: FakeSlack, site: Site, redis_url: str
) -> None:
    query, cookie = await site.ask()
    code = slack.allow(query, HERE)

    elsewhere = await site.finish(code, query["state"], "")
    invented = await site.finish(code, "invented", "slack-app-oauth-state=invented")
    late_query, late_cookie = await site.ask()
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < client.ttl(keys.oauth_state(late_query["state"])) <= 600
        client.delete(keys.oauth_state(late_query["state"]))
    late = await site.finish(code, late_query["state"], late_cookie)

    assert [elsewhere[0], invented[0], late[0]] == [400, 401, 401]
    assert slack.calls("oauth.v2.access") == []
    assert (await site.finish(code, query["state"], cookie))[0] == 200
    assert (await site.finish(code, query["state"], cookie))[0] == 401
    with redis.Redis.from_url(redis_url) as client:
        assert client.hkeys(INSTALLATIONS) == [HERE.encode()]


async def test_a_code_that_slack_refuses_installs_nothing(site: Site, redis_url: str) -> None:
    query, cookie = await site.ask()

    status, _, _ = await site.finish("forged", query["state"], cookie)

    assert status == 401
    with redis.Redis.from_url(redis_url) as client:
        assert client.hkeys(INSTALLATIONS) == []


@pytest.mark.parametrize("event_type", ["app_uninstalled", "tokens_revoked"])
async def test_a_workspace_that_takes_the_app_out_is_forgotten(
    slack: FakeSlack, site: Site, redis_url: str, event_type: str
) -> None:
    await site.install(HERE)
    await site.install(THERE)
    await ask_in(slack, HERE)
    await answer_in(slack, HERE)

    gone = await slack.uninstall(HERE, event_type)

    await slack.wait_for(lambda: gone.state == "acked")
    with redis.Redis.from_url(redis_url) as client:
        assert client.hkeys(INSTALLATIONS) == [THERE.encode()]
        assert client.hkeys(keys.LEAVING) == [f"slack:{HERE}".encode()]
    num_before = len(slack.messages(CHANNELS[HERE]))
    asked = await ask_in(slack, HERE, "are you there?")
    await ask_in(slack, THERE)
    await answer_in(slack, THERE)
    await slack.wait_for(lambda: all(d.state == "acked" for d in slack.deliveries_of(asked.ts)))
    assert len(slack.messages(CHANNELS[HERE])) == num_before + 1

    await site.install(HERE)
    await ask_in(slack, HERE, "and now?")
    with redis.Redis.from_url(redis_url) as client:
        async with asyncio.timeout(PATIENCE_S):
            while client.hlen(keys.LEAVING):  # noqa: ASYNC110 - it happens in Redis
                await asyncio.sleep(0.05)


async def test_installed_workspaces_are_known_after_a_restart_with_a_new_key_before_the_old(
    slack: FakeSlack, settings: dict[str, str], redis_url: str
) -> None:
    first = await start_bots(settings, "slack_ready")
    await slack.wait_for_connections(1)
    await Site(slack, settings["PARLEY_HTTP_PORT"], first).install(HERE)
    await stop_bots(first)
    old, new = settings["PARLEY_SECRET_KEY"], Fernet.generate_key().decode()

    second = await start_bots({**settings, "PARLEY_SECRET_KEY": f"{new},{old}"}, "slack_ready")
    try:
        await slack.wait_for_connections(1)
        await ask_in(slack, HERE)
        await answer_in(slack, HERE)
        with redis.Redis.from_url(redis_url) as client:
            sealed = client.hget(INSTALLATIONS, HERE)
        assert isinstance(sealed, bytes)
        assert b"xoxb-" in Fernet(new).decrypt(sealed), "sealed anew with the first key"
    finally:
        await stop_bots(second)


async def test_events_over_http_reach_the_workspace_that_they_are_of(
    slack: FakeSlack, settings: dict[str, str]
) -> None:
    del settings["SLACK_APP_TOKEN"]
    settings["SLACK_SIGNING_SECRET"] = slack.signing_secret
    port = settings["PARLEY_HTTP_PORT"]
    bots = await start_bots(settings, "slack_ready")
    try:
        slack.events_url = f"http://127.0.0.1:{port}/slack/events"
        await Site(slack, port, bots).install(THERE)

        await ask_in(slack, THERE)
        await answer_in(slack, THERE)

        told = await slack.slash(CHANNELS[THERE], ALICE, "/parley", "quota")
        await slack.wait_for(lambda: told.state == "acked")
    finally:
        await stop_bots(bots)


async def test_a_key_that_is_none_ends_in_a_sentence(settings: dict[str, str]) -> None:
    settings["PARLEY_SECRET_KEY"] = "secret123"
    with RunningModule("bots", settings=settings) as bots:
        code = bots.process.wait(30)

    assert code == 78
    assert "PARLEY_SECRET_KEY" in bots.output
    assert "secret123" not in bots.output
    assert "Traceback" not in bots.output
