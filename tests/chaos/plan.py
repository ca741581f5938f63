"""What will go wrong, and when: drawn from a seed before anything runs. Pure.

A deed is due once so many messages have been sent, so that every kill meets a system under load.
The same seed draws the same deeds; what they meet still depends on the machine's timing.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

QUIET_START, QUIET_END = 0.05, 0.97
"""The part of the run in which deeds happen: never without load."""
FULL_RUN = 10_000
UPGRADE_FROM = 0.1
"""Afterwards one process after the other: a worker loads its model for longer than 100 answers
take."""
FAILOVER_PAUSE_S = 8.0
"""Sentinels find out within 1 s and promote the replica within some 2 s more."""


class Deed(StrEnum):
    """One thing that goes wrong."""

    KILL_WORKER = "kill a worker"
    KILL_BOTS = "kill a bots process"
    KILL_ALL_BOTS = "kill all bots processes at once"
    KILL_REDIS = "kill Redis"
    FREEZE_WORKER = "freeze a worker past its leases"
    FREEZE_BOTS = "freeze a bots process until others show its answers"
    DROP_SLACK = "break all Slack sockets"
    REFRESH_SLACK = "refresh all Slack sockets"
    DROP_DISCORD = "break all Discord gateways"
    RECONNECT_DISCORD = "ask all Discord gateways to reconnect"
    INVALIDATE_DISCORD = "invalidate all Discord sessions"
    BREAK_SLACK_CALL = "break a call to Slack"
    BREAK_DISCORD_CALL = "break a call to Discord"
    UPGRADE_WORKER = "replace a worker by one of the new version"
    UPGRADE_BOTS = "replace a bots process by one of the new version"


@dataclass(frozen=True, slots=True)
class Event:
    """A deed that is due once ``at_message`` messages have been sent."""

    at_message: int
    deed: Deed
    pause_s: float
    """How long the victim stays away (or, frozen, stays so beyond its lease)."""
    choice: int
    """Chooses the victim, or the fault."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How often a deed happens in a run of ``FULL_RUN`` messages, at least, and how long."""

    full: int
    least: int
    pause_s: tuple[float, float] = (0.0, 0.0)


AMOUNTS = {
    Deed.KILL_WORKER: Amount(52, 5, (0.0, 3.0)),
    Deed.KILL_BOTS: Amount(16, 1, (0.0, 2.0)),
    Deed.KILL_ALL_BOTS: Amount(4, 1, (0.0, 2.0)),
    Deed.KILL_REDIS: Amount(6, 1, (0.1, 4.0)),
    Deed.FREEZE_WORKER: Amount(10, 1, (1.0, 5.0)),
    Deed.FREEZE_BOTS: Amount(10, 1, (1.0, 5.0)),
    Deed.DROP_SLACK: Amount(20, 1),
    Deed.REFRESH_SLACK: Amount(20, 1),
    Deed.DROP_DISCORD: Amount(20, 1),
    Deed.RECONNECT_DISCORD: Amount(10, 1),
    Deed.INVALIDATE_DISCORD: Amount(3, 1),
    Deed.BREAK_SLACK_CALL: Amount(200, 10),
    Deed.BREAK_DISCORD_CALL: Amount(200, 10),
}


def rolling_upgrade(num_messages: int) -> tuple[Event, ...]:
    """Two workers and two bots processes are replaced one by one, in turns."""
    deeds = (
        (Deed.UPGRADE_WORKER, 0),
        (Deed.UPGRADE_BOTS, 0),
        (Deed.UPGRADE_WORKER, 1),
        (Deed.UPGRADE_BOTS, 1),
    )
    return tuple(
        Event(round(num_messages * UPGRADE_FROM) + number, deed, 0.0, choice)
        for number, (deed, choice) in enumerate(deeds)
    )


def failover(num_messages: int) -> tuple[Event, ...]:
    """The Redis in charge is killed in the middle, and comes back when another has taken over."""
    return (Event(num_messages // 2, Deed.KILL_REDIS, FAILOVER_PAUSE_S, 0),)


def make_plan(seed: int, num_messages: int) -> tuple[Event, ...]:
    """All deeds of a run, in the order in which they are due."""
    random_ = random.Random(f"deeds {seed}")
    events = [
        event
        for deed, amount in AMOUNTS.items()
        for event in _spread(deed, amount, num_messages, random_)
    ]
    return tuple(sorted(events, key=lambda event: event.at_message))


def num_deeds(amount: Amount, num_messages: int) -> int:
    """How often a deed happens in a run of so many messages."""
    return max(amount.least, math.ceil(amount.full * num_messages / FULL_RUN))


def _spread(
    deed: Deed, amount: Amount, num_messages: int, random_: random.Random
) -> Iterator[Event]:
    """The deeds of one kind: one at a random place of each equal slice of the run."""
    number = num_deeds(amount, num_messages)
    for k in range(number):
        place = QUIET_START + (QUIET_END - QUIET_START) * (k + random_.random()) / number
        yield Event(
            at_message=max(1, round(place * num_messages)),
            deed=deed,
            pause_s=random_.uniform(*amount.pause_s),
            choice=random_.randrange(1_000_000),
        )
