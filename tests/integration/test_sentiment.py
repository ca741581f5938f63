"""Messages are rated with the real model, noted in a real Redis, reported, and forgotten."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import platformdirs
import pytest

from shared.jobs import Kind, Origin, Platform, make_job
from shared.ledger import answer_actions, keys, lifecycle, ratings
from shared.ledger.answer_actions import Did
from shared.ledger.lifecycle import Claimant, ConversationMemory, JobLimits, Lease
from shared.ledger.ratings import FIRST, Rated
from shared.replies import Done, Tagged
from shared.tasks import Report, Tag, Task
from worker.leases import HeldLease
from worker.sentiment.classifier import ClassifierChoice, load_classifier
from worker.sentiment.rater import Rater
from worker.sentiment.report import NothingRatedError, Reporter, read_ratings
from worker.sentiment.tagging import Marking, Tagger
from worker.sentiment.trend import DAY_S, MIN_BASE, MIN_HALF_DAY
from worker.store import BlockingStore

NOW_S = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
PRAISE, BLAME, PLAIN = (
    "This is wonderful, I love it!",
    "I hate this awful mess.",
    "The door is 2 m.",
)
PNG = "iVBORw0KGgo"
"""How every PNG begins, as base64."""


def now_s() -> float:
    return NOW_S


@pytest.fixture(scope="module")
def rater() -> Iterator[Rater]:
    """The default model."""
    # Loaded here and not at its first use: OpenVINO keeps the file of its weights open.
    cache_dir = platformdirs.user_cache_path("parley")
    classifier = load_classifier(ClassifierChoice(cache_dir, device="cpu"))
    rater = Rater(lambda: classifier)
    yield rater
    rater.close()


def lease_of(
    store: BlockingStore, text: str, number: int, task: Task, user: str = "U1", act: str = ""
) -> Lease:
    """A job that a worker has in hand."""
    kind = Kind(task.type)
    origin = Origin(Platform.SLACK, "T1", "C1", "", f"{number}.0", user, act=act or kind)
    job = make_job(kind, origin, text, task=task)
    store.run(lifecycle.accept(job, LIMITS))
    claimant = Claimant("w1", f"token{number}{act}", lease_ms=600_000, max_attempts=9)
    lease = store.run(lifecycle.claim(job.id, claimant)).lease
    assert lease
    return lease


def overheard(store: BlockingStore, text: str, number: int, user: str = "U1") -> Lease:
    task = Tag("ana", f"https://example.org/{number}", NOW_S - number)
    return lease_of(store, text, number, task, user)


def report_lease(store: BlockingStore, days: int = 30) -> Lease:
    return lease_of(store, "", 9_000, Report(days))


def kept(store: BlockingStore, lease: Lease) -> list[Rated]:
    return list(read_ratings(store, lease.job.origin, 0))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (PRAISE, Tagged("positive", "🙂")),
        (BLAME, Tagged("negative", "🙁")),
        (PLAIN, Tagged("neutral", "")),
    ],
)
def test_message_is_rated_noted_and_marked_if_it_is_clear(
    store: BlockingStore, rater: Rater, text: str, reply: Tagged
) -> None:
    lease = overheard(store, text, 1)

    outcome = Tagger(store, rater.rate, Marking(), now_s).tag(HeldLease(lease))

    assert outcome.reply == reply
    (rated,) = kept(store, lease)
    assert (rated.message, rated.user, rated.author) == ("1.0", "U1", "ana")
    assert (rated.link, rated.written_at_s) == ("https://example.org/1", NOW_S - 1)
    assert rated.label == reply.label


def test_text_of_a_rated_message_is_not_kept(store: BlockingStore, rater: Rater) -> None:
    lease = overheard(store, PRAISE, 1)
    Tagger(store, rater.rate, Marking(), now_s).tag(HeldLease(lease))

    origin = lease.job.origin
    stream: Any = store.client.xrange(keys.ratings(origin.tenant, origin.channel))

    assert len(stream) == 1
    assert "wonderful" not in repr(stream)


def test_no_message_is_marked_where_that_is_switched_off(
    store: BlockingStore, rater: Rater
) -> None:
    lease = overheard(store, PRAISE, 1)

    outcome = Tagger(store, rater.rate, Marking(has_reactions=False), now_s).tag(HeldLease(lease))

    assert outcome.reply == Tagged("positive", "")


def test_message_that_is_rated_twice_counts_once(store: BlockingStore, rater: Rater) -> None:
    lease = overheard(store, PRAISE, 1)
    tagger = Tagger(store, rater.rate, Marking(), now_s)

    assert tagger.tag(HeldLease(lease)).reply == tagger.tag(HeldLease(lease)).reply

    assert len(kept(store, lease)) == 1


def changed(store: BlockingStore, text: str, number: int, edited_at_s: float) -> Lease:
    """A message whose text was changed, as a worker has it in hand."""
    task = Tag("ana", f"https://example.org/{number}", NOW_S - number, edited_at_s)
    return lease_of(store, text, number, task, act=f"tag:{edited_at_s:.6f}")


def test_changed_message_has_the_rating_of_its_latest_text(
    store: BlockingStore, rater: Rater
) -> None:
    tagger = Tagger(store, rater.rate, Marking(), now_s)
    tagger.tag(HeldLease(overheard(store, PRAISE, 1)))
    early, late = changed(store, PLAIN, 1, NOW_S + 10), changed(store, BLAME, 1, NOW_S + 20)

    after = tagger.tag(HeldLease(late)).reply
    again = tagger.tag(HeldLease(late)).reply
    overtaken = tagger.tag(HeldLease(early)).reply

    assert after == again == Tagged("negative", "🙁", was="🙂")
    assert overtaken == Tagged("neutral"), "it neither marks the message nor takes a mark away"
    (rated,) = kept(store, late)
    assert (rated.label, rated.edited_at_s) == ("negative", NOW_S + 20)
    assert rated.written_at_s == NOW_S - 1


def test_changed_message_keeps_its_mark_if_it_sounds_as_before(
    store: BlockingStore, rater: Rater
) -> None:
    tagger = Tagger(store, rater.rate, Marking(), now_s)
    tagger.tag(HeldLease(overheard(store, PRAISE, 1)))

    assert tagger.tag(HeldLease(changed(store, PRAISE, 1, NOW_S))).reply == Tagged("positive", "🙂")


def test_text_that_was_changed_before_it_was_rated_does_not_count(
    store: BlockingStore, rater: Rater
) -> None:
    tagger = Tagger(store, rater.rate, Marking(), now_s)
    first, second = overheard(store, PRAISE, 1), changed(store, BLAME, 1, NOW_S)

    assert tagger.tag(HeldLease(second)).reply == Tagged("negative", "🙁")
    assert tagger.tag(HeldLease(first)).reply == Tagged("positive")

    assert [rated.label for rated in kept(store, first)] == ["negative"]


def test_message_that_was_deleted_or_never_rated_is_not_rated_when_it_was_changed(
    store: BlockingStore, rater: Rater
) -> None:
    tagger = Tagger(store, rater.rate, Marking(), now_s)
    first = overheard(store, PRAISE, 1)
    tagger.tag(HeldLease(first))
    store.run(lifecycle.finish(first.job.id, first.token, Tagged("positive"), ConversationMemory()))
    gone, unknown = changed(store, BLAME, 1, NOW_S), changed(store, BLAME, 2, NOW_S)
    store.run(ratings.remove(first.job.origin))

    replies = [tagger.tag(HeldLease(lease)).reply for lease in (gone, unknown)]

    assert replies == [Tagged("negative"), Tagged("negative")]
    assert kept(store, first) == []


def test_message_that_was_deleted_has_no_rating_any_more(
    store: BlockingStore, rater: Rater
) -> None:
    tagger = Tagger(store, rater.rate, Marking(), now_s)
    first, second = overheard(store, PRAISE, 1), overheard(store, BLAME, 2)
    tagger.tag(HeldLease(first))
    tagger.tag(HeldLease(second))

    assert store.run(ratings.remove(first.job.origin))

    assert [rated.message for rated in kept(store, first)] == ["2.0"]
    assert not store.run(ratings.remove(first.job.origin))


def test_message_that_is_deleted_while_it_is_rated_gets_no_rating(
    store: BlockingStore, rater: Rater
) -> None:
    lease = overheard(store, PRAISE, 1)
    assert store.run(answer_actions.withdraw(lease.job.id)).did is Did.WITHDRAWN

    Tagger(store, rater.rate, Marking(), now_s).tag(HeldLease(lease))

    assert kept(store, lease) == []


def test_ratings_of_people_who_opted_out_are_not_read(store: BlockingStore, rater: Rater) -> None:
    tagger = Tagger(store, rater.rate, Marking(), now_s)
    for number, user in enumerate(["U1", "U2", "U3", "U2"]):
        tagger.tag(HeldLease(overheard(store, PRAISE, number, user)))
    lease = report_lease(store)
    store.client.sadd(keys.opted_out(lease.job.origin.tenant), "U2")

    assert [rated.user for rated in kept(store, lease)] == ["U1", "U3"]


def test_ratings_are_read_page_by_page(store: BlockingStore) -> None:
    for number in range(5):
        note(store, number, score=0.0, age_s=0)
    origin = report_lease(store).job.origin

    found: list[str] = []
    start = FIRST
    while start:
        page = store.run(ratings.page(origin, start, size=2))
        assert len(page.ratings) <= 2
        found += [rated.message for rated in page.ratings]
        start = page.next_start

    assert found == ["0.0", "1.0", "2.0", "3.0", "4.0"]


def test_old_ratings_make_room(store: BlockingStore) -> None:
    """The stream's ids are the times of rating; these are of 1970."""
    origin = report_lease(store).job.origin
    stream = keys.ratings(origin.tenant, origin.channel)
    hash_key = keys.rated(origin.tenant, origin.channel)
    for number in range(5):
        store.client.xadd(stream, {"message": f"old{number}"}, id=f"{number + 1}-0")
        store.client.hset(hash_key, f"old{number}", f"{number + 1}-0")

    note(store, 1, score=0.0, age_s=0)

    assert [rated.message for rated in read_ratings(store, origin, 0)] == ["1.0"]
    assert store.client.hkeys(hash_key) == [b"1.0"]


