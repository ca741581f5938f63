"""How much people may ask: what the step that accepts refuses, says once, and remembers."""

import dataclasses

import pytest

from shared.jobs import Job, Kind
from shared.ledger import keys, lifecycle
from shared.ledger.lifecycle import Accepted, AskAllowance
from shared.replies import Failed, Final
from shared.tasks import Learn
from tests.integration.ledger_steps import (
    LIMITS,
    claim,
    finish,
    message,
    replies_of,
    state_of,
)
from worker.store import BlockingStore

PLENTY = AskAllowance(
    user_per_min=1000, channel_per_min=1000, max_open_per_user=1000, max_queue=1000
)
TOO_LONG = Failed("too_long", "Your message is too long.")


def ask(store: BlockingStore, job: Job, allowance: AskAllowance) -> Accepted:
    return store.run(lifecycle.accept(job, LIMITS, allowance))


def by(job: Job, user: str, channel: str = "C1") -> Job:
    origin = dataclasses.replace(job.origin, user=user, channel=channel)
    return dataclasses.replace(job, origin=origin)


def sentence_of(reply: Final) -> str:
    assert isinstance(reply, Failed)
    return reply.sentence


@pytest.mark.parametrize(
    ("allowance", "reason", "number"),
    [
        (dataclasses.replace(PLENTY, user_per_min=2), "user_rate", "2 messages a minute from one"),
        (dataclasses.replace(PLENTY, channel_per_min=2), "channel_rate", "2 messages a minute in"),
        (dataclasses.replace(PLENTY, max_open_per_user=2), "open_jobs", "owe you 2 answers"),
        (dataclasses.replace(PLENTY, max_queue=2), "queue_full", "2 questions are waiting"),
    ],
)
def test_what_is_too_much_is_refused_with_one_sentence(
    store: BlockingStore, allowance: AskAllowance, reason: str, number: str
) -> None:
    for n in (1, 2):
        assert ask(store, message(n, str(n)), allowance).ready is not None
    told, silent = message(3, "3"), message(4, "4")

    assert ask(store, told, allowance) == Accepted(is_new=True, refused=reason)
    assert ask(store, silent, allowance) == Accepted(is_new=False, refused=reason)

    (reply,) = replies_of(store, told)
    assert number in sentence_of(reply)
    assert "in about" in sentence_of(reply)
    assert keys.WAIT_MARK not in sentence_of(reply)
    assert replies_of(store, silent) == []
    assert told.text.encode() not in (store.client.hget(keys.job(told.id), "job") or b"")


def test_of_a_task_that_is_refused_nothing_is_kept(store: BlockingStore) -> None:
    few = dataclasses.replace(PLENTY, user_per_min=1)
    ask(store, message(1, "1"), few)
    secret = "what somebody wrote"
    task = Learn("plan.txt", content=secret)

    refused = dataclasses.replace(message(2, "2"), kind=Kind.LEARN, task=task)
    assert ask(store, refused, few).refused == "user_rate"

    assert secret.encode() not in (store.client.hget(keys.job(refused.id), "job") or b"")


def test_a_refused_message_that_comes_again_is_known(store: BlockingStore) -> None:
    one = dataclasses.replace(PLENTY, max_open_per_user=1)
    first, told, silent = (message(n, str(n)) for n in (1, 2, 3))
    for job in (first, told, silent):
        ask(store, job, one)
    claim(store, first)
    finish(store, first)

    for job in (told, silent):
        assert ask(store, job, one) == Accepted(is_new=False)


def test_a_refusal_of_one_person_leaves_others_alone(store: BlockingStore) -> None:
    few = dataclasses.replace(PLENTY, user_per_min=1, max_open_per_user=1)
    ask(store, message(1, "1"), few)
    assert ask(store, message(2, "2"), few).refused

    assert ask(store, by(message(3, "3"), "U2"), few).ready is not None


def test_a_channel_that_is_busy_leaves_other_channels_alone(store: BlockingStore) -> None:
    few = dataclasses.replace(PLENTY, channel_per_min=1)
    ask(store, message(1, "1"), few)
    assert ask(store, by(message(2, "2"), "U2"), few).refused == "channel_rate"

    assert ask(store, by(message(3, "3"), "U2", "C2"), few).ready is not None


def test_an_answered_question_makes_room_for_the_next(store: BlockingStore) -> None:
    one = dataclasses.replace(PLENTY, max_open_per_user=1)
    first = message(1, "1")
    ask(store, first, one)
    claim(store, first)
    finish(store, first)

    assert ask(store, message(2, "2"), one).ready is not None


def test_a_bucket_fills_again_with_time(store: BlockingStore) -> None:
    few = dataclasses.replace(PLENTY, user_per_min=60)
    for n in range(60):
        assert not ask(store, message(n, str(n)), few).refused
    assert ask(store, message(60, "60"), few).refused == "user_rate"
    bucket = keys.bucket("user", message(1).origin.asker)
    # a second ago, instead of a second's wait
    store.client.hincrby(bucket, "at", -1100)

    assert not ask(store, message(61, "61"), few).refused
    assert ask(store, message(62, "62"), few).refused == "user_rate"


def test_without_an_allowance_nothing_is_counted(store: BlockingStore) -> None:
    store.run(lifecycle.accept(message(1), LIMITS))

    assert store.client.keys(keys.bucket("*", "*")) == []
    assert store.client.keys(keys.asker("*")) == []


def test_a_message_that_is_too_long_is_refused_once_a_minute(store: BlockingStore) -> None:
    def send(job: Job) -> Accepted:
        call = lifecycle.accept(job, LIMITS, PLENTY, TOO_LONG, is_said_sparingly=True)
        return store.run(call)

    assert send(message(1, "1")) == Accepted(is_new=True, refused="too_long")
    assert send(message(2, "2")) == Accepted(is_new=False, refused="too_long")
    assert replies_of(store, message(1, "1")) == [TOO_LONG]


def test_refusals_never_make_us_take_part_in_a_conversation(store: BlockingStore) -> None:
    one = dataclasses.replace(PLENTY, max_open_per_user=1)
    ask(store, message(1, "1"), one)
    refused = message(2, "2")
    ask(store, refused, one)

    assert store.client.exists(keys.presence(refused.origin.conversation)) == 0


def test_a_flood_leaves_nothing_that_stays(store: BlockingStore) -> None:
    few = dataclasses.replace(PLENTY, user_per_min=1)
    flood = [message(n, str(n)) for n in range(50)]
    for job in flood:
        ask(store, job, few)

    refused = [job for job in flood if state_of(store, job) == "refused"]
    assert len(refused) == 48  # all but the one that is accepted and the one that is told
    lifetimes = [store.client.pttl(keys.job(job.id)) for job in refused]
    assert all(0 < int(str(ms)) <= keys.REFUSED_JOB_LIFETIME_MS for ms in lifetimes)
    buckets = store.client.keys(keys.bucket("*", "*"))
    assert all(int(str(store.client.pttl(name))) > 0 for name in buckets)
