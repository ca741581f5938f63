"""Every Redis key, stream and lifetime, with the reason for each number.

Celery's own keys stand beside these: a list for each queue (``chat``), ``unacked*`` and
``_kombu.*``.
"""

PREFIX = "parley:"

OPEN = PREFIX + "open"
"""Sorted set: every job that is not finished -> when somebody must look at it, in ms."""

WORKERS = PREFIX + "workers"
"""Sorted set: worker name -> when it was last alive, in ms."""

OUTBOX_GROUP = "bots"

DELIVERED_JOB_LIFETIME_MS = 24 * 3600 * 1000
"""How long a delivered job is remembered, which is also the window in which a redelivered event is
recognised. Slack redelivers for about 6 minutes, with Delayed Events for 24 hours."""

REPUBLISH_AFTER_MS = 5_000
"""A job that was handed to Celery and not claimed by then may have been lost there."""

REPUBLISH_AT_LATEST_MS = 60_000
"""While its queue is not empty a job is probably just waiting; this long, and no longer."""

PRESENTER_LOCK_MS = 6_000
"""A bots process that holds a job's message and died frees it after this. Renewed each third."""

PRESENTER_LIFETIME_MS = 10_000
"""Partial answers are shown by one process; another one takes over after this silence."""

WORKER_LIFETIME_MS = 10_000
"""A worker that has not been heard of for this long is not alive."""


def job(job_id: str) -> str:
    """Hash: the job, its state and everything the two sides note about it."""
    return f"{PREFIX}job:{job_id}"


def snapshot(job_id: str) -> str:
    """String: the latest Snapshot of a running job."""
    return f"{PREFIX}snapshot:{job_id}"


def mailbox(conversation: str) -> str:
    """List: the open jobs of a conversation, oldest first; only the first may run."""
    return f"{PREFIX}mailbox:{conversation}"


def transcript(conversation: str) -> str:
    """List: the remembered turns of a conversation, oldest first."""
    return f"{PREFIX}transcript:{conversation}"


def presence(conversation: str) -> str:
    """String: exists while we take part in a conversation, so that follow-ups are ours."""
    return f"{PREFIX}presence:{conversation}"


def answer(platform: str, team: str, channel: str, message: str) -> str:
    """String: one of our posted messages -> the thread it belongs to, so that replies go on."""
    return f"{PREFIX}answer:{platform}:{team}:{channel}:{message}"


def outbox(name: str) -> str:
    """Stream: finished replies for one platform; entries hold ``job`` and ``reply``."""
    return f"{PREFIX}outbox:{name}"


def nudge(name: str) -> str:
    """Pub/sub channel: ids of jobs whose Snapshot has changed."""
    return f"{PREFIX}nudge:{name}"


def worker(name: str) -> str:
    """String: what a live worker runs; expires when it is silent."""
    return f"{PREFIX}worker:{name}"
