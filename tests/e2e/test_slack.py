"""Slack, end to end: real sockets, real Redis, real processes, a small real model."""

import asyncio

from tests.e2e.conftest import (
    ALICE,
    AUTO_CHANNEL,
    BOB,
    CHANNEL,
    DIRECT,
    start_bots,
    stop_bots,
)
from tests.fakes.paced_model import SLOWLY
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message
from tests.patience import PATIENCE_S
from tests.running import RunningModule


def answers(slack: FakeSlack, channel: str) -> list[Message]:
    """What people see of the bot in a channel."""
    return [m for m in slack.messages(channel) if m.user == slack.bot_user_id and not m.deleted]


def is_whole(slack: FakeSlack, message: Message) -> bool:
    """Whether the answer in a message is final: the endless model stops at its length limit."""
    del slack
    return "length limit" in message.text


async def wait_whole(
    slack: FakeSlack, channel: str, count: int = 1, timeout_s: float = PATIENCE_S
) -> list[Message]:
    """Wait for so many final answers in a channel; all the bot's messages there."""
    await slack.wait_for(
        lambda: sum(is_whole(slack, m) for m in answers(slack, channel)) >= count,
        timeout_s=timeout_s,
    )
    return answers(slack, channel)


async def test_mention_is_answered_in_its_thread_streamed_in_one_message(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    asked = await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> tell me something {SLOWLY}")

    (answer,) = await wait_whole(slack, CHANNEL)

    assert answer.thread_ts == asked.ts
    assert answer.edits[0] == "…"
    assert len(answer.edits) >= 2, "the text grew under the reader's eyes"
    assert answer.live_mentions == []
    assert answer.unfurl_links is False
    # the mention came as app_mention and as message: two events, one job
    assert len(slack.deliveries_of(asked.ts)) == 2
    assert len(slack_bots.events("job_accepted")) == 1
    assert all(delivery.state == "acked" for delivery in slack.deliveries_of(asked.ts))


async def test_direct_message_is_streamed_in_its_thread_and_all_of_them_are_one_conversation(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    asked = await slack.say(DIRECT, ALICE, "hello there")

    (answer,) = await wait_whole(slack, DIRECT)

    assert answer.thread_ts == asked.ts
    assert slack.calls("chat.startStream")
    assert answer.stream is not None
    assert answer.stream.is_stopped
    await slack.say(DIRECT, ALICE, "go on", thread_ts=asked.ts)
    await slack.say(DIRECT, ALICE, "/new")
    said = await slack.wait_for_message(DIRECT, containing="I have forgotten")
    assert said.thread_ts != asked.ts
    gone_on = [each for each in answers(slack, DIRECT) if each.thread_ts == asked.ts]
    assert [is_whole(slack, each) for each in gone_on] == [True, True], (
        "it is one conversation: what was asked before has been answered before"
    )
    assert len(slack_bots.events("job_accepted")) == 3


async def test_slacks_own_stop_ends_an_answer(slack: FakeSlack, slack_bots: RunningModule) -> None:
    asked = await slack.say(DIRECT, ALICE, f"tell me something {SLOWLY}")
    await slack.wait_for(
        lambda: any(m.stream and not m.stream.is_stopped for m in answers(slack, DIRECT)),
        timeout_s=PATIENCE_S,
    )

    stop = await slack.press_stop(DIRECT, asked.ts, ALICE)

    await asyncio.to_thread(slack_bots.wait_for_event, "job_delivered")
    (answer,) = answers(slack, DIRECT)
    assert "Stopped." in answer.text
    assert stop.state == "acked"
    assert [status.status for status in slack.statuses][::-1][0] == "active"


async def test_thread_follow_up_needs_no_mention_but_other_threads_do(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    ours = await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> begin")
    await wait_whole(slack, CHANNEL)
    theirs = await slack.say(CHANNEL, BOB, "between us")
    await slack.say(CHANNEL, ALICE, "nobody asked the bot", thread_ts=theirs.ts)
    await slack.say(CHANNEL, ALICE, f"<@{BOB}> what do you think?", thread_ts=ours.ts)

    await slack.say(CHANNEL, ALICE, "go on", thread_ts=ours.ts)

    both = await wait_whole(slack, CHANNEL, count=2)
    assert [answer.thread_ts for answer in both] == [ours.ts, ours.ts]
    assert len(slack_bots.events("job_accepted")) == 2


async def test_auto_reply_channel_answers_people_and_never_bots(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    await slack.say_as_bot(AUTO_CHANNEL, "B0OTHER", "I am a bot too")
    asked = await slack.say(AUTO_CHANNEL, BOB, "no mention here")

    (answer,) = await wait_whole(slack, AUTO_CHANNEL)

    assert answer.thread_ts == asked.ts
    assert len(slack_bots.events("job_accepted")) == 1


async def test_messages_of_one_thread_are_answered_in_order(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    root = await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> one")
    await asyncio.to_thread(slack_bots.wait_for_event, "job_accepted")
    await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> two", thread_ts=root.ts)
    await slack.say(CHANNEL, BOB, f"<@{slack.bot_user_id}> three", thread_ts=root.ts)

    assert len(await wait_whole(slack, CHANNEL, count=3)) == 3
    await asyncio.to_thread(slack_bots.wait_for_event, "job_delivered", 3)
    delivered = [event["job"] for event in slack_bots.events("job_delivered")]
    assert delivered == [event["job"] for event in slack_bots.events("job_accepted")]


async def test_events_over_http_are_answered_and_bad_signatures_refused(
    slack: FakeSlack, slack_settings: dict[str, str], worker: RunningModule
) -> None:
    del worker
    settings = {**slack_settings, "SLACK_SIGNING_SECRET": slack.signing_secret}
    del settings["SLACK_APP_TOKEN"]
    port = settings["PARLEY_HTTP_PORT"]
    bots = await start_bots(settings, "slack_ready")
    try:
        slack.events_url = f"http://127.0.0.1:{port}/slack/events"
        assert await slack.challenge()

        forged = await slack.send_raw(b"{}", signature="v0=00")
        ancient = await slack.send_raw(b"{}", timestamp="1000000000")
        unnumbered = await slack.send_raw(b"{}", timestamp="soon")
        asked = await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> over http")

        (answer,) = await wait_whole(slack, CHANNEL)
        assert [forged.status, ancient.status, unnumbered.status] == [401, 401, 401]
        assert answer.thread_ts == asked.ts
    finally:
        await stop_bots(bots)


async def test_empty_mention_and_huge_text_get_a_sentence_each(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    asked = [
        await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}>{text}")
        for text in ("", "x" * 100_000, " \x00\x01\x02")
    ]

    await asyncio.to_thread(slack_bots.wait_for_event, "job_delivered", 3)

    said = {answer.thread_ts: answer.text for answer in answers(slack, CHANNEL)}
    assert "no text in your message" in said[asked[0].ts]
    assert "100,000 characters" in said[asked[1].ts]
    assert "no text in your message" in said[asked[2].ts]


async def test_new_forgets_the_conversation(slack: FakeSlack, slack_bots: RunningModule) -> None:
    root = await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> remember this")
    await wait_whole(slack, CHANNEL)

    await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> /new", thread_ts=root.ts)

    said = await slack.wait_for_message(CHANNEL, containing="I have forgotten")
    assert said.thread_ts == root.ts
    assert slack_bots.process.poll() is None


async def test_logs_hold_no_message_text_and_no_secret(
    slack: FakeSlack, slack_bots: RunningModule, worker: RunningModule
) -> None:
    canary = "CANARYTEXT"
    await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> {canary}")

    await wait_whole(slack, CHANNEL)

    for log in (slack_bots.output, worker.output):
        assert canary not in log
        assert slack.bot_token not in log
        assert slack.app_token not in log


async def test_bad_token_ends_in_a_sentence(slack_settings: dict[str, str]) -> None:
    bad = RunningModule("bots", settings={**slack_settings, "SLACK_BOT_TOKEN": "xoxb-wrong"})
    with bad:
        await asyncio.to_thread(bad.process.wait, 30)
    assert bad.process.returncode == 77
    assert "SLACK_BOT_TOKEN" in bad.output
    assert "Traceback" not in bad.output


async def test_failing_auth_test_loses_no_message(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    slack.fail_next("auth.test", error="internal_error", times=5)

    await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> are you there?")

    assert len(await wait_whole(slack, CHANNEL)) == 1
    assert len(slack_bots.events("job_accepted")) == 1


async def test_answer_is_posted_again_if_its_beginning_was_deleted(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> tell me something {SLOWLY}")
    begun = await slack.wait_for_message(CHANNEL, user=slack.bot_user_id)
    await slack.delete_message(CHANNEL, begun.ts)

    (answer,) = await wait_whole(slack, CHANNEL)

    assert answer.ts != begun.ts
    assert slack_bots.process.poll() is None


async def test_connection_cut_after_the_post_makes_no_second_message(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    slack.drop_connection_after("chat.postMessage")

    await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> tell me something")

    assert len(await wait_whole(slack, CHANNEL)) == 1
    assert slack.calls("conversations.replies"), "in doubt it looked"
    assert slack_bots.process.poll() is None
