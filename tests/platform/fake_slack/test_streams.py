"""Streamed messages and statuses on the fake Slack."""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.calls import MENTION, error_of


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


async def test_a_stream_in_a_channel_is_read_by_one_until_it_ends(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.add_user("U2", "bob")
    asked = await slack.say("C1", "U1", MENTION)
    place: dict[str, Any] = {"channel": "C1"}
    whom: dict[str, Any] = {"recipient_team_id": "T0FAKE", "recipient_user_id": "U1"}
    begun = await client.chat_startStream(
        **place, thread_ts=asked.ts, markdown_text="Hello", **whom
    )
    ts = str(begun["ts"])
    await client.chat_appendStream(**place, ts=ts, markdown_text=", Ada")

    assert [slack.reads("C1", ts, user) for user in ("U1", "U2")] == ["Hello, Ada", "Hello"]
    await client.chat_stopStream(**place, ts=ts)
    assert slack.reads("C1", ts, "U2") == "Hello, Ada"


async def test_streams_keep_slacks_limits_if_asked_to(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.add_channel("D1", "ada", members=["U1"], is_im=True)
    asked = await slack.say("D1", "U1", "hi")
    slack.keep_tiers()
    place: dict[str, Any] = {"channel": "D1", "thread_ts": asked.ts}
    long = client.chat_startStream(**place, markdown_text="x" * 12_001)
    assert await error_of(long) == "msg_too_long"

    for _ in range(19):  # with the one before they are a minute's
        await client.chat_startStream(**place, markdown_text="x")

    assert await error_of(client.chat_startStream(**place, markdown_text="x")) == "ratelimited"
    slack.clear_faults()
    await client.chat_startStream(**place, markdown_text="x")


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
