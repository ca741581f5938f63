"""Events of the fake Slack by Socket Mode: once, again, and over connections that break."""

import asyncio

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.calls import MENTION
from tests.platform.fake_slack.listening import Connector, Listener, by_socket


async def test_socket_mode_brings_a_mention_as_two_events(slack: FakeSlack) -> None:
    async with by_socket(Listener(slack)) as listener:
        said = await slack.say("C1", "U1", MENTION, files=[{"id": "F1", "name": "a.txt"}])
        await slack.wait_for(lambda: [d.state for d in slack.deliveries] == ["acked"] * 2)

    assert listener.types() == ["app_mention", "message"]
    first, second = (body["event"] for body in listener.heard)
    assert first["ts"] == second["ts"] == said.ts
    assert len({body["event_id"] for body in listener.heard}) == 2
    by_type = {e["type"]: e for e in (first, second)}
    assert by_type["message"]["files"]
    assert "files" not in by_type["app_mention"]
    assert listener.heard[0]["authorizations"][0]["user_id"] == "U0PARLEY"


async def test_an_event_comes_again_until_the_listener_takes_it(slack: FakeSlack) -> None:
    slack.retry_after_s = 0.3
    async with by_socket(Listener(slack, num_failures=2)) as listener:
        said = await slack.say("C1", "U1", "hello")
        await slack.wait_for(lambda: listener.heard)
        (delivery,) = slack.deliveries_of(said.ts)
        await slack.wait_for(lambda: delivery.state == "acked")

    assert [a.outcome for a in delivery.attempts] == ["timeout", "timeout", "acked"]
    assert len({a.envelope_id for a in delivery.attempts}) == 3
    assert len(listener.heard) == 1


async def test_slack_gives_up_in_the_end(slack: FakeSlack) -> None:
    slack.retry_after_s = 0.05
    async with by_socket(Listener(slack, num_failures=99)):
        said = await slack.say("C1", "U1", "hello")
        (delivery,) = slack.deliveries_of(said.ts)
        await slack.wait_for(lambda: delivery.state == "failed")
    assert len(delivery.attempts) == 4


async def test_edits_deletions_bots_and_own_messages_are_sent_as_slack_does(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    async with by_socket(Listener(slack)) as listener:
        said = await slack.say("C1", "U1", "helo")
        await slack.edit_message("C1", said.ts, "hello")
        await slack.delete_message("C1", said.ts)
        await slack.say_as_bot("C1", "B0OTHER", "beep")
        await client.chat_postMessage(channel="C1", text="own")
        await slack.wait_for(
            lambda: [d.state for d in slack.deliveries] == ["acked"] * 5,
        )

    subtypes = {body["event"].get("subtype", "") for body in listener.heard}
    assert subtypes == {"", "message_changed", "message_deleted", "bot_message"}
    assert len(listener.heard) == 4  # bolt keeps its own app's message from the listener
    own = slack.deliveries[-1].event
    assert (own["user"], own["bot_id"]) == ("U0PARLEY", "B0PARLEY")


async def test_two_connections_share_the_events(slack: FakeSlack) -> None:
    async with by_socket(Listener(slack)) as one, by_socket(Listener(slack)) as other:
        for n in range(4):
            await slack.say("C1", "U1", f"m{n}")
        await slack.wait_for(lambda: len(one.heard) + len(other.heard) == 4)
    assert (len(one.heard), len(other.heard)) == (2, 2)


async def test_a_refreshed_connection_is_replaced_and_nothing_is_lost(slack: FakeSlack) -> None:
    slack.max_retries = 50
    async with by_socket(Listener(slack)) as listener:
        await slack.disconnect_sockets("refresh_requested")
        slack.retry_after_s = 0.3
        said = await slack.say("C1", "U1", "hello")
        await slack.wait_for(lambda: listener.heard)
        assert slack.num_connections_opened == 2
        (delivery,) = slack.deliveries_of(said.ts)
        await slack.wait_for(lambda: delivery.state == "acked")


async def test_a_broken_connection_is_replaced(slack: FakeSlack) -> None:
    slack.retry_after_s, slack.max_retries = 0.3, 50
    async with by_socket(Listener(slack)) as listener:
        assert slack.drop_sockets() == 1
        await slack.say("C1", "U1", "hello")
        await slack.wait_for(lambda: listener.heard, timeout_s=8)
        assert slack.num_connections_opened == 2


async def test_refused_sockets_get_in_later(slack: FakeSlack) -> None:
    slack.refuse_sockets()
    connector = Connector(Listener(slack), ping_interval=0.2)
    connecting = asyncio.create_task(connector.connect())
    await slack.wait_for(lambda: slack.num_connections_refused)
    slack.refuse_sockets(is_refusing=False)
    await connecting
    await slack.wait_for_connections()
    await connector.close()


async def test_a_ticket_opens_one_connection_and_ten_are_the_most(slack: FakeSlack) -> None:
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(base_url=slack.api_url)

        async def connect() -> tuple[str, aiohttp.ClientWebSocketResponse]:
            url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
            return url, await session.ws_connect(url)

        sockets = [await connect() for _ in range(11)]
        hellos = [await socket.receive_json() for _, socket in sockets]
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(sockets[0][0])

        assert [h.get("num_connections") for h in hellos[:10]] == list(range(1, 11))
        assert hellos[10]["reason"] == "too_many_websockets"
