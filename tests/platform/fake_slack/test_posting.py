"""Posts, updates and deletions on the fake Slack: what is kept, limited and refused."""

import json

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.calls import MENTION, error_of

METADATA = {"event_type": "parley_job", "event_payload": {"job_id": "j1"}}


async def test_post_update_and_replies_keep_metadata(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    asked = await slack.say("C1", "U1", MENTION)
    posted = await client.chat_postMessage(
        channel="C1",
        text="…",
        thread_ts=asked.ts,
        metadata=METADATA,
        unfurl_links=False,
        unfurl_media=False,
    )
    await client.chat_update(channel="C1", ts=posted["ts"], text="Hello, Ada.")

    plain = await client.conversations_replies(channel="C1", ts=asked.ts)
    full = await client.conversations_replies(channel="C1", ts=asked.ts, include_all_metadata=True)

    assert [m["text"] for m in plain["messages"]] == [MENTION, "Hello, Ada."]
    assert "metadata" not in plain["messages"][1]
    assert full["messages"][1]["metadata"] == METADATA
    assert full["messages"][0]["reply_count"] == 1
    answer = slack.messages("C1")[1]
    assert (answer.edits, answer.unfurl_links, answer.unfurl_media) == (["…"], False, False)


async def test_arguments_may_come_as_a_form(slack: FakeSlack) -> None:
    fields = {
        "token": slack.bot_token,
        "channel": "C1",
        "text": "hi",
        "unfurl_links": "false",
        "metadata": json.dumps(METADATA),
    }
    async with aiohttp.ClientSession() as session:
        url = slack.api_url + "chat.postMessage"
        answer = await (await session.post(url, data=fields)).json()
        multipart = aiohttp.FormData({"token": slack.bot_token}, default_to_multipart=True)
        multipart.add_field("channel", "C1")
        multipart.add_field("text", "again")
        again = await (await session.post(url, data=multipart)).json()

    assert [answer["ok"], again["ok"]] == [True, True]
    message = slack.messages("C1")[0]
    assert (message.text, message.unfurl_links, message.metadata) == ("hi", False, METADATA)


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        ("C404", "channel_not_found"),
        ("C2", "not_in_channel"),
        ("C3", "channel_not_found"),  # private, and the bot is not in it
        ("C4", "is_archived"),
    ],
)
async def test_posting_is_refused_where_the_bot_may_not_post(
    slack: FakeSlack, client: AsyncWebClient, channel: str, error: str
) -> None:
    slack.add_channel("C2", "other", members=["U1"])
    slack.add_channel("C3", "secret", members=["U1"], is_private=True)
    slack.add_channel("C4", "old", is_archived=True)

    assert await error_of(client.chat_postMessage(channel=channel, text="hi")) == error
    assert slack.messages(channel) == []


async def test_lengths_are_limited_as_by_slack(slack: FakeSlack, client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel="C1", text="x" * 50_000))["ts"]
    assert len(slack.messages("C1")[0].text) == 40_000

    too_long = client.chat_update(channel="C1", ts=ts, text="x" * 4_001)
    assert await error_of(too_long) == "msg_too_long"
    await client.chat_update(channel="C1", ts=ts, text="x" * 4_000)
    too_much = client.chat_postMessage(channel="C1", markdown_text="x" * 12_001)
    assert await error_of(too_much) == "msg_too_long"
    blocks = [{"type": "markdown", "text": "x" * 7_000}] * 2
    too_big = client.chat_postMessage(channel="C1", blocks=blocks, text="short")
    assert await error_of(too_big) == "msg_blocks_too_long"
    empty = client.api_call("chat.postMessage", json={"channel": "C1"})
    assert await error_of(empty) == "no_text"


async def test_update_and_delete_reach_only_own_messages(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    theirs = await slack.say("C1", "U1", "hi")
    own = (await client.chat_postMessage(channel="C1", text="hi"))["ts"]

    update, delete = client.chat_update, client.chat_delete
    assert await error_of(update(channel="C1", ts=theirs.ts, text="x")) == "cant_update_message"
    assert await error_of(update(channel="C1", ts="1.000001", text="x")) == "message_not_found"
    assert await error_of(delete(channel="C1", ts=theirs.ts)) == "cant_delete_message"
    await delete(channel="C1", ts=own)
    assert await error_of(update(channel="C1", ts=own, text="x")) == "message_not_found"
    assert slack.messages("C1")[1].deleted


async def test_what_one_person_sees_is_not_shown_in_a_thread_without_replies(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    bare, begun = await slack.say("C1", "U1", "bare"), await slack.say("C1", "U1", "begun")
    await slack.say("C1", "U1", "a reply", begun.ts)

    for thread in (bare, begun):
        await client.chat_postEphemeral(channel="C1", user="U1", text="psst", thread_ts=thread.ts)

    shown = [m.is_shown for m in slack.messages("C1") if m.is_ephemeral_for]
    assert shown == [False, True]
