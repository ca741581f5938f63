"""Files in Redis: gone when their question has an answer, and bounded while they wait for it."""

import base64
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from shared.jobs import Attachment, Job, Kind
from shared.ledger import answer_actions, codec, keys, lifecycle
from shared.ledger.lifecycle import JobLimits
from shared.replies import Failed
from shared.tasks import Learn
from tests.integration.ledger_steps import (
    DONE,
    LIMITS,
    NO_TIME,
    REFUSAL,
    accept,
    claim,
    deliver,
    finish,
    message,
    replies_of,
    state_of,
)
from worker.store import BlockingStore

CANARY = base64.b64encode(b"\x89PNG a picture of a canary").decode()
ROOM = dataclasses.replace(LIMITS, max_waiting_bytes=10_000)


def with_picture(number: int, content: str = CANARY, thread: str = "") -> Job:
    job = message(number, thread or str(number))
    picture = Attachment("cat.png", content)
    return dataclasses.replace(job, attachments=(picture, Attachment("a.csv", text="x,y")))


def upload(number: int, content: str = CANARY, text: str = "") -> Job:
    job = message(number, str(number))
    return dataclasses.replace(job, kind=Kind.LEARN, text=text, task=Learn("a.txt", content))


def is_in_redis(store: BlockingStore, words: str) -> bool:
    readers: dict[Any, Callable[[bytes], object]] = {
        b"hash": store.client.hgetall,
        b"list": lambda name: store.client.lrange(name, 0, -1),
        b"stream": store.client.xrange,
        b"string": store.client.get,
        b"set": store.client.smembers,
        b"zset": lambda name: store.client.zrange(name, 0, -1),
    }
    return any(
        words in str(readers[store.client.type(name)](name)) for name in store.client.scan_iter()
    )


def kept(store: BlockingStore, job: Job) -> Job:
    document: Any = store.client.hget(keys.job(job.id), "job")
    return codec.decode(document, Job)


def answered(store: BlockingStore, job: Job) -> None:
    claim(store, job)
    finish(store, job)


def stopped(store: BlockingStore, job: Job) -> None:
    store.run(answer_actions.stop(job.id))


def stopped_while_it_runs(store: BlockingStore, job: Job) -> None:
    claim(store, job)
    store.run(answer_actions.stop(job.id))
    store.run(lifecycle.finish(job.id, "t1", DONE, lifecycle.ConversationMemory()))


def withdrawn(store: BlockingStore, job: Job) -> None:
    store.run(answer_actions.withdraw(job.id))


def given_up(store: BlockingStore, job: Job) -> None:
    for token in "1234":
        claim(store, job, token)
        store.run(lifecycle.release(job.id, token, is_blamed=True))
    assert store.client.zscore(keys.DEAD, job.id) is not None


@pytest.mark.parametrize("job", [with_picture(1), upload(1)], ids=["picture", "upload"])
@pytest.mark.parametrize("end", [answered, stopped, stopped_while_it_runs, withdrawn, given_up])
def test_the_bytes_of_a_file_are_gone_when_the_answer_is_there(
    store: BlockingStore, end: Callable[[BlockingStore, Job], None], job: Job
) -> None:
    accept(store, job)
    assert is_in_redis(store, CANARY)

    end(store, job)

    assert not is_in_redis(store, CANARY)
    assert kept(store, job) == job.without_files()
    assert not store.client.exists(keys.FILES)


def test_of_a_question_whose_time_is_over_no_file_stays(store: BlockingStore) -> None:
    job = with_picture(1)
    accept(store, job, NO_TIME)

    claim(store, job)

    assert state_of(store, job) == "done"
    assert not is_in_redis(store, CANARY)


def test_of_a_question_that_is_refused_no_file_stays(store: BlockingStore) -> None:
    store.run(lifecycle.accept(with_picture(1), LIMITS, None, REFUSAL))

    assert not is_in_redis(store, CANARY)


