"""Tasks that work on messages: they are fetched before the job is accepted, or it says why not."""

from collections.abc import Sequence
from typing import Any

import pytest

from bots.delivery.manager import Delivery
from bots.incoming.context import HistoryReader, LastHours, Meant, Wanted
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from bots.incoming.reception import Reception, Rules
from bots.metrics import Metrics
from bots.store import AsyncStore
from shared.errors import PlatformUnavailableError
from shared.jobs import Job, Kind, Origin, Platform
from shared.ledger.lifecycle import JobLimits, Ready
from shared.ledger.presentation import read_final
from shared.replies import Failed
from shared.tasks import Form, Quoted, Summarize, Task, Translate, Write
from tests.integration.test_live_reply import SlowPlatform

ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "2.0", "U1", act="command")
LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
TO_US = Situation(is_from_person=True, mentions_us=True)
SAID = (Quoted("alice", "The build is red."), Quoted("bob", "I mend it."))
SUMMARIZE = Summarize((), "the last 2 hours")


class Shown:
    """A platform that shows these messages, or none."""

    def __init__(self, messages: Sequence[Quoted] | None) -> None:
        self._messages = messages
        self.asked: list[Wanted] = []

    async def gather(self, origin: Origin, wanted: Wanted) -> Sequence[Quoted]:
        assert origin == ORIGIN
        self.asked.append(wanted)
        if self._messages is None:
            raise PlatformUnavailableError("503")
        return self._messages


async def receive(
    store: AsyncStore, history_reader: HistoryReader | None, task: Task, wanted: Wanted
) -> Job:
    """The job that comes of a task."""
    woken: list[Ready] = []
    delivery = Delivery(store, SlowPlatform(), LIMITS, Metrics())
    rules = Rules(LIMITS, None, max_chars=1000)
    reception = Reception(store, delivery, woken.append, rules, history_reader)
    incoming = Incoming(ORIGIN, "", TO_US, task=task, wanted=wanted)

    job = await reception.receive(incoming)

    await delivery.close()
    assert job is not None
    found = await store.find_job(job.id)
    assert found == job
    return job


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (SUMMARIZE, Summarize(SAID, "the last 2 hours")),
        (Write(Form.REPLY), Write(Form.REPLY, reply_to=SAID[-1])),
        (Translate("fr"), Translate("fr")),
    ],
)
async def test_a_task_is_accepted_with_the_messages_that_it_works_on(
    bots_store: AsyncStore, task: Task, expected: Task
) -> None:
    shown = Shown(SAID)

    job = await receive(bots_store, shown, task, LastHours(2))

    assert (job.kind, job.task) == (Kind(task.type), expected)
    assert job.text == ("I mend it." if isinstance(task, Translate) else "")
    assert shown.asked == [LastHours(2)]


@pytest.mark.parametrize(
    ("history_reader", "code"),
    [(Shown([]), "nothing_there"), (Shown(None), "place_unreadable"), (None, "place_unreadable")],
)
async def test_a_task_without_its_messages_ends_in_a_sentence(
    bots_store: AsyncStore, history_reader: HistoryReader | None, code: str
) -> None:
    job = await receive(bots_store, history_reader, SUMMARIZE, Meant())

    entries: Any = await bots_store.client.xrange("parley:outbox:slack")
    ((_, fields),) = entries
    reply = read_final(fields[b"reply"])
    assert fields[b"job"].decode() == job.id
    assert isinstance(reply, Failed)
    assert reply.code == code
