"""Holds the fake Slack to what Slack does, by the real clients of slack_sdk and slack_bolt."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import find_live_mentions

METADATA = {"event_type": "parley_job", "event_payload": {"job_id": "j1"}}
MENTION = "<@U0PARLEY> hello"

Way = Callable[["Listener"], AbstractAsyncContextManager["Listener"]]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(retry_after_s=3.0, http_retry_delays_s=(0.0,)) as server:
        server.add_channel("C1", "general")
        server.add_user("U1", "ada", real_name="Ada")
        yield server


@pytest.fixture
def client(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])


async def error_of(call: Awaitable[Any]) -> str:
    """Return the code with which Slack refuses a call."""
    with pytest.raises(SlackApiError) as refusal:
        await call
    return str(refusal.value.response["error"])


class Connector:
    """The part of bolt's Socket Mode handler that is used here, with types."""

    def __init__(self, listener: "Listener", ping_interval: float = 1) -> None:
        self._handler: Any = AsyncSocketModeHandler(
            listener.app, listener.slack.app_token, ping_interval=ping_interval
        )

    async def connect(self) -> None:
        await self._handler.connect_async()

    async def close(self) -> None:
        await self._handler.close_async()


class Listener:
    """A bolt app that keeps what it hears; it raises on the first `num_failures` events."""

    def __init__(self, slack: FakeSlack, num_failures: int = 0) -> None:
        self.heard: list[dict[str, Any]] = []
        self.num_failures = num_failures
        self.slack = slack
        self.app = AsyncApp(
            signing_secret=slack.signing_secret,
            client=AsyncWebClient(slack.bot_token, base_url=slack.api_url),
            process_before_response=True,
        )
        self.app.event("message")(self.hear)
        self.app.event("app_mention")(self.hear)
        self.app.error(self.fail)
        self.app.command("/ask")(self.obey)
        self.app.action("stop")(self.obey)
        self.app.shortcut("summarize")(self.obey)

    async def hear(self, body: dict[str, Any]) -> None:
        if self.num_failures:
            self.num_failures -= 1
            raise RuntimeError("cannot take this now")
        self.note(body)

    async def obey(self, body: dict[str, Any], ack: Callable[..., Awaitable[None]]) -> None:
        self.note(body)
        await ack()

    async def fail(self, error: Exception) -> None:
        """Let bolt answer 500 without the traceback in the log."""

    def note(self, body: dict[str, Any]) -> None:
        self.heard.append(body)
        self.slack.touch()

    def types(self) -> list[str]:
        return sorted(body["event"]["type"] for body in self.heard)


@asynccontextmanager
async def by_socket(listener: Listener) -> AsyncIterator[Listener]:
    slack = listener.slack
    before = len(slack.connections)
    connector = Connector(listener)
    await connector.connect()
    await slack.wait_for_connections(before + 1)
    try:
        yield listener
    finally:
        await connector.close()


@asynccontextmanager
async def by_http(listener: Listener) -> AsyncIterator[Listener]:
    runner = web.AppRunner(listener.app.web_app(path="/slack/events"))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.slack.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    try:
        yield listener
    finally:
        await runner.cleanup()


# Web API


async def test_auth_test_tells_who_the_bot_is(slack: FakeSlack, client: AsyncWebClient) -> None:
    answer = await client.auth_test()

    assert (answer["user_id"], answer["bot_id"], answer["team_id"]) == (
        "U0PARLEY",
        "B0PARLEY",
        "T0FAKE",
    )
    assert "chat:write" in answer.headers["x-oauth-scopes"]
    assert slack.calls("auth.test")[0].token == slack.bot_token


async def test_tokens_are_checked_by_kind(slack: FakeSlack, client: AsyncWebClient) -> None:
    assert await error_of(client.auth_test(token="xoxb-other")) == "invalid_auth"
    assert await error_of(client.auth_test(token=slack.app_token)) == "not_allowed_token_type"
    wrong_kind = client.apps_connections_open(app_token=slack.bot_token)
    assert await error_of(wrong_kind) == "not_allowed_token_type"
    nobody = AsyncWebClient(base_url=slack.api_url)
    assert await error_of(nobody.auth_test()) == "not_authed"
    assert await error_of(client.api_call("no.such")) == "unknown_method"


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


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("<!channel> and <!here|here>", ["<!channel>", "<!here>"]),
        ("`<!everyone>`", ["<!everyone>"]),
        ("<@U1> <@U1|ada> <!subteam^S1>", ["<@U1>", "<@U1>", "<!subteam^S1>"]),
        ("&lt;!channel&gt; @channel <#C1> <https://a.example|@here>", []),
    ],
)
def test_live_mentions_are_those_slack_would_resolve(text: str, mentions: list[str]) -> None:
    assert list(find_live_mentions(text)) == mentions


