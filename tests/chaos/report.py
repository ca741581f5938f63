"""The closing line and, for each failure, what a developer needs to find its cause. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.checker import Finding, Outcome, count
from tests.chaos.conversations import Question

MAX_CASES = 10


@dataclass(frozen=True, slots=True)
class Kills:
    """How many processes of each kind were killed with SIGKILL."""

    workers: int
    bots: int
    redis: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    findings: Sequence[Finding]
    num_accepted: int
    recoveries_s: Sequence[float]
    """For each job that a killed worker held: from the kill until its final text stood there."""
    kills: Kills

    @property
    def num_broken(self) -> int:
        """How often the promise was broken."""
        found = count(self.findings)
        return found[Outcome.LOST] + found[Outcome.DOUBLED]


def closing_line(result: Result) -> str:
    """The run in one line."""
    found, kills = count(result.findings), result.kills
    recoveries = sorted(result.recoveries_s)
    return " · ".join(
        [
            f"accepted {result.num_accepted}",
            *(f"{outcome} {found[outcome]}" for outcome in Outcome),
            f"recovery {_percentile(recoveries, 50)}/{_percentile(recoveries, 95)} s",
            f"kills {kills.workers} workers, {kills.bots} bots, {kills.redis} redis",
        ]
    )


def describe_case(
    finding: Finding, question: Question | None, expected: str | None, job: Mapping[str, str]
) -> str:
    """One failure: the message, what stands there, what should, and the ledger's view of it."""
    lines = [f"{finding.outcome}: {finding.marker or 'a stray message'}: {finding.reason}"]
    if question is not None:
        spot = question.spot
        lines.append(
            f"  asked on {spot.platform} in {spot.channel}, thread {spot.root or '-'}, message "
            f"{question.message}, job {question.job_id}: {question.text}"
        )
        lines += [
            f"  stands there: {post.id} {' → '.join(map(repr, post.texts))}"
            f"{' (deleted)' if post.is_deleted else ''}"
            for post in question.posts
        ]
        lines.append(f"  should be: {expected!r}")
        lines.append(f"  ledger: {dict(job) or 'knows no such job'}")
    return "\n".join(lines)


def _percentile(sorted_values: Sequence[float], percent: int) -> str:
    """By nearest rank; a dash if there is no value."""
    if not sorted_values:
        return "-"
    rank = math.ceil(percent / 100 * len(sorted_values))
    return f"{sorted_values[max(0, rank - 1)]:.1f}"
