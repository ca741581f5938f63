"""What is kept of a person, shown and deleted."""

import dataclasses
import json
from typing import Any

import bots.store
from bots.incoming.privacy import forget_user
from shared.jobs import Attachment, Job, Kind, make_job
from shared.ledger import keys, lifecycle, privacy, ratings, thoughts
from shared.ledger.lifecycle import ConversationMemory, JobLimits
from shared.ledger.privacy import Forgotten, forgotten_text
from shared.ledger.ratings import Rated
from shared.replies import ThoughtSoFar
from tests.integration.ledger_steps import (
    DONE,
    REMEMBER,
    accept,
    claim,
    deliver,
    lease_of,
    message,
    state_of,
)
from worker.store import BlockingStore

SECRET = "what Alice wrote"


def by(job: Job, user: str) -> Job:
    return dataclasses.replace(job, origin=dataclasses.replace(job.origin, user=user))


def asked(
    store: BlockingStore, number: int, user: str, thread: str, memory: ConversationMemory = REMEMBER
) -> Job:
    """A question that was asked, answered and shown."""
    job = dataclasses.replace(by(message(number, thread), user), text=SECRET)
    job = dataclasses.replace(job, attachments=(Attachment("a.txt", text=SECRET),))
    accept(store, job)
    claim(store, job)
    assert store.run(thoughts.keep(job.id, "t1", ThoughtSoFar(SECRET)))
    assert store.run(lifecycle.finish(job.id, "t1", DONE, memory)).counted
    deliver(store, job)
    return job


def rate(store: BlockingStore, number: int, user: str, channel: str) -> None:
    job = by(message(number), user)
    origin = dataclasses.replace(job.origin, channel=channel, act="tag", thread="")
    job = make_job(Kind.TAG, origin, "fine")
    accept(store, job)
    rated = Rated(origin.message, user, user, "", 1.0, 2.0, "positive")
    assert store.run(ratings.note(lease_of(claim(store, job)), rated)).is_kept
    store.run(lifecycle.finish(job.id, "t1", DONE, ConversationMemory()))
    deliver(store, job)


def everything(store: BlockingStore) -> bytes:
    """All strings, hashes and lists of Redis."""
    found: list[Any] = []
    for key in store.client.scan_iter():
        kind = store.client.type(key)
        if kind == b"hash":
            found += store.client.hvals(key)
        elif kind == b"list":
            found += store.client.lrange(key, 0, -1)
        elif kind == b"string":
            found.append(store.client.get(key) or b"")
    return b"\n".join(found)


async def test_what_is_kept_of_a_person_goes_and_nothing_of_others(
    store: BlockingStore, bots_store: bots.store.AsyncStore
) -> None:
    job = asked(store, 1, "U1", "1")
    asked(store, 2, "U1", "2")
    other = asked(store, 3, "U2", "3")
    store.client.hset(keys.feedback(job.origin.asker), job.id, "good")
    store.client.hset(keys.feedback(other.origin.asker), job.id, "bad")
    for number, user, channel in ((4, "U1", "C1"), (5, "U2", "C1"), (6, "U1", "C*2")):
        rate(store, number, user, channel)

    said = await forget_user(bots_store, job.origin)

    assert "2 conversations, 4 questions, 1 verdict on an answer and 2 ratings" in said
    assert store.client.exists(keys.transcript(job.origin.conversation)) == 0
    assert store.client.llen(keys.transcript(other.origin.conversation)) == 2
    assert store.client.hlen(keys.feedback(other.origin.asker)) == 1
    assert store.client.xlen(keys.ratings("slack:T1", "C1")) == 1
    assert store.client.xlen(keys.ratings("slack:T1", "C*2")) == 0
    assert everything(store).count(SECRET.encode()) == 3, "the other's question, file and thought"
    # What is left can be read, and tells nothing.
    assert (await bots_store.find_job(job.id)) == dataclasses.replace(
        job, text="", attachments=(), origin=dataclasses.replace(job.origin, user="")
    )
    assert "0 conversations, 0 questions" in await forget_user(bots_store, job.origin)


