"""What strangers may try: other bots, prompts that fit nowhere, secrets that logs would tell."""

import asyncio
import contextlib

import aiohttp
import redis

from shared.ledger import keys
from tests.e2e.conftest import ALICE, AUTO_CHANNEL, BOB, CHANNEL, start_bots, stop_bots
from tests.e2e.test_slack import answers, wait_whole
from tests.fakes.slack_server import FakeSlack
from tests.running import RunningModule

OTHER_BOT = "B0OTHER"
CANARY = "CANARY7Q"


async def test_other_bots_are_never_answered_whatever_they_do(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    asked = await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> begin")
    await wait_whole(slack, CHANNEL)
    call = f"<@{slack.bot_user_id}>"
    await slack.say_as_bot(CHANNEL, OTHER_BOT, f"{call} answer me")
    await slack.say_as_bot(CHANNEL, OTHER_BOT, f"{call} go on", thread_ts=asked.ts)
    await slack.say_as_bot(AUTO_CHANNEL, OTHER_BOT, "anybody there?")
    await slack.say_as_bot(CHANNEL, OTHER_BOT, f"{call} I have a user", user="U0OTHERBOT")

    await slack.say(AUTO_CHANNEL, BOB, "the last one is a person")

    await wait_whole(slack, AUTO_CHANNEL)
    assert len(answers(slack, CHANNEL)) == 1
    assert len(answers(slack, AUTO_CHANNEL)) == 1
    assert len(slack_bots.events("job_accepted")) == 2


async def test_a_prompt_longer_than_the_cache_gets_a_sentence_and_harms_nobody(
    slack: FakeSlack,
    slack_settings: dict[str, str],
    worker_settings: dict[str, str],
    own_redis: str,
) -> None:
    alone = {"PARLEY_REDIS_URL": own_redis}
    with RunningModule("worker", settings={**worker_settings, **alone}) as worker:
        bots = await start_bots({**slack_settings, **alone}, "slack_ready")
        try:
            await asyncio.to_thread(worker.wait_for_event, "worker_ready")
            await slack.wait_for_connections(1)
            call = f"<@{slack.bot_user_id}>"
            # the small model reads bytes: more of them than its 8,192 tokens of cache, under the
            # limit of 20,000 characters that is asked first
            huge = await slack.say(CHANNEL, ALICE, f"{call} {'x' * 15_000}")
            usual = await slack.say(CHANNEL, BOB, f"{call} and I?")

            await asyncio.to_thread(bots.wait_for_event, "job_delivered", 2)
        finally:
            await stop_bots(bots)

    said = {answer.thread_ts: answer.text for answer in answers(slack, CHANNEL)}
    assert "tokens long for this model" in said[huge.ts]
    assert "length limit" in said[usual.ts]
    assert worker.events("engine_died") == []


async def test_no_log_and_no_metric_tells_what_people_wrote(
    slack: FakeSlack,
    slack_settings: dict[str, str],
    worker_settings: dict[str, str],
    own_redis: str,
) -> None:
    """A canary down every way that a text can take, the bad ones too."""
    alone = {"PARLEY_REDIS_URL": own_redis, "PARLEY_MAX_OPEN_PER_USER": "2"}
    http = {**slack_settings, **alone, "SLACK_SIGNING_SECRET": slack.signing_secret}
    del http["SLACK_APP_TOKEN"]
    port = http["PARLEY_HTTP_PORT"]
    with RunningModule("worker", settings={**worker_settings, **alone}) as worker:
        bots = await start_bots(http, "slack_ready")
        try:
            slack.events_url = f"http://127.0.0.1:{port}/slack/events"
            await asyncio.to_thread(worker.wait_for_event, "worker_ready")
            call = f"<@{slack.bot_user_id}> {CANARY}"
            slack.fail_next("chat.postMessage", error="internal_error")
            slack.drop_connection_after("chat.update")
            for text in (call, f"{call} {'y' * 15_000}", f"{call} {'z' * 30_000}", call, call):
                await slack.say(CHANNEL, ALICE, text)
            await slack.send_raw(CANARY.encode(), signature="v0=00")
            await slack.send_raw(f'{{"event": "{CANARY}"'.encode())
            with redis.Redis.from_url(own_redis) as client:
                client.rpush("chat", CANARY)
                client.xadd(keys.outbox("slack"), {"job": "a" * 20, "reply": CANARY})
            async with aiohttp.ClientSession() as session:
                url = f"http://127.0.0.1:{port}/slack/events"
                async with session.post(url, data=CANARY) as refused:
                    assert refused.status == 401
                await slack.say(CHANNEL, BOB, f"{call} and one that is well")
                await wait_whole(slack, CHANNEL)
                async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    metrics = await answer.text()
        finally:
            with contextlib.suppress(AssertionError):
                await stop_bots(bots)

    for log in (bots.output, worker.output, metrics):
        assert CANARY not in log
        assert slack.bot_token not in log
        assert slack.signing_secret not in log
