"""The cadence of streaming: how often answers are edited, and queue notices updated.

All numbers stand here because they depend on each other: a worker publishes snapshots to Redis, the
bots read them when a message may be edited again, and a platform allows only so many edits. The
rate limit of all bots processes together is in ``shared.ledger.rate_budget``. Pure.
"""
# Pure.

from dataclasses import dataclass

SNAPSHOT_EVERY_S = 0.2
"""The interval between a worker's snapshots of one answer. Bots edit at most once a second a
message;
the console shows every snapshot."""
MOST_SNAPSHOTS_PER_S = 40
"""The limit of all answers of a worker together: each is a call to Redis, which costs the engine
time.
With 160 a second the engine kept less than three quarters of its speed (docs/performance.md)."""

NOTICE_AFTER_S = 3.0
"""No queue notice is shown for an answer that starts sooner."""
NOTICE_EVERY_S = 3.0
"""The shortest interval between two queue notices for one question."""
LONGEST_NOTICE_EVERY_S = 8.0
"""The longest interval: well below ``keys.PRESENTER_LIFETIME_MS``, since each notice renews its
process's claim to show the job."""
NOTICE_S_PER_JOB = 0.05
"""Each job ahead lengthens the interval by this."""
NOTICES_AT_ONCE = 20
"""The burst of notices of one process before ``Cadence.notice_every_s`` applies."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a platform may be asked to show something."""

    edit_every_s: float
    """The shortest time between two edits of one message; the first text and the final one need not
    wait for it."""
    busy_every_s: float | None = None
    """The interval of the typing indicator before the first text; None for none."""
    notice_every_s: float | None = None
    """The shortest time between two queue notices, all people together; None where the platform
    shows none."""


SLACK = Cadence(
    # ``chat.update`` allows 50 calls a minute in a workspace: one answer alone may use them up, and
    # several share them by their budget (docs.slack.dev/apis/web-api/rate-limits, tier 3).
    edit_every_s=1.0,
    # Slack clears a session's status by itself after an hour.
    busy_every_s=1800.0,
    # The same calls as edits; answers need most of them.
    notice_every_s=3.0,
)
DISCORD = Cadence(
    # A channel allows some five messages or edits in five seconds.
    edit_every_s=1.0,
    # Discord shows "is typing" for ten seconds.
    busy_every_s=8.0,
    # Discord counts each channel separately: a notice costs answers elsewhere nothing.
    notice_every_s=0.5,
)
CONSOLE = Cadence(
    # A terminal accepts every snapshot, shows a spinner by itself, and has one person.
    edit_every_s=0.0,
)