async def test_a_question_that_is_being_answered_is_withdrawn_and_its_person_is_told(
    store: BlockingStore, bots_store: bots.store.AsyncStore
) -> None:
    job = by(message(1, "1"), "U1")
    accept(store, job)
    claim(store, job)

    said = await forget_user(bots_store, job.origin)

    assert "1 question was still open: I have stopped." in said
    assert not store.run(lifecycle.finish(job.id, "t1", DONE, REMEMBER)).counted
    assert store.client.exists(keys.transcript(job.origin.conversation)) == 0
    assert store.client.xlen(keys.outbox("slack")) == 0
    assert state_of(store, job) == "withdrawn"


def test_commands_are_found_and_no_conversation_of_theirs(store: BlockingStore) -> None:
    job = by(message(1, "1"), "U1")
    job = make_job(Kind.CHAT, dataclasses.replace(job.origin, act="command"), "hello")
    accept(store, job)

    assert store.client.exists(keys.asked(job.origin.asker)) == 0
    assert store.client.zrange(keys.questions(job.origin.asker), 0, -1) == [job.id.encode()]


def test_a_conversation_is_found_for_as_long_as_it_is_remembered(store: BlockingStore) -> None:
    long = by(message(1, "1"), "U1")
    short = by(message(2, "2"), "U1")
    store.run(lifecycle.accept(long, JobLimits(1000, 3_600_000)))
    store.run(lifecycle.accept(short, JobLimits(1, 1)))
    store.run(lifecycle.accept(by(message(3, "3"), "U1"), JobLimits(1000, 60_000)))

    index = keys.asked(long.origin.asker)
    assert long.origin.conversation.encode() in store.client.zrange(index, 0, -1)
    assert 3_500_000 < store.client.pttl(index) <= 3_601_000


def test_all_that_is_kept_can_be_shown(store: BlockingStore) -> None:
    job = asked(store, 1, "U1", "1")
    asked(store, 2, "U2", "2")
    store.client.hset(keys.feedback(job.origin.asker), job.id, "good")
    store.client.sadd(keys.opted_out("slack:T1"), "U1")
    today = int(store.client.time()[0]) // 86_400
    store.client.hset(f"{keys.used('user', job.origin.asker)}:{today}", "messages", 3)

    found = store.run(privacy.kept(job.origin, (today,)))
    document = json.loads(privacy.as_json(found, []))

    assert document["is_opted_out"] is True
    assert document["verdicts"] == {job.id: "good"}
    assert document["used"] == {str(today): {"messages": 3, "tokens": 0}}
    ((name, turns),) = document["conversations"].items()
    assert name == job.origin.conversation
    assert [turn["text"] for turn in turns] == ["q", "a"]
    (question,) = document["questions"]
    assert question["text"] == SECRET
    assert document["thoughts"] == {job.id: SECRET}


def test_ratings_are_shown_a_page_at_a_time(store: BlockingStore) -> None:
    rate(store, 1, "U1", "C1")
    rate(store, 2, "U2", "C1")
    origin = by(message(9), "U1").origin

    page = store.run(privacy.ratings_of(origin, "C1", privacy.FIRST))

    assert [rated.user for rated in page.ratings] == ["U1"]
    assert page.next_start == ""
    assert store.client.xlen(keys.ratings("slack:T1", "C1")) == 2


def test_forgotten_text_counts_in_words() -> None:
    said = forgotten_text(Forgotten(1, 1200, 0, 2, ratings=1, documents=3, left=("a",)))

    assert "1 conversation, 1,200 questions, 0 verdicts on answers and 1 rating" in said
    assert "2 questions were still open: I have stopped." in said
    assert "3 documents of yours went, too." in said
    assert "1 question of other people with words of yours" in said