def note(store: BlockingStore, number: int, score: float, age_s: float) -> None:
    """A message that was rated before."""
    lease = overheard(store, "", number)
    label = "positive" if score >= 0.5 else "negative" if score <= -0.5 else "neutral"
    link = f"https://example.org/{number}"
    rated = Rated(f"{number}.0", "U1", "ana", link, NOW_S - age_s, score, label)
    assert store.run(ratings.note(lease, rated)).is_kept


def let_the_mood_drop(store: BlockingStore) -> None:
    for number in range(MIN_BASE):
        note(store, 1_000 + number, score=2.0, age_s=3 * DAY_S)
    for number in range(2 * MIN_HALF_DAY):
        note(store, 2_000 + number, score=-2.0, age_s=(0.3 + 0.5 * (number % 2)) * DAY_S)


def test_channel_is_told_of_a_sustained_drop_once(store: BlockingStore, rater: Rater) -> None:
    let_the_mood_drop(store)
    tagger = Tagger(store, rater.rate, Marking(alert_drop=1.5), now_s)
    origin = report_lease(store).job.origin
    looked_at = keys.mood_looked_at(origin.tenant, origin.channel)

    first, second = overheard(store, BLAME, 1), overheard(store, BLAME, 2)
    told = tagger.tag(HeldLease(first)).reply
    assert isinstance(told, Done)
    assert told.text.startswith("The mood in this channel has dropped: 21 messages")

    assert isinstance(tagger.tag(HeldLease(second)).reply, Tagged)
    # Ten minutes later: the job that died before its end may say it again, no other may.
    store.client.delete(looked_at)
    assert isinstance(tagger.tag(HeldLease(second)).reply, Tagged)
    store.client.delete(looked_at)
    assert isinstance(tagger.tag(HeldLease(first)).reply, Done)


