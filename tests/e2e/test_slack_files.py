"""Files that come with a question on Slack: read, bounded, or named with a reason."""

import asyncio
from typing import Any

import pytest
import redis

from shared.ledger import keys
from tests.e2e.conftest import ALICE, CHANNEL, DIRECT
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message
from tests.patience import PATIENCE_S
from tests.running import RunningModule

CODE = "zebra-4711"


async def wait_answer(slack: FakeSlack, channel: str, containing: str) -> Message:
    return await slack.wait_for_message(channel, containing=containing, user=slack.bot_user_id)


async def wait_text(redis_url: str, containing: str) -> str:
    """The job in Redis whose file has been read."""
    with redis.Redis.from_url(redis_url) as client:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for key in client.scan_iter(match=f"{keys.job('')}*"):
                    document: Any = client.hget(key, "job")
                    if document and containing in document.decode():
                        return str(document.decode())
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", ["notes.md", "table.csv", "data.json", "code.py", "plain.txt"])
async def test_a_text_file_of_a_direct_question_becomes_a_part_of_it(
    slack: FakeSlack, slack_bots: RunningModule, redis_url: str, name: str
) -> None:
    assert slack_bots
    await slack.share(DIRECT, ALICE, {name: f"The code is {CODE}."}, "What is the code?")

    job = await wait_text(redis_url, f"The code is {CODE}.")

    assert name in job


async def test_a_file_of_a_mention_is_read_though_the_mentions_event_leaves_it_out(
    slack: FakeSlack, slack_bots: RunningModule, redis_url: str
) -> None:
    words = f"<@{slack.bot_user_id}> What is the code?"
    asked = await slack.share(CHANNEL, ALICE, {"notes.txt": f"The code is {CODE}."}, words)

    await wait_text(redis_url, f"The code is {CODE}.")

    assert len(slack.deliveries_of(asked.ts)) == 2
    assert len(slack_bots.events("job_accepted")) == 1


async def test_a_mention_whose_own_event_is_lost_has_its_files_looked_up(
    slack: FakeSlack, slack_bots: RunningModule, redis_url: str
) -> None:
    assert slack_bots
    message = await slack.say_unheard(CHANNEL, ALICE, f"<@{slack.bot_user_id}> What is it?")
    shared = await slack.share(DIRECT, "U0OTHER", {"notes.txt": f"The code is {CODE}."})
    message.files = shared.files
    event = {
        "type": "app_mention",
        "channel": CHANNEL,
        "user": ALICE,
        "text": message.text,
        "ts": message.ts,
        "event_ts": message.ts,
    }

    await slack.emit(event)

    job = await wait_text(redis_url, "What is it?")
    assert "notes.txt" in job


async def test_pictures_and_what_is_too_large_are_named_below_the_answer(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    assert slack_bots
    files: dict[str, str | bytes] = {"cat.png": b"\x89PNG", "big.txt": b"x" * 10_000_001}

    await slack.share(DIRECT, ALICE, files)

    answer = await wait_answer(slack, DIRECT, "cat.png")
    assert "cannot see pictures" in answer.text
    assert "big.txt" in answer.text


async def test_a_file_elsewhere_is_not_fetched_and_said_to_be_missing(
    slack: FakeSlack, slack_bots: RunningModule
) -> None:
    assert slack_bots
    elsewhere = "https://files.example.com/notes.txt"
    file = {"id": "F0", "name": "notes.txt", "size": 3, "url_private_download": elsewhere}

    await slack.say(DIRECT, ALICE, "", files=[file])

    answer = await wait_answer(slack, DIRECT, "notes.txt")
    assert "could not get the file" in answer.text
    assert slack.file_requests == []
