"""Through Celery and a real worker process: a message is rated, a report is drawn."""

from typing import Any

import redis

from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger import keys, lifecycle
from shared.ledger.celery import publish
from shared.ledger.lifecycle import JobLimits
from shared.ledger.presentation import read_final
from shared.replies import Done, Failed, Final, Tagged
from shared.tasks import Report, Tag, Task
from tests.celery_apps import celery_at
from tests.running import RunningModule
from worker.store import BlockingStore

LIMITS = JobLimits(deadline_ms=60_000, retention_ms=600_000)
OUTBOX = keys.outbox(Platform.SLACK)
BLOCK_MS = 50_000


def answer_to(redis_url: str, store: BlockingStore, text: str, task: Task) -> Final:
    """What a worker says to a job, which is sent to its queue as bots would."""
    kind = Kind(task.type)
    origin = Origin(Platform.SLACK, "T1", "C7", "", f"{text}.{kind}", "U1", act=kind)
    job: Job = make_job(kind, origin, text, task=task)
    last: Any = store.client.xrevrange(OUTBOX, count=1)
    start = last[0][0] if last else b"0"
    accepted = store.run(lifecycle.accept(job, LIMITS))
    assert accepted.ready
    with celery_at(redis_url) as app:
        publish(app, accepted.ready)
    streams: Any = store.client.xread({OUTBOX: start}, count=1, block=BLOCK_MS)
    assert streams, "the worker says nothing"
    ((_, entries),) = streams.items() if isinstance(streams, dict) else streams
    fields = entries[0][1] if isinstance(entries[0], tuple) else entries[0][0][1]
    assert fields[b"job"].decode() == job.id
    return read_final(fields[b"reply"])


def test_worker_rates_messages_and_draws_what_it_rated(
    redis_url: str, worker: RunningModule
) -> None:
    assert worker.process.poll() is None
    with redis.Redis.from_url(redis_url, socket_timeout=60) as client:
        store = BlockingStore(client)

        nothing = answer_to(redis_url, store, "1", Report())
        tagged = answer_to(redis_url, store, "I love this, thank you so much!", Tag("ana"))
        report = answer_to(redis_url, store, "2", Report(days=7))

    assert isinstance(nothing, Failed)
    assert nothing.code == "nothing_rated"
    assert "PARLEY_SENTIMENT_CHANNELS" in nothing.sentence
    assert isinstance(tagged, Tagged)
    assert tagged == Tagged("positive", "🙂")
    assert isinstance(report, Done)
    assert "1 message rated" in report.text
    assert report.picture is not None
    assert "thank you" not in worker.output
