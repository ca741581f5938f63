"""A workspace on the fake Slack with bots and a worker of its own: what a fault is let loose on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from tests.e2e.conftest import ALICE, CHANNEL, running_bots
from tests.e2e.test_slack import answers, wait_whole
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message
from tests.running import RunningModule

BothSettings = tuple[Mapping[str, str], Mapping[str, str]]
"""The bots' and the worker's."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A workspace, and the bots and the worker that serve it."""

    slack: FakeSlack
    bots: RunningModule
    worker: RunningModule

    async def ask(self, text: str) -> Message:
        """Mention the bot in a new thread."""
        return await self.slack.say(CHANNEL, ALICE, f"<@{self.slack.bot_user_id}> {text}")

    async def wait_text(self, asked: Message) -> None:
        """Wait until an answer to this is being written."""

        def is_begun() -> bool:
            said = answers(self.slack, CHANNEL)
            return any(m.thread_ts == asked.ts and len(m.text) > 20 for m in said)

        await self.slack.wait_for(is_begun)

    async def wait_sent_again(self, asked: Message, times: int = 2) -> None:
        """Wait until Slack has offered this so often because nobody said that it arrived."""

        def is_sent_again() -> bool:
            return all(len(d.attempts) > times for d in self.slack.deliveries_of(asked.ts))

        await self.slack.wait_for(is_sent_again)

    async def wait_answered_once(self, *asked: Message) -> None:
        """Wait for all answers; one each, and no process ended or began anew."""
        await wait_whole(self.slack, CHANNEL, count=len(asked))
        said = sorted(str(message.thread_ts) for message in answers(self.slack, CHANNEL))
        assert said == sorted(message.ts for message in asked)
        for process in (self.bots, self.worker):
            assert process.process.poll() is None, process.output
        assert len(self.worker.events("worker_ready")) == 1

    def is_acknowledged(self, asked: Message) -> bool:
        """Whether Slack was told that any event of this arrived."""
        return any(d.acked.is_set() for d in self.slack.deliveries_of(asked.ts))


@contextlib.asynccontextmanager
async def served(slack: FakeSlack, redis_url: str, settings: BothSettings) -> AsyncIterator[Floor]:
    """Run bots and a worker on this Redis."""
    slack.max_retries = 60  # Slack goes on for minutes; the fake does each second
    for_bots, for_worker = ({**each, "PARLEY_REDIS_URL": redis_url} for each in settings)
    with RunningModule("tests.paced_worker", settings=for_worker) as worker:
        async with running_bots(for_bots) as bots:
            await asyncio.to_thread(worker.wait_for_event, "worker_ready")
            await asyncio.to_thread(bots.wait_for_event, "slack_ready")
            await slack.wait_for_connections(1)
            yield Floor(slack, bots, worker)
