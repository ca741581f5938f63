"""A channel that wants one model is answered by a worker that runs it, or by any if none does."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.jobs import CHAT_QUEUE, Job, Kind, Origin, Platform, PromptOverrides, make_job
from shared.ledger import keys, lifecycle
from shared.ledger import status as operating
from shared.ledger.celery import publish
from shared.ledger.lifecycle import Ready
from shared.ledger.presentation import read_final
from shared.ledger.status import WorkerReport, WorkerState
from shared.replies import Done, Final
from shared.tasks import Tag
from tests.celery_apps import celery_at
from tests.integration.ledger_steps import (
    LIMITS,
    accept,
    claim,
    finish,
    lease_of,
    message,
    state_of,
    sweep,
    wait_for,
)
from tests.running import RunningModule
from worker.store import BlockingStore

GEMMA = "gemma-3-270m-it"
GEMMAS_QUEUE = f"{CHAT_QUEUE}:{GEMMA}"


def wanting(model: str, number: int = 1, kind: Kind = Kind.CHAT) -> Job:
    """A message of a channel that wants a model."""
    job = dataclasses.replace(message(number), kind=kind)
    return dataclasses.replace(job, manner=PromptOverrides(model=model))


def live(store: BlockingStore, model: str, state: WorkerState = WorkerState.READY) -> None:
    """Let a worker be there that runs a model."""
    store.run(operating.sign_of_life(WorkerReport(f"w-{model}", state, model, 8, 0)))


def test_job_waits_for_the_workers_that_run_its_model(store: BlockingStore) -> None:
    live(store, "SmolLM2-135M-Instruct")
    live(store, GEMMA)
    first, second = wanting(GEMMA), wanting(GEMMA, 2)

    assert accept(store, first) == Ready(first.id, Kind.CHAT, GEMMAS_QUEUE)

    assert accept(store, second) is None, "it waits behind the first"
    lease_of(claim(store, first))
    assert finish(store, first).ready == Ready(second.id, Kind.CHAT, GEMMAS_QUEUE)


@pytest.mark.parametrize("state", [None, WorkerState.STOPPING])
def test_job_is_anybodys_while_nobody_runs_its_model(
    store: BlockingStore, state: WorkerState | None
) -> None:
    live(store, "SmolLM2-135M-Instruct")
    if state:
        live(store, GEMMA, state)
    job = wanting(GEMMA)

    assert accept(store, job) == Ready(job.id, Kind.CHAT, CHAT_QUEUE)


def test_what_no_chat_model_does_waits_in_its_own_queue(store: BlockingStore) -> None:
    live(store, GEMMA)
    job = wanting(GEMMA, kind=Kind.REPORT)

    assert accept(store, job) == Ready(job.id, Kind.REPORT, Kind.REPORT.queue)


def test_job_goes_to_anybody_when_the_last_worker_with_its_model_ends(store: BlockingStore) -> None:
    live(store, GEMMA)
    job = wanting(GEMMA)
    accept(store, job)
    store.client.lpush(GEMMAS_QUEUE, "what Celery keeps of it")

    store.run(operating.farewell(f"w-{GEMMA}"))
    store.client.zadd(keys.OPEN, {job.id: 0})  # it is looked at now, and not in some seconds

    assert store.run(lifecycle.sweep(100)) == (Ready(job.id, Kind.CHAT, CHAT_QUEUE),)
    assert sweep(store) == []


def test_answers_come_from_the_model_that_is_wanted(
    own_redis: str, tiny_model: Path, endless_model: Path
) -> None:
    common = {
        "PARLEY_REDIS_URL": own_redis,
        "PARLEY_TEMPERATURE": "0",
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CACHE_TOKENS": "2048",
        "PARLEY_MAX_NEW_TOKENS": "16",
    }
    with (
        RunningModule("worker", settings={**common, "PARLEY_MODEL": str(tiny_model)}) as tiny,
        RunningModule("worker", settings={**common, "PARLEY_MODEL": str(endless_model)}) as endless,
        redis.Redis.from_url(own_redis) as client,
    ):
        store = BlockingStore(client)
        by_pid = {}
        for worker in (tiny, endless):
            worker.wait_for_event("worker_ready")
            by_pid[str(worker.process.pid)] = worker
        for number, wanted in enumerate(("endless", "tiny", "endless", "tiny")):
            answer, name = answered(store, own_redis, wanted, number)
            writer = by_pid[name.rpartition(":")[2]]
            assert writer is {"tiny": tiny, "endless": endless}[wanted]
            assert isinstance(answer, Done)
            assert "is not running" not in answer.text
        answer, _ = answered(store, own_redis, GEMMA, 9)

    assert isinstance(answer, Done)
    assert f"*({GEMMA} is not running; this is by " in answer.text


def test_a_worker_without_the_chat_queue_loads_no_chat_model_and_takes_the_rest(
    own_redis: str,
) -> None:
    settings = {
        "PARLEY_REDIS_URL": own_redis,
        "PARLEY_MODEL": "/there/is/none",
        "PARLEY_QUEUES": "tag,index",
        "PARLEY_SENTIMENT_CHANNELS": "C1",  # has the sentiment model loaded before it is ready
    }
    with (
        RunningModule("worker", settings=settings) as worker,
        redis.Redis.from_url(own_redis) as client,
    ):
        worker.wait_for_event("worker_ready")
        store = BlockingStore(client)
        question = accept(store, message(1))
        origin = Origin(Platform.SLACK, "T1", "C1", "", "2.0", "U1", act="tag")
        overheard = make_job(Kind.TAG, origin, "I love this!", task=Tag("ana"))
        rating = accept(store, overheard)
        assert question
        assert rating
        with celery_at(own_redis) as app:
            for ready in (question, rating):
                publish(app, ready)

        wait_for(lambda: state_of(store, overheard) == "done")

        status = store.run(operating.status())
        place = store.run(operating.queue_position(question.id))
    assert [(each.slots, each.model) for each in status.workers] == [(0, "no chat model")]
    assert place is not None
    assert (place.state, place.num_ready, place.num_alive) == ("queued", 0, 0)


def answered(store: BlockingStore, redis_url: str, model: str, number: int) -> tuple[Final, str]:
    """What is answered to a question that wants a model, and the name of the worker that did."""
    origin = Origin(Platform.SLACK, "T1", f"C{number}", "", f"{number}.0", "U1")
    job = dataclasses.replace(
        make_job(Kind.CHAT, origin, "hello"), manner=PromptOverrides(model=model)
    )
    stream = keys.outbox(origin.outbox)
    ready = store.run(lifecycle.accept(job, LIMITS)).ready
    assert ready
    with celery_at(redis_url) as app:
        publish(app, ready)
    wait_for(lambda: store.client.hget(keys.job(job.id), "state") == b"done")
    entries: Any = store.client.xrevrange(stream, count=1)
    worker: Any = store.client.hget(keys.job(job.id), "worker")
    return read_final(entries[0][1][b"reply"]), worker.decode()
