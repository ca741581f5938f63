"""Faults that the fake Slack is asked for, as the client of slack_sdk sees them."""

import asyncio

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.calls import error_of


async def test_a_planned_refusal_comes_once(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.fail_next("chat.postMessage", error="restricted_action")
    slack.fail_next("chat.postMessage", status=503)

    assert await error_of(client.chat_postMessage(channel="C1", text="1")) == "restricted_action"
    assert await error_of(client.chat_postMessage(channel="C1", text="2")) == "internal_error"
    await client.chat_postMessage(channel="C1", text="3")
    assert [m.text for m in slack.messages("C1")] == ["3"]
    assert [r.status for r in slack.calls("chat.postMessage")] == [200, 503, 200]


async def test_429_is_waited_out_by_the_sdk(slack: FakeSlack) -> None:
    client = AsyncWebClient(
        slack.bot_token,
        base_url=slack.api_url,
        retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=1)],
    )
    slack.fail_next("chat.postMessage", status=429, retry_after_s=1)

    await client.chat_postMessage(channel="C1", text="hi")

    refused, taken = slack.calls("chat.postMessage")
    assert (refused.status, taken.status) == (429, 200)


async def test_a_rate_limit_tells_when_to_come_back() -> None:
    now_s = 0.0
    async with FakeSlack(clock=lambda: now_s) as slack:
        slack.add_channel("C1", "general")
        slack.add_channel("C2", "other")
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        slack.rate_limit("chat.postMessage", per_minute=20, burst=1, is_per_channel=True)
        await client.chat_postMessage(channel="C1", text="1")
        await client.chat_postMessage(channel="C2", text="1")
        with pytest.raises(SlackApiError) as limited:
            await client.chat_postMessage(channel="C1", text="2")
        # 20 a minute is one in 3 s
        assert limited.value.response.headers["Retry-After"] == "3"
        now_s = 3.0
        await client.chat_postMessage(channel="C1", text="2")


async def test_a_post_is_stored_though_the_connection_drops(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.drop_connection_before("chat.postMessage")
    slack.drop_connection_after("chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel="C1", text="lost")
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel="C1", text="kept")

    assert [m.text for m in slack.messages("C1")] == ["kept"]
    assert [r.answer for r in slack.calls("chat.postMessage")] == [None, None]


async def test_the_sdk_posts_twice_by_default_when_the_connection_drops(slack: FakeSlack) -> None:
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    slack.drop_connection_after("chat.postMessage")

    await client.chat_postMessage(channel="C1", text="hi")

    assert [m.text for m in slack.messages("C1")] == ["hi", "hi"]


async def test_500_after_the_post_leaves_the_post(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.answer_500_after("chat.postMessage")
    assert await error_of(client.chat_postMessage(channel="C1", text="hi")) == "internal_error"
    assert [m.text for m in slack.messages("C1")] == ["hi"]


async def test_a_delayed_post_arrives_though_the_client_gave_up(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.delay("chat.postMessage", 0.1)
    posting = asyncio.create_task(client.chat_postMessage(channel="C1", text="late"))
    await slack.wait_for(lambda: slack.calls("chat.postMessage"))
    posting.cancel()
    assert (await slack.wait_for_message("C1", containing="late")).user == "U0PARLEY"
