"""The thoughts before an answer, kept apart from it: on a real Redis."""

import pytest

from shared.jobs import Job
from shared.ledger import answer_actions, keys, thoughts
from shared.replies import ThoughtSoFar
from tests.integration.ledger_steps import accept, claim, message
from worker.store import BlockingStore

THOUGHT = ThoughtSoFar("They greet me.", is_over=True)
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def thinking(store: BlockingStore) -> Job:
    """A job whose thought is kept."""
    job = message(1)
    accept(store, job)
    claim(store, job, token="t1")
    assert store.run(thoughts.keep(job.id, "t1", THOUGHT))
    return job


def test_a_thought_is_kept_for_a_day(store: BlockingStore, thinking: Job) -> None:
    assert store.run(thoughts.read(thinking.id)) == THOUGHT
    assert DAY_MS - 60_000 < store.client.pttl(keys.thought(thinking.id)) <= DAY_MS


def test_a_run_without_the_lease_keeps_none(store: BlockingStore, thinking: Job) -> None:
    late = ThoughtSoFar("Too late.")

    assert not store.run(thoughts.keep(thinking.id, "t0", late))
    assert store.run(thoughts.read(thinking.id)) == THOUGHT


def test_an_answer_without_thoughts_has_none(store: BlockingStore) -> None:
    assert store.run(thoughts.read(message(2).id)) is None


def test_a_thought_goes_with_its_question(store: BlockingStore, thinking: Job) -> None:
    store.run(answer_actions.withdraw(thinking.id))

    assert store.run(thoughts.read(thinking.id)) is None


def test_an_answer_that_is_written_again_is_thought_again(
    store: BlockingStore, thinking: Job
) -> None:
    store.run(answer_actions.again(thinking, DAY_MS))

    assert store.run(thoughts.read(thinking.id)) is None
