"""What may be used in a day: counted by the steps that accept and end a job."""

import dataclasses
from typing import Any

import pytest

from shared.jobs import Job
from shared.ledger import keys, lifecycle, quotas
from shared.ledger.lifecycle import Accepted, ConversationMemory
from shared.ledger.quotas import Quotas, Usage, Used, quota_text
from shared.preferences import Quota
from shared.replies import Failed
from tests.integration.ledger_steps import DONE, LIMITS, REFUSAL, claim, message, replies_of
from worker.store import BlockingStore

FREE = Quotas()
MS_A_DAY = 24 * 3600 * 1000


def ask(store: BlockingStore, job: Job, limits: Quotas = FREE) -> Accepted:
    return store.run(lifecycle.accept(job, LIMITS, quotas=limits))


def by(job: Job, user: str, channel: str = "C1") -> Job:
    origin = dataclasses.replace(job.origin, user=user, channel=channel)
    return dataclasses.replace(job, origin=origin)


def answer(store: BlockingStore, job: Job, num_tokens: int) -> None:
    claim(store, job)
    assert store.run(lifecycle.finish(job.id, "t1", DONE, ConversationMemory(), num_tokens)).counted


def used(store: BlockingStore, job: Job) -> tuple[Used, Used]:
    found = store.run(quotas.usage(job.origin))
    return found.user, found.channel


@pytest.mark.parametrize(
    ("limits", "reason", "sentence"),
    [
        (Quotas(user=Quota(messages=2)), "user_quota", "You have used up today's 2 messages"),
        (Quotas(user=Quota(tokens=60)), "user_quota", "You have used up today's 60 tokens"),
        (
            Quotas(channel=Quota(messages=2)),
            "channel_quota",
            "This channel has used up today's 2 m",
        ),
        (
            Quotas(channel=Quota(tokens=60)),
            "channel_quota",
            "This channel has used up today's 60 t",
        ),
        (
            Quotas(workspace=Quota(tokens=60)),
            "workspace_quota",
            "This workspace has used up today's 60 tokens",
        ),
    ],
)
def test_who_has_used_up_a_day_is_told_once_and_when_it_begins_anew(
    store: BlockingStore, limits: Quotas, reason: str, sentence: str
) -> None:
    for number in (1, 2):
        job = message(number, str(number))
        assert ask(store, job, limits).ready is not None
        answer(store, job, num_tokens=30)
    told, silent = message(3, "3"), message(4, "4")

    assert ask(store, told, limits) == Accepted(is_new=True, refused=reason)
    assert ask(store, silent, limits) == Accepted(is_new=False, refused=reason)

    (reply,) = replies_of(store, told)
    assert isinstance(reply, Failed)
    assert sentence in reply.sentence
    assert "after 00:00 UTC" in reply.sentence


def test_a_workspaces_tokens_are_those_of_all_its_people_and_channels(
    store: BlockingStore,
) -> None:
    limits = Quotas(workspace=Quota(tokens=60))
    for number, (user, channel) in enumerate((("U1", "C1"), ("U2", "C2")), 1):
        job = by(message(number, str(number)), user, channel)
        assert ask(store, job, limits).ready is not None
        answer(store, job, num_tokens=30)
    elsewhere = by(message(3, "3"), "U3", "C3")
    elsewhere = dataclasses.replace(
        elsewhere, origin=dataclasses.replace(elsewhere.origin, team="T2")
    )

    assert ask(store, elsewhere, limits).ready is not None
    assert ask(store, by(message(4, "4"), "U3", "C3"), limits).refused == "workspace_quota"
    found = store.run(quotas.usage(message(5).origin))
    assert found.workspace == Used(2, 60)
    text = quota_text(limits, found)
    assert "**This workspace:** 2 messages and 60 of 60 tokens today." in text


def test_a_job_of_the_version_before_has_no_workspaces_counter(store: BlockingStore) -> None:
    job = message(1)
    ask(store, job)
    store.client.hdel(keys.job(job.id), "workspace_counter")

    answer(store, job, num_tokens=30)

    assert used(store, job) == (Used(1, 30), Used(1, 30))


def test_nothing_that_is_refused_or_comes_again_counts(store: BlockingStore) -> None:
    job = message(1, "1")
    ask(store, job)
    ask(store, job)
    store.run(lifecycle.accept(message(2, "2"), LIMITS, refusal=REFUSAL, quotas=FREE))
    ask(store, message(3, "3"), Quotas(user=Quota(messages=1)))

    assert used(store, job) == (Used(messages=1), Used(messages=1))


def test_tokens_count_once_however_often_an_end_is_told(store: BlockingStore) -> None:
    job = message(1)
    ask(store, job)
    answer(store, job, num_tokens=70)
    store.run(lifecycle.finish(job.id, "t1", DONE, ConversationMemory(), 70))
    store.run(lifecycle.finish(job.id, "another's", DONE, ConversationMemory(), 70))

    assert used(store, job) == (Used(1, 70), Used(1, 70))


def test_a_person_counts_in_the_workspace_and_a_channel_by_itself(store: BlockingStore) -> None:
    ask(store, by(message(1, "1"), "U1", "C1"))
    ask(store, by(message(2, "2"), "U1", "C2"))
    ask(store, by(message(3, "3"), "U2", "C2"))

    assert used(store, by(message(9), "U1", "C1")) == (Used(messages=2), Used(messages=1))
    assert used(store, by(message(9), "U2", "C2")) == (Used(messages=1), Used(messages=2))


def test_what_is_not_counted_is_counted_nowhere(store: BlockingStore) -> None:
    job = message(1)
    store.run(lifecycle.accept(job, LIMITS))
    answer(store, job, num_tokens=70)

    assert used(store, job) == (Used(), Used())


def test_counters_are_of_a_day_and_go_after_the_next(store: BlockingStore) -> None:
    job = message(1)
    ask(store, job)

    counters: Any = store.client.keys(f"{keys.used('user', job.origin.asker)}:*")
    (counter,) = counters
    seconds, _ = store.client.time()
    assert int(counter.rpartition(b":")[2]) in {seconds // 86_400, (seconds + 1) // 86_400}
    assert MS_A_DAY < store.client.pttl(counter) <= 2 * MS_A_DAY
    assert 0 < store.run(quotas.usage(job.origin)).left_s <= 86_400


def test_quota_text_says_what_was_used_and_what_may_be() -> None:
    limits = Quotas(Quota(messages=50, tokens=0), Quota(messages=1000, tokens=2_000_000))
    found = Usage(Used(3, 1200), Used(40, 1_000_000), left_s=5 * 3600 + 12 * 60)

    assert quota_text(limits, found) == (
        "**You:** 3 of 50 messages and 1,200 tokens today.\n"
        "**This channel:** 40 of 1,000 messages and 1,000,000 of 2,000,000 tokens today.\n"
        "Counting begins anew at 00:00 UTC, in 5 h 12 min."
    )


def test_quota_text_says_that_there_is_no_limit() -> None:
    text = quota_text(Quotas(), Usage(Used(), Used(), left_s=30))

    assert "Nobody has set a limit here." in text
    assert "in 1 min." in text
