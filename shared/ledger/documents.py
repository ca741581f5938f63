"""How documents leave what questions are answered from: steps for either side's Redis client.

``worker.knowledge`` takes documents in and finds passages in them.
"""

from collections.abc import Sequence

from shared.jobs import Origin
from shared.ledger.calls import Call, Raw
from shared.ledger.lua import knowledge as scripts

NO_VECTOR_SETS = (
    "This Redis has no vector sets, which documents need: use Redis 8 or later, or leave "
    "PARLEY_REDIS_URL out for the embedded one."
)


def drop(document_ids: Sequence[str]) -> Call[int]:
    """Remove documents with all their passages; answers how many there were."""
    return Call(scripts.DROP, tuple(document_ids), _number)


def forget(origin: Origin) -> Call[int]:
    """Remove what was learned from a message, because that was deleted or is pinned no more.

    Answers how many documents that were.
    """
    place = (origin.platform.value, origin.team, origin.channel, origin.message)
    return Call(scripts.FORGET, place, _number)


def _number(raw: Raw) -> int:
    return int(raw)  # type: ignore[call-overload,no-any-return]  # these scripts answer a number