async def test_a_message_remembers_every_mention_it_made(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    safe = {"type": "plain_text", "text": "<!here>"}
    live = {"type": "mrkdwn", "text": "<@U1>"}
    blocks = [{"type": "section", "text": safe}, {"type": "section", "text": live}]
    ts = (await client.chat_postMessage(channel="C1", text="<!channel>"))["ts"]
    await client.chat_update(channel="C1", ts=ts, text="calm", blocks=blocks)
    await client.chat_postMessage(channel="C1", text="@here", link_names=True)

    first, second = slack.messages("C1")
    assert first.live_mentions == ["<!channel>", "<@U1>"]
    assert second.live_mentions == ["<!here>"]


async def test_history_pages_through_what_stands_in_the_channel(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    said = [await slack.say("C1", "U1", f"m{n}") for n in range(5)]
    await slack.say("C1", "U1", "in the thread", thread_ts=said[0].ts)
    await client.chat_postEphemeral(channel="C1", user="U1", text="only you")

    pages = await client.conversations_history(channel="C1", limit=2)
    texts = [[m["text"] for m in page["messages"]] async for page in pages]
    one = await client.conversations_history(
        channel="C1", latest=said[3].ts, inclusive=True, limit=1
    )
    span = await client.conversations_history(channel="C1", oldest=said[2].ts)

    assert texts == [["m4", "m3"], ["m2", "m1"], ["m0"]]
    assert [m["text"] for m in one["messages"]] == ["m3"]
    assert [m["text"] for m in span["messages"]] == ["m4", "m3"]
    assert slack.messages("C1")[-1].is_ephemeral_for == "U1"


async def test_users_channels_and_reactions_answer(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    said = await slack.say("C1", "U1", "hi")
    reaction = {"channel": "C1", "timestamp": said.ts, "name": "eyes"}

    await client.reactions_add(**reaction)
    assert await error_of(client.reactions_add(**reaction)) == "already_reacted"
    assert said.reactions == {"eyes": ["U0PARLEY"]}
    assert (await client.users_info(user="U1"))["user"]["real_name"] == "Ada"
    assert (await client.conversations_info(channel="C1"))["channel"]["is_member"]
    opened = (await client.conversations_open(users="U1"))["channel"]["id"]
    posted = await client.chat_postMessage(channel="U1", text="hi")
    assert posted["channel"] == opened
    joined = await client.users_conversations(types="public_channel,im")
    assert [c["id"] for c in joined["channels"]] == ["C1", opened]


# Scopes, files, pins


async def test_a_method_without_its_scope_is_refused(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.scopes = slack.scopes - {"files:write", "users:read"}

    upload = client.files_getUploadURLExternal(filename="a.png", length=3)
    assert await error_of(upload) == "missing_scope"
    assert await error_of(client.users_info(user="U1")) == "missing_scope"
    posted = await client.chat_postMessage(channel="C1", text="still allowed")
    assert "users:read" not in posted.headers["x-oauth-scopes"].split(",")


async def test_an_upload_is_shown_once_it_is_complete_and_ready(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    place = await client.files_getUploadURLExternal(filename="a.png", length=3, alt_txt="A")
    image = {"type": "image", "slack_file": {"id": place["file_id"]}, "alt_text": "A"}
    async with aiohttp.ClientSession() as session:
        early = client.files_completeUploadExternal(files=[{"id": place["file_id"]}])
        assert await error_of(early) == "file_not_found"
        async with session.post(place["upload_url"], data=b"four") as wrong:
            assert wrong.status == 400
        async with session.post(place["upload_url"], data=b"png") as right:
            assert right.status == 200
    unfinished = client.chat_postMessage(channel="C1", text="x", blocks=[image])
    assert await error_of(unfinished) == "invalid_blocks"
    await client.files_completeUploadExternal(files=[{"id": place["file_id"], "title": "A"}])
    slack.num_file_refusals = 1

    too_soon = client.chat_postMessage(channel="C1", text="x", blocks=[image])
    assert await error_of(too_soon) == "invalid_blocks"
    await client.chat_postMessage(channel="C1", text="x", blocks=[image])
    unknown = image | {"slack_file": {"id": "F9"}}
    for broken in (unknown, image | {"alt_text": ""}, {"type": "image", "alt_text": "A"}):
        refused = client.chat_postMessage(channel="C1", text="x", blocks=[broken])
        assert await error_of(refused) == "invalid_blocks"

    (message,) = slack.messages("C1")
    assert message.blocks == [image]
    assert slack.files[0].content == b"png"


async def test_a_shared_file_is_given_to_who_may_read_it(slack: FakeSlack) -> None:
    message = await slack.share("C1", "U1", {"plan.md": "# Plan"}, "learn this")
    address = message.files[0]["url_private_download"]
    headers = {"Authorization": f"Bearer {slack.bot_token}"}

    async with aiohttp.ClientSession() as session:
        async with session.get(address, headers=headers) as given:
            content = await given.text()
        async with session.get(address) as asked:
            page = await asked.text()
        slack.scopes = slack.scopes - {"files:read"}
        async with session.get(address, headers=headers) as refused:
            status, kind = refused.status, refused.content_type

    assert content == "# Plan"
    assert "Sign in" in page
    assert (status, kind) == (200, "text/html")
    (delivery,) = slack.deliveries_of(message.ts)
    assert delivery.event["subtype"] == "file_share"
    assert delivery.event["files"][0]["name"] == "plan.md"


async def test_pins_are_told_of_and_listed(slack: FakeSlack, client: AsyncWebClient) -> None:
    message = await slack.say("C1", "U1", "remember this")

    await slack.pin("C1", message.ts, "U2")
    listed = await client.pins_list(channel="C1")
    await slack.unpin("C1", message.ts, "U2")
    after = await client.pins_list(channel="C1")

    assert [item["message"]["text"] for item in listed["items"]] == ["remember this"]
    assert after["items"] == []
    events = [d.event for d in slack.deliveries if d.event["type"].startswith("pin_")]
    assert [event["type"] for event in events] == ["pin_added", "pin_removed"]
    assert {event["item"]["message"]["ts"] for event in events} == {message.ts}


async def test_permalinks_name_the_thread_of_a_reply(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    root = await slack.say("C1", "U1", "root")
    reply = await slack.say("C1", "U1", "reply", root.ts)

    answers = [
        await client.chat_getPermalink(channel="C1", message_ts=message.ts)
        for message in (root, reply)
    ]

    place = "https://fake.slack.com/archives/C1/p"
    assert [answer["permalink"] for answer in answers] == [
        f"{place}{root.ts.replace('.', '')}",
        f"{place}{reply.ts.replace('.', '')}?thread_ts={root.ts}&cid=C1",
    ]


async def test_members_come_by_pages(slack: FakeSlack, client: AsyncWebClient) -> None:
    everybody = [f"U{number:03d}" for number in range(150)]
    slack.add_channel("C2", "large", members=everybody)

    first = await client.conversations_members(channel="C2")
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_members(channel="C2", cursor=cursor)

    assert [*first["members"], *second["members"]] == everybody
    assert second["response_metadata"]["next_cursor"] == ""


async def test_what_one_person_sees_is_not_shown_in_a_thread_without_replies(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    bare, begun = await slack.say("C1", "U1", "bare"), await slack.say("C1", "U1", "begun")
    await slack.say("C1", "U1", "a reply", begun.ts)

    for thread in (bare, begun):
        await client.chat_postEphemeral(channel="C1", user="U1", text="psst", thread_ts=thread.ts)

    shown = [m.is_shown for m in slack.messages("C1") if m.is_ephemeral_for]
    assert shown == [False, True]


async def test_a_command_is_shown_to_all_if_its_answer_is_and_says_nothing(
    slack: FakeSlack,
) -> None:
    listener = Listener(slack)

    async def show(ack: Callable[..., Awaitable[None]]) -> None:
        await ack({"response_type": "in_channel"})

    listener.app.command("/show")(show)
    async with by_socket(listener):
        delivery = await slack.slash("C1", "U1", "/show", "me")
        await slack.wait_for(lambda: delivery.state == "acked")

    (message,) = slack.messages("C1")
    assert (message.user, message.text) == ("U1", "/show me")


# Streams and statuses


async def test_a_stream_grows_and_ends_as_a_message(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    asked = await slack.say("C1", "U1", MENTION)
    lonely = client.chat_startStream(channel="C1", thread_ts=asked.ts)
    assert await error_of(lonely) == "missing_recipient_team_id"

    stream = await client.chat_stream(
        channel="C1",
        thread_ts=asked.ts,
        recipient_team_id="T0FAKE",
        recipient_user_id="U1",
        buffer_size=4,
    )
    await stream.append(markdown_text="Hello")
    assert await error_of(client.chat_update(channel="C1", ts=str(stream.ts), text="x")) == (
        "streaming_state_conflict"
    )
    await stream.append(markdown_text=", Ada")
    await stream.stop(markdown_text=".")

    answer = slack.messages("C1")[1]
    assert (answer.text, answer.edits[:2]) == ("Hello, Ada.", ["Hello", "Hello, Ada"])
    await client.chat_update(channel="C1", ts=answer.ts, text="Bye.")


async def test_a_stream_dies_of_age_and_by_the_stop_button() -> None:
    now_s = 0.0
    async with FakeSlack(clock=lambda: now_s) as slack:
        slack.add_channel("D1", "ada", members=["U1"], is_im=True)
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        asked = await slack.say("D1", "U1", "hi")
        old = (await client.chat_startStream(channel="D1", thread_ts=asked.ts))["ts"]
        now_s = 301.0
        dead = client.chat_appendStream(channel="D1", ts=old, markdown_text="x")
        assert await error_of(dead) == "message_not_in_streaming_state"
        new = (await client.chat_startStream(channel="D1", thread_ts=asked.ts))["ts"]
        stop = await slack.press_stop("D1", asked.ts, "U1")
        stopped = client.chat_appendStream(channel="D1", ts=new, markdown_text="x")
        assert await error_of(stopped) == "stopped_by_user"
        assert stop.event["streaming_message_ts"] == [new]


async def test_the_last_status_stands_until_the_bot_answers(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    asked = await slack.say("C1", "U1", MENTION)
    place: dict[str, Any] = {"channel_id": "C1", "thread_ts": asked.ts}
    await client.agents_sessions_setStatus(**place, status="processing")
    bad = client.agents_sessions_setStatus(**place, status="thinking")
    assert await error_of(bad) == "invalid_arguments"
    await client.assistant_threads_setStatus(**place, status="is thinking…")
    await client.chat_postMessage(channel="C1", thread_ts=asked.ts, text="done")

    assert [s.status for s in slack.statuses] == ["processing", "is thinking…", ""]


# Faults


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


# Socket Mode


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


# Commands and interactions, by both ways


@pytest.mark.parametrize("way", [by_socket, by_http])
async def test_commands_buttons_and_shortcuts_arrive(
    slack: FakeSlack, client: AsyncWebClient, way: Way
) -> None:
    button = {"type": "button", "action_id": "stop", "value": "j1"}
    blocks = [{"type": "actions", "elements": [button]}]
    posted = await client.chat_postMessage(channel="C1", text="…", blocks=blocks)
    async with way(Listener(slack)) as listener:
        deliveries = [
            await slack.slash("C1", "U1", "/ask", "why?"),
            await slack.press_button("C1", posted["ts"], "U1", "stop"),
            await slack.use_message_shortcut("C1", posted["ts"], "U1", "summarize"),
        ]
        await slack.wait_for(lambda: all(d.state == "acked" for d in deliveries))

    by_type = {body.get("type", "command"): body for body in listener.heard}
    assert by_type["command"]["text"] == "why?"
    assert by_type["block_actions"]["actions"][0]["value"] == "j1"
    assert by_type["message_action"]["message_ts"] == posted["ts"]


async def test_a_response_url_takes_five_answers(slack: FakeSlack) -> None:
    slack.max_retries = 0
    command = await slack.slash("C1", "U1", "/ask")
    webhook = AsyncWebhookClient(command.payload["response_url"])
    answers = [await webhook.send(text="to you")]
    answers += [await webhook.send(text="to all", response_type="in_channel") for _ in range(5)]

    assert [a.status_code for a in answers] == [200] * 5 + [404]
    seen_by = [m.is_ephemeral_for for m in slack.messages("C1")]
    assert seen_by == ["U1", None, None, None, None]


# Events API over HTTP


async def test_signed_events_pass_bolts_verification(slack: FakeSlack) -> None:
    async with by_http(Listener(slack)) as listener:
        assert await slack.challenge()
        await slack.say("C1", "U1", MENTION)
        await slack.wait_for(lambda: [d.state for d in slack.deliveries] == ["acked"] * 2)
    assert listener.types() == ["app_mention", "message"]


async def test_badly_signed_requests_are_refused(slack: FakeSlack) -> None:
    async with by_http(Listener(slack)) as listener:
        body = slack.envelope({"type": "app_mention", "user": "U1", "channel": "C1"})
        old = str(int(time.time()) - 301)
        answers = [
            await slack.send_raw(body, signature="v0=00"),
            await slack.send_raw(body, timestamp=old),
            await slack.send_raw(body, without=["X-Slack-Signature"]),
            await slack.send_raw(body),
        ]
    assert [a.status for a in answers] == [401, 401, 401, 200]
    assert len(listener.heard) == 1


async def test_a_failed_http_event_comes_again_and_says_so(slack: FakeSlack) -> None:
    headers: list[tuple[str | None, str | None]] = []

    async def fail_once(request: web.Request) -> web.Response:
        names = ("X-Slack-Retry-Num", "X-Slack-Retry-Reason")
        headers.append((request.headers.get(names[0]), request.headers.get(names[1])))
        return web.Response(status=500 if len(headers) == 1 else 200)

    app = web.Application()
    app.router.add_post("/", fail_once)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await slack.say("C1", "U1", "hi")
    await slack.wait_for(lambda: slack.deliveries[0].state == "acked")
    await runner.cleanup()
    await slack.say("C1", "U1", "hi again")
    await slack.wait_for(lambda: slack.deliveries[1].state == "failed")

    assert headers == [(None, None), ("1", "http_error")]
    assert {a.outcome for a in slack.deliveries[1].attempts} == {"connection_failed"}


# As a process of its own


async def test_another_process_is_driven_over_http() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.slack_server", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    client = AsyncWebClient(ready["bot_token"], base_url=ready["api_url"])
    async with aiohttp.ClientSession(ready["control_url"]) as session:

        async def act(control: str, **arguments: object) -> dict[str, Any]:
            async with session.post(control, json=arguments) as answer:
                result: dict[str, Any] = await answer.json()
            return result

        async def show(control: str, **query: str) -> Any:  # noqa: ANN401 - any JSON
            async with session.get(control, params=query) as answer:
                return (await answer.json())["result"]

        await act("add_channel", channel_id="C1", name="general")
        await act("settings", max_retries=0)
        said = (await act("say", channel="C1", user="U1", text=MENTION))["result"]
        await client.chat_postMessage(channel="C1", text="Hello.", thread_ts=said["ts"])
        seen = await act("wait_for_message", channel="C1", containing="Hello.")
        slow = await act("wait_for_message", channel="C1", containing="never", timeout_s=0.01)
        wrong = await act("no_such_control")
        await act("fail_next", method="chat.postMessage", error="fatal_error")
        assert await error_of(client.chat_postMessage(channel="C1", text="x")) == "fatal_error"

        assert seen["result"]["user"] == "U0PARLEY"
        assert [slow["ok"], wrong["ok"]] == [False, False]
        assert [m["text"] for m in await show("messages", channel="C1")] == [MENTION, "Hello."]
        assert len(await show("requests", method="chat.postMessage")) == 2
        assert len(await show("deliveries")) == 3  # message, app_mention and the bot's own
        assert (await show("settings"))["max_retries"] == 0
    process.terminate()
    assert await process.wait() == 0