def test_a_job_keeps_its_file_until_then(store: BlockingStore) -> None:
    job = with_picture(1)
    accept(store, job)
    claim(store, job)
    store.run(lifecycle.release(job.id, "t1", is_blamed=False))

    lease = claim(store, job, "t2").lease

    assert lease is not None
    assert lease.job == job


def test_what_was_read_of_files_is_kept_for_another_answer(store: BlockingStore) -> None:
    job = with_picture(1)
    read = dataclasses.replace(job, attachments=(Attachment("cat.png", note="Seen."),))
    accept(store, job)
    claim(store, job)

    memory = lifecycle.ConversationMemory(job=read)
    store.run(lifecycle.finish(job.id, "t1", DONE, memory))

    assert kept(store, job) == read


def test_a_question_that_was_edited_while_it_waits_stays_edited(store: BlockingStore) -> None:
    job = with_picture(1)
    accept(store, job)
    edited = dataclasses.replace(job, text="another question")
    store.run(answer_actions.again(edited, 60_000))

    answered(store, job)

    assert kept(store, job) == edited.without_files()


def test_a_question_that_lost_its_file_in_an_edit_stays_edited(store: BlockingStore) -> None:
    job = with_picture(1)
    accept(store, job)
    edited = dataclasses.replace(job, text="another question", attachments=())
    store.run(answer_actions.again(edited, 60_000))

    answered(store, job)

    assert kept(store, job) == edited


def test_another_answer_is_written_without_the_file(store: BlockingStore) -> None:
    job = with_picture(1)
    accept(store, job)
    answered(store, job)
    deliver(store, job)

    store.run(answer_actions.again(kept(store, job), 60_000))
    lease = claim(store, job, "t2").lease

    assert lease is not None
    assert lease.job == job.without_files()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (with_picture(1, "A" * 8000), with_picture(2, "A" * 8000)),
        (upload(1, "A" * 8000), upload(2, "A" * 8000)),
        (with_picture(1, "A" * 8000), upload(2, "", "A note. " * 1000)),
    ],
    ids=["pictures", "uploads", "texts"],
)
def test_files_that_wait_are_bounded(store: BlockingStore, first: Job, second: Job) -> None:
    assert store.run(lifecycle.accept(first, ROOM)).ready is not None

    refused = store.run(lifecycle.accept(second, ROOM))

    assert refused.refused == "files_waiting"
    (reply,) = replies_of(store, second)
    assert isinstance(reply, Failed)
    assert "files are waiting" in reply.sentence
    assert keys.WAIT_MARK not in reply.sentence
    assert kept(store, second).attachments == ()
    answered(store, first)
    third = with_picture(3, "A" * 8000)
    assert store.run(lifecycle.accept(third, ROOM)).ready is not None


def test_questions_without_files_are_taken_while_files_wait(store: BlockingStore) -> None:
    store.run(lifecycle.accept(with_picture(1, "A" * 9000), ROOM))

    assert store.run(lifecycle.accept(message(2, "2"), ROOM)).ready is not None


def test_a_file_that_is_larger_than_the_bound_is_taken_alone(store: BlockingStore) -> None:
    assert store.run(lifecycle.accept(with_picture(1, "A" * 20_000), ROOM)).ready is not None


def test_no_bound_is_none(store: BlockingStore) -> None:
    for number in range(3):
        job = with_picture(number, "A" * 20_000)
        assert store.run(lifecycle.accept(job, JobLimits(60_000, 60_000))).ready is not None


def test_a_job_that_redis_has_lost_takes_no_room(store: BlockingStore) -> None:
    first = with_picture(1, "A" * 9000)
    store.run(lifecycle.accept(first, ROOM))
    store.client.delete(keys.job(first.id))

    assert store.run(lifecycle.accept(with_picture(2, "A" * 9000), ROOM)).ready is not None
