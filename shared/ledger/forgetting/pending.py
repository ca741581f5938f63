"""What is still to be forgotten: people who asked for it, and workspaces that have left.

It outlives the process that began: any bots process of the platform goes on with it.
"""

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum

from shared.jobs import Origin, Platform
from shared.ledger import keys
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lua import forgetting as scripts

TAKEN_MS = 15_000
"""For so long one process has a person for itself; doing it twice does no harm. Longer than the
person waits for an answer, so that it is the first process that has the numbers."""
AGAIN_MS = 2_000
"""How soon what had to be left is tried again."""


class ForgettingStage(StrEnum):
    """What is left to do."""

    SCAN = "scan"
    """Everything."""
    LEFT = "left"
    """Other people's questions with the person's words, which were open."""
    DISK = "disk"
    """Redis's file on the disk, which has to be written again."""


@dataclass(frozen=True, slots=True)
class PendingPerson:
    """A person who asked to be forgotten."""

    person: str
    """As ``Origin.asker``."""
    at_ms: int
    """When they asked."""
    stage: ForgettingStage = ForgettingStage.SCAN
    left: tuple[str, ...] = ()
    """Jobs, in the stage ``LEFT``."""

    @property
    def origin(self) -> Origin:
        """The person and the workspace."""
        platform, _, rest = self.person.partition(":")
        team, _, user = rest.rpartition(":")
        return Origin(Platform(platform), team, "", "", "", user)


def ask(origin: Origin) -> Call[PendingPerson]:
    """Remember that a person wants to be forgotten, all up to this moment."""
    person = origin.asker
    return Call(
        scripts.ASK, (person, TAKEN_MS), lambda raw: PendingPerson(person, int(text_of(raw)))
    )


def take(platform: str) -> Call[PendingPerson | None]:
    """One of the people of a platform whose turn it is, for this process alone for a while."""

    def read(raw: Raw) -> PendingPerson | None:
        if not raw:
            return None
        person, state = (text_of(word) for word in raw)
        known = json.loads(state)
        stage, left = ForgettingStage(known["stage"]), tuple(known["left"].split())
        return PendingPerson(person, int(known["at"]), stage, left)

    return Call(scripts.TAKE, (f"{platform}:", TAKEN_MS), read)


def note(pending: PendingPerson, due_ms: int) -> Call[bool]:
    """Record what is left to do, and when; False if the person has asked again meanwhile."""
    state = {
        "at": str(pending.at_ms),
        "due": str(due_ms),
        "stage": pending.stage.value,
        "left": " ".join(pending.left),
    }
    return Call(scripts.NOTE, (pending.person, pending.at_ms, json.dumps(state)), is_one)


def done(pending: PendingPerson) -> Call[bool]:
    """Record that nothing is left to do; False if the person has asked again meanwhile."""
    return Call(scripts.NOTE, (pending.person, pending.at_ms, ""), is_one)


def at_stage(
    pending: PendingPerson, stage: ForgettingStage, left: tuple[str, ...] = ()
) -> PendingPerson:
    """The same person, at another stage."""
    return dataclasses.replace(pending, stage=stage, left=left)


def leave(tenant: str, in_ms: int = keys.LEAVING_MS) -> Call[bool]:
    """Delete what is kept of a workspace in a while; False if it was to be deleted already."""
    return Call(scripts.LEAVE, (tenant, in_ms), is_one)


def come_back(*tenants: str) -> Call[int]:
    """Workspaces have us (again), so nothing of them is deleted; how many were going to be.

    At most some thousands at once.
    """
    return Call(scripts.RETURN, tenants, lambda raw: int(text_of(raw)))


def left(platform: str) -> Call[tuple[str, ...]]:
    """The workspaces of a platform that have left so long ago that they are to be deleted."""

    def read(raw: Raw) -> tuple[str, ...]:
        return tuple(text_of(word) for word in raw)

    return Call(scripts.LEFT, (f"{platform}:",), read)
