"""What somebody reads who waits: how many are ahead, how long it may take, or that nobody works.

Pure. Figures are rounded as far as they are known, so that a notice seldom changes.
"""

from shared.ledger.status import Place

WAITING = frozenset({"waiting", "queued"})
"""The states of a job that no worker has begun."""
OPEN = WAITING | {"running"}
"""The states of a job that owes its ending."""
STARTING = "*The model is starting. Your question is kept and will be answered as soon as it runs.*"
NOBODY = (
    "*No worker is running at the moment. Your question is kept and will be answered when one "
    "comes.*"
)
NEXT = "*You are next.*"
EXACT_UP_TO = 20
"""Above it nobody counts: tens will do."""
MS = 1000
MINUTE_S = 60
STEP_S = 5


def waiting_notice(place: Place) -> str | None:
    """A sentence for somebody whose question has not been begun; None if there is none to say."""
    if place.state not in WAITING:
        return None
    if place.num_alive == 0:
        return NOBODY
    if place.num_ready == 0:
        return STARTING
    if place.num_ahead == 0:
        return NEXT
    wait = "" if place.wait_ms is None else f", {_roughly(place.wait_ms / MS)}"
    return f"*{_count(place.num_ahead)} ahead of you{wait}.*"


def _count(number: int) -> str:
    if number <= EXACT_UP_TO:
        return str(number)
    return f"About {round(number, -1):,}"


def _roughly(wait_s: float) -> str:
    """A time in words: in steps of 5 s, and above a minute in minutes."""
    steps_s = STEP_S * max(1, -(-wait_s // STEP_S))
    if steps_s < MINUTE_S:
        return f"about {steps_s:.0f} s"
    minutes = round(steps_s / MINUTE_S)
    return f"about {minutes:,} min"
