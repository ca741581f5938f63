"""The tagging of a channel message: rated, stored for the report, and marked if it is a clear case.

The result is a reaction or nothing. A rating has no other consequence for its author.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.jobs import Job
from shared.ledger import ratings
from shared.ledger.ratings import Rated
from shared.replies import Done, Tagged
from shared.tasks import Tag
from worker.handler import Outcome
from worker.leases import HeldLease
from worker.sentiment.ratings import Label, Rating
from worker.sentiment.report import drop_text, read_ratings
from worker.sentiment.trend import BASE_DAYS, DAY_S, Drop, drop_of
from worker.store import BlockingStore

REACTIONS = {Label.POSITIVE: "🙂", Label.NEGATIVE: "🙁"}
"""Slack's slightly_smiling_face and slightly_frowning_face."""


@dataclass(frozen=True, slots=True)
class Marking:
    """The operator's options for ratings."""

    has_reactions: bool = True
    alert_drop: float = 0.0
    """The size of a drop that alerts a channel; 0 for never."""


class Tagger:
    """Rates messages; on many threads at once."""

    def __init__(
        self,
        store: BlockingStore,
        rate: Callable[[str], Rating],
        marking: Marking,
        now_s: Callable[[], float],
    ) -> None:
        """Store the dependencies; ``now_s`` gives the seconds since 1970."""
        self._store = store
        self._rate = rate
        self._marking = marking
        self._now_s = now_s

    def tag(self, held: HeldLease) -> Outcome:
        """Rate a message. See ``handler.Handler``."""
        job = held.lease.job
        rating = self._rate(job.text)
        rated = self._rated(job, rating)
        noted = self._store.run(ratings.note(held.lease, rated))
        if not noted.is_kept:
            return Outcome(Tagged(rating.label))
        if not rated.edited_at_s and (drop := self._new_drop(job)):
            return Outcome(Done(drop_text(drop)))
        was = noted.was if noted.was != rated.reaction else ""
        return Outcome(Tagged(rating.label, rated.reaction, was))

    def _rated(self, job: Job, rating: Rating) -> Rated:
        task = job.task if isinstance(job.task, Tag) else Tag(author="")
        return Rated(
            message=job.origin.message,
            user=job.origin.user,
            author=task.author,
            link=task.link,
            written_at_s=task.written_at_s or self._now_s(),
            score=rating.score,
            label=rating.label,
            reaction=reaction_of(rating, self._marking),
            edited_at_s=task.edited_at_s,
        )

    def _new_drop(self, job: Job) -> Drop | None:
        """A drop that the channel has no alert of yet, and that this job may report."""
        least, origin = self._marking.alert_drop, job.origin
        if not least or not self._store.run(ratings.may_look(origin)):
            return None
        now_s = self._now_s()
        lately = read_ratings(self._store, origin, now_s - (1 + BASE_DAYS) * DAY_S)
        drop = drop_of(lately, now_s, least)
        return drop if drop and self._store.run(ratings.may_alert(origin, job.id)) else None


def reaction_of(rating: Rating, marking: Marking) -> str:
    """The emoji for a message; empty for most."""
    return REACTIONS[rating.label] if rating.is_clear and marking.has_reactions else ""
