"""The embedded Redis that dies under `parley up` or `parley chat`: it comes back as it was."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest
import redis
import redis.backoff
import redis.retry

from shared.cli.processes import python_module, running
from tests.e2e.conftest import ALICE, CHANNEL
from tests.e2e.test_slack import answers, wait_whole
from tests.fakes.slack_server import FakeSlack
from tests.patience import PATIENCE_S
from tests.running import RunningModule, clean_environment

POLL_S = 0.05


@pytest.fixture
def settings(worker_settings: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Settings of somebody who has no Redis."""
    embedded = {"PARLEY_DATA_DIR": str(tmp_path), "PARLEY_MAX_NEW_TOKENS": "200"}
    rest = {key: value for key, value in worker_settings.items() if key != "PARLEY_REDIS_URL"}
    return {**rest, **embedded}


def redis_of(pid: int) -> psutil.Process:
    """The Redis that a launcher runs."""
    (server,) = [p for p in psutil.Process(pid).children() if "redis-server" in p.name()]
    return server


@pytest.mark.timeout(240)
async def test_up_starts_a_killed_redis_again_and_nothing_accepted_is_lost(
    settings: dict[str, str], slack_settings: dict[str, str], slack: FakeSlack
) -> None:
    bots = {key: value for key, value in slack_settings.items() if key != "PARLEY_REDIS_URL"}
    with RunningModule("shared.cli", "up", settings={**bots, **settings}) as parley:
        for event in ("worker_ready", "slack_ready"):
            await asyncio.to_thread(parley.wait_for_event, event)
        await slack.wait_for_connections(1)
        await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> being answered at the kill")
        await slack.wait_for(
            lambda: any(len(m.text) > 20 for m in answers(slack, CHANNEL)), timeout_s=PATIENCE_S
        )
        first = await asyncio.to_thread(redis_of, parley.process.pid)
        await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> accepted just before")
        await asyncio.to_thread(parley.wait_for_event, "job_accepted", 2)

        first.kill()
        await asyncio.to_thread(parley.wait_for_event, "child_died")
        await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> asked meanwhile")

        assert len(await wait_whole(slack, CHANNEL, count=3)) == 3
        second = await asyncio.to_thread(redis_of, parley.process.pid)
        assert second.pid != first.pid
        assert {death["child"] for death in parley.events("child_died")} == {"redis"}, parley.output
        threads = [message.thread_ts for message in answers(slack, CHANNEL)]
        assert len(set(threads)) == 3, "one answer for each question"


@pytest.mark.timeout(240)
def test_chat_goes_on_with_a_redis_that_was_killed_between_two_questions(
    settings: dict[str, str],
) -> None:
    chat = subprocess.Popen(
        python_module("shared.cli", "chat"),
        env={**clean_environment(), **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with running(chat), chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        assert "length limit" in ask(chat.stdin, chat.stdout, b"hello")
        first = redis_of(chat.pid)
        first.kill()
        first.wait(PATIENCE_S)
        with connect(Path(settings["PARLEY_DATA_DIR"]) / "redis") as client:
            assert client.ping()

        assert "length limit" in ask(chat.stdin, chat.stdout, b"are you still there?")

        chat.stdin.close()
        assert chat.wait(PATIENCE_S) == 0


def ask(questions: IO[bytes], replies: IO[bytes], question: bytes) -> str:
    """Put a question into the pipe; the lines of the answer, up to the sentence at its end."""
    questions.write(question + b"\n")
    questions.flush()
    return "".join(_lines_to_limit(replies))


def _lines_to_limit(replies: IO[bytes]) -> Iterator[str]:
    for line in replies:
        yield line.decode()
        if b"length limit" in line:
            return


def connect(folder: Path) -> redis.Redis:
    """A client of the Redis on this folder, which waits until it answers."""
    config = dict(
        line.split(maxsplit=1) for line in (folder / "redis.conf").read_text().split("\n")
    )
    patient = redis.retry.Retry(redis.backoff.ConstantBackoff(POLL_S), round(PATIENCE_S / POLL_S))
    return redis.Redis(port=int(config["port"]), password=config["requirepass"], retry=patient)
