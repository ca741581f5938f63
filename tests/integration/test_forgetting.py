"""What is kept of a person, shown and deleted."""

import asyncio
import contextlib
import dataclasses
import json
from typing import Any

import pytest

import bots.store
from bots.incoming.privacy import Forgetter, forget_user
from bots.tasks import end
from shared.jobs import Attachment, Job, Kind, Turn, make_job
from shared.ledger import (
    answer_actions,
    codec,
    keys,
    lifecycle,
    preferences,
    privacy,
    ratings,
    thoughts,
)
from shared.ledger.calls import Call, run_steps
from shared.ledger.forgetting import pending, people, scan
from shared.ledger.forgetting.quotes import Words
from shared.ledger.lifecycle import ConversationMemory, JobLimits
from shared.ledger.privacy import Forgotten, forgotten_text
from shared.ledger.ratings import Rated
from shared.preferences import Preferences, Scope, Stored
from shared.replies import ThoughtSoFar
from tests.integration.ledger_steps import (
    DONE,
    REMEMBER,
    accept,
    claim,
    deliver,
    lease_of,
    message,
    outbox_of,
    state_of,
    wait_for,
)
from tests.patience import PATIENCE_S
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
    """All strings, hashes, lists and streams of Redis."""
    found: list[Any] = []
    for key in store.client.scan_iter():
        kind = store.client.type(key)
        if kind == b"hash":
            found += store.client.hvals(key)
        elif kind == b"list":
            found += store.client.lrange(key, 0, -1)
        elif kind == b"stream":
            entries: Any = store.client.xrange(key)
            found += [value for _, fields in entries for value in fields.values()]
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


def asked_of_all(store: BlockingStore) -> Job:
    """Alice in every kind of key that one step after the other deletes; her first question."""
    job = asked(store, 1, "U1", "1")
    words = "the blue door of the old tower opens at nine"
    mine = dataclasses.replace(by(message(2, "2"), "U1"), text=words)
    accept(store, mine)
    for number, text, quoted in (
        (3, f"she wrote: {words.upper()}!", ()),
        (4, "summarize what she said", ("U1",)),
        (5, "something else entirely, and of nobody", ()),
    ):
        theirs = dataclasses.replace(by(message(number, f"{number}"), "U2"), text=text)
        theirs = dataclasses.replace(theirs, quoted=quoted)
        accept(store, theirs)
        claim(store, theirs)
        people = ("U2", *quoted)
        turns = (Turn("user", text, theirs.id, people), Turn("assistant", "So.", theirs.id, people))
        memory = dataclasses.replace(REMEMBER, turns=turns)
        assert store.run(lifecycle.finish(theirs.id, "t1", DONE, memory)).counted
        deliver(store, theirs)
    store.client.hset(keys.feedback(job.origin.asker), job.id, "good")
    rate(store, 6, "U1", "C1")
    # One of the others' was answered long ago: only the turns tell of her words.
    old = by(message(4, "4"), "U2")
    store.client.delete(keys.job(old.id))
    scope = Scope("slack:T1", "C1")
    stored = store.run(preferences.put(scope, Stored(), Preferences(system_prompt=SECRET), "U1"))
    assert stored
    assert store.run(preferences.put(scope, stored, Preferences(), "U2"))
    return job


@pytest.mark.parametrize("num_steps", [0, 1, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30])
def test_a_process_that_is_killed_between_two_steps_leaves_nothing_that_the_next_one_misses(
    store: BlockingStore, num_steps: int
) -> None:
    job = asked_of_all(store)
    asked_ms = store.run(scan.now())
    killed = people.forget(job.origin, asked_ms)
    call = next(killed)
    with contextlib.suppress(StopIteration):
        for _ in range(num_steps):
            call = killed.send(store.run(call))

    run_steps(store.run, people.forget(job.origin, asked_ms))

    left = everything(store)
    assert SECRET.encode() not in left
    assert b"tower" not in left.lower()
    assert b"summarize" not in left
    assert b"U1" not in left.split(b"\n")
    assert b"So." in left
    assert b"something else entirely" in left
    names = [name for name in store.client.scan_iter() if b"U1" in name]
    assert names == []


async def test_an_answer_that_is_not_shown_yet_is_not_shown(
    store: BlockingStore, bots_store: bots.store.AsyncStore
) -> None:
    job, other = by(message(1, "1"), "U1"), by(message(2, "2"), "U2")
    for each in (job, other):
        accept(store, each)
        claim(store, each)
        assert store.run(lifecycle.finish(each.id, "t1", DONE, REMEMBER)).counted

    await forget_user(bots_store, job.origin)

    assert [job_id for _, job_id, _ in outbox_of(store)] == [other.id]


def test_other_peoples_open_question_with_their_words_is_answered_first(
    store: BlockingStore,
) -> None:
    job = asked(store, 1, "U1", "1")
    theirs = dataclasses.replace(by(message(2, "2"), "U2"), text="what is a?", quoted=("U1",))
    accept(store, theirs)
    claim(store, theirs)

    gone = run_steps(store.run, people.forget(job.origin, store.run(scan.now())))

    assert gone.left == (theirs.id,)
    turns = (Turn("user", "what is a?", theirs.id), Turn("assistant", "x", theirs.id))
    memory = dataclasses.replace(REMEMBER, turns=turns)
    assert store.run(lifecycle.finish(theirs.id, "t1", DONE, memory)).counted
    assert run_steps(store.run, people.finish(gone.left, is_last=False)) == gone.left
    deliver(store, theirs)
    assert run_steps(store.run, people.finish(gone.left, is_last=False)) == ()
    assert b"what is a?" not in everything(store)


