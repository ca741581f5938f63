"""How often an answer is shown while it is written, and who waits for it is told where it stands.

All numbers stand here because they hold together: a worker publishes the text so far to Redis, the
bots look at it when a message may be edited again, and a platform takes only so many edits. What
all bots processes together may ask of a platform is ``shared.ledger.rate_budget``'s. Pure.
"""
# Pure.

from dataclasses import dataclass

SNAPSHOT_EVERY_S = 0.2
"""A worker publishes the text of one answer so often. Bots edit at most once a second a message;
the console shows every snapshot."""
MOST_SNAPSHOTS_PER_S = 40
"""Of all answers of a worker together: each is a call to Redis, which costs the engine its time.
With 160 a second the engine kept less than three quarters of its speed (docs/performance.md)."""

NOTICE_AFTER_S = 3.0
"""Who gets an answer sooner is not told to wait."""
NOTICE_EVERY_S = 3.0
"""How often one person who waits is told where the question stands, at the most."""
LONGEST_NOTICE_EVERY_S = 8.0
"""And at the least: well below ``keys.PRESENTER_LIFETIME_MS``, since who tells somebody to wait is
known to do so."""
NOTICE_S_PER_JOB = 0.05
"""Who is far behind is told less often."""
NOTICES_AT_ONCE = 20
"""Notices of one process before ``Cadence.notice_every_s`` holds."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a platform is asked to show something."""

    edit_every_s: float
    """The shortest time between two edits of one message; the first text and the ending need not
    wait for it."""
    busy_every_s: float | None = None
    """How often it is shown that an answer is coming, before its first text; None for never."""
    notice_every_s: float | None = None
    """How often people who wait may be told where they stand, all of them together; None where it
    is not for us to tell them."""


SLACK = Cadence(
    # ``chat.update`` is good for 50 calls a minute in a workspace: one answer alone may use them
    # up, and several share them by their budget (docs.slack.dev/apis/web-api/rate-limits, tier 3).
    edit_every_s=1.0,
    # Slack ends a session's work by itself after an hour.
    busy_every_s=1800.0,
    # The same calls as edits; answers need most of them.
    notice_every_s=3.0,
)
DISCORD = Cadence(
    # A channel takes some five messages or edits in five seconds.
    edit_every_s=1.0,
    # Discord shows "is typing" for ten seconds.
    busy_every_s=8.0,
    # Discord counts each channel by itself: a notice takes nothing from answers elsewhere.
    notice_every_s=0.5,
)
CONSOLE = Cadence(
    # A terminal takes every snapshot, shows that it waits by itself, and has one person.
    edit_every_s=0.0,
)