@pytest.mark.parametrize("alert_drop", [0.0, 5.0])
def test_channel_is_not_told_of_a_drop_that_nobody_wants_to_know_of(
    store: BlockingStore, rater: Rater, alert_drop: float
) -> None:
    let_the_mood_drop(store)

    outcome = Tagger(store, rater.rate, Marking(alert_drop=alert_drop), now_s).tag(
        HeldLease(overheard(store, BLAME, 1))
    )

    assert isinstance(outcome.reply, Tagged)


def test_report_is_a_picture_with_counts_and_links(store: BlockingStore) -> None:
    note(store, 1, score=3.0, age_s=DAY_S)
    note(store, 2, score=-2.5, age_s=0)
    note(store, 3, score=3.5, age_s=40 * DAY_S)  # before the thirty days

    reply = Reporter(store, now_s).report(HeldLease(report_lease(store))).reply

    assert isinstance(reply, Done)
    assert "2 messages rated: 50% positive, 0% neutral, 50% negative." in reply.text
    assert "[23 November](https://example.org/1)" in reply.text
    assert "[24 November](https://example.org/2)" in reply.text
    assert "example.org/3" not in reply.text
    assert reply.picture is not None
    assert reply.picture.content.startswith(PNG)
    assert reply.picture.name == "sentiment-2026-11-24.png"
    assert "between -2.5 and +3.0" in reply.picture.description


def test_report_of_a_channel_without_ratings_says_how_to_switch_them_on(
    store: BlockingStore,
) -> None:
    with pytest.raises(NothingRatedError, match="PARLEY_SENTIMENT_CHANNELS") as caught:
        Reporter(store, now_s).report(HeldLease(report_lease(store, days=7)))

    assert "in the last 7 days" in caught.value.sentence