def test_one_that_is_never_shown_is_withdrawn_in_the_end(store: BlockingStore) -> None:
    theirs = dataclasses.replace(by(message(2, "2"), "U2"), text="what is a?", quoted=("U1",))
    accept(store, theirs)

    assert run_steps(store.run, people.finish((theirs.id,), is_last=True)) == ()

    assert state_of(store, theirs) == "withdrawn"
    assert b"what is a?" not in everything(store)


async def test_what_a_dead_process_began_another_one_ends(
    store: BlockingStore, bots_store: bots.store.AsyncStore
) -> None:
    job = asked_of_all(store)
    store.run(pending.ask(job.origin))
    assert store.run(pending.take("slack")) is None, "it is the first process's for a while"
    state = json.loads(store.client.hget(keys.FORGETTING, job.origin.asker) or b"{}")
    store.client.hset(keys.FORGETTING, job.origin.asker, json.dumps({**state, "due": "0"}))

    async def retract(job_id: str) -> None:
        await bots_store.run(answer_actions.withdraw(job_id))

    running = asyncio.create_task(Forgetter(bots_store, retract).run("slack"))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while store.client.hlen(keys.FORGETTING):  # noqa: ASYNC110 - it happens in Redis
                await asyncio.sleep(0.02)
    finally:
        await end([running])

    assert b"tower" not in everything(store).lower()


def test_questions_asked_after_the_request_stay(store: BlockingStore) -> None:
    job = asked(store, 1, "U1", "1")
    asked_ms = store.run(scan.now())
    store.run(pending.ask(job.origin))
    wait_for(lambda: store.run(scan.now()) > asked_ms)
    later = by(message(2, "2"), "U1")
    accept(store, later)

    run_steps(store.run, people.forget(job.origin, asked_ms))

    assert state_of(store, later) == "queued"
    assert store.client.zrange(keys.questions(job.origin.asker), 0, -1) == [later.id.encode()]


def test_one_step_looks_at_few_keys(store: BlockingStore) -> None:
    pipe = store.client.pipeline(transaction=False)
    for number in range(3 * scan.LOOK_AT):
        pipe.rpush(keys.transcript(f"slack:T1:C9:{number}"), codec.encode(Turn("user", "hello")))
    pipe.execute()
    origin = by(message(1), "U1").origin
    sizes = []

    def run(call: Call[Any]) -> object:
        sizes.append(len(call.args))
        return store.run(call)

    run_steps(run, people.forget(origin, store.run(scan.now())))

    assert len(sizes) > 3 * scan.LOOK_AT / scan.AT_ONCE
    assert max(sizes) <= scan.AT_ONCE + 2


def test_the_audit_tells_no_more_who_changed_a_setting_nor_what_they_wrote(
    store: BlockingStore,
) -> None:
    scope = Scope("slack:T1", "C1")
    first = store.run(preferences.put(scope, Stored(), Preferences(system_prompt=SECRET), "U1"))
    assert first
    second = store.run(preferences.put(scope, first, Preferences(language="fr"), "U2"))
    assert second
    other = Scope("slack:T10", "C1")
    assert store.run(preferences.put(other, Stored(), Preferences(system_prompt=SECRET), "U1"))
    before = store.run(preferences.audit(10))

    assert store.run(scan.rewrite_audit("slack:T1", "U1")) == 1

    after = store.run(preferences.audit(10))
    assert [(e.at, e.tenant, e.channel, e.field) for e in after] == [
        (e.at, e.tenant, e.channel, e.field) for e in before
    ]
    assert [(e.user, e.old, e.new) for e in after if e.tenant == "slack:T1"] == [
        ("U2", "", "fr"),
        ("U2", keys.FORGOTTEN, ""),
        ("", "", keys.FORGOTTEN),
    ]
    assert [(e.user, e.new) for e in after if e.tenant == "slack:T10"] == [("U1", SECRET)]
    assert store.run(preferences.put(scope, second, Preferences(language="de"), "U2"))
    assert store.run(preferences.audit(1))[0].new == "de"


@pytest.mark.parametrize(
    ("text", "is_quoted"),
    [
        ("she said THE BLUE DOOR, of the old tower!", True),
        ("the blue door of the old", True),
        ("the blue door of the new tower", False),
        ("call 555-0199-22 now", True),
        ("mail rex@example.com.", True),
        ("an old tower and a blue door", False),
        ("", False),
    ],
)
def test_words_are_recognised_where_others_repeat_them(text: str, *, is_quoted: bool) -> None:
    words = Words()
    words.add(["The blue door of the old tower.", "I am at 555-0199-22 (rex@example.com)"])

    assert words.are_in(text) is is_quoted


def test_forgotten_text_counts_in_words() -> None:
    said = forgotten_text(Forgotten(1, 1200, 0, 2, ratings=1, documents=3, left=("a",)))

    assert "1 conversation, 1,200 questions, 0 verdicts on answers and 1 rating" in said
    assert "2 questions were still open: I have stopped." in said
    assert "3 documents of yours went, too." in said
    assert "1 question of other people with words of yours" in said
