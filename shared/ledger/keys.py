"""Every Redis key, stream and lifetime, with the reason for each number.

Celery's own keys stand beside these: a list for each queue (``chat``), ``unacked*`` and
``_kombu.*``.
"""
# Pure.

PREFIX = "parley:"

OPEN = PREFIX + "open"
"""Sorted set: every job that is not finished -> when somebody must look at it, in ms."""

QUEUE = PREFIX + "queue"
"""Sorted set: every job that waits for a worker -> its number; a job's rank is its place."""

SEQUENCE = PREFIX + "sequence"
"""String: how many jobs have been accepted so far, which numbers them."""

DEAD = PREFIX + "dead"
"""Sorted set: dead letters, the jobs whose attempts are used up -> when that was, in ms."""

SERVICE = PREFIX + "service"
"""String: how long a worker has a job in hand, in ms; a moving average."""

WAITED = PREFIX + "waited"
"""String: written before each wait for replicas, so that there is something to wait for."""

LOOK = PREFIX + "look"
"""Pub/sub channel: ids of jobs whose runs have to look at their leases at once."""

KNOWLEDGE = PREFIX + "knowledge"
"""Hash: the embedding model of what was learned, and how often that has changed."""

LESSONS = PREFIX + "lessons"
"""Set: ``platform|team|channel|message`` of each message that something was learned from."""

DOCUMENTS = PREFIX + "documents"
"""Hash: every document that questions are answered from -> its title, its place, its passages."""

VECTORS = PREFIX + "vectors"
"""Vector set: the passages by what they are about, with their places."""

WORKERS = PREFIX + "workers"
"""Sorted set: worker name -> when it was last alive, in ms."""

PREFERENCES = PREFIX + "preferences"
"""Hash: ``PLATFORM:TEAM|CHANNEL`` -> what a channel, or with no channel a workspace, prefers."""

PREFERENCES_CHANGES = PREFIX + "preferences_changes"
"""String: how often one of them has been changed, so that nobody reads them all for nothing."""

PREFERENCES_NEWS = PREFIX + "preferences_news"
"""Pub/sub channel: whose preferences have just been changed."""

AUDIT = PREFIX + "audit"
"""Stream: who changed which setting."""

WAIT_MARK = "@WAIT@"
"""Stands in a refusal for the seconds to wait, which are known when the message is refused."""

OUTBOX_GROUP = "bots"

DELIVERED_JOB_LIFETIME_MS = 24 * 3600 * 1000
"""How long a delivered job is remembered, which is also the window in which a redelivered event is
recognised. Slack redelivers for about 6 minutes, with Delayed Events for 24 hours."""

DEAD_LIFETIME_MS = 30 * 24 * 3600 * 1000
"""How long an operator has to look after a dead letter."""

ENDING_LIFETIME_MS = 10 * 60 * 1000
"""Longer than any process is frozen and lives on: its connections are dead by then."""

TOLD_LIFETIME_MS = 60_000
"""A person who asks too much is told so once in this time."""

UNKNOWN_WAIT_MS = 30_000
"""What somebody is told to wait before anything has been measured."""

REFUSED_JOB_LIFETIME_MS = 120_000
"""A message that was refused in silence is known again for so long: one mention on Slack is two
events, and a look back overlaps what was seen by a minute."""

SERVICE_SHARE = 0.2
"""How much the latest job counts in the moving average."""

MAX_RATINGS = 100_000
"""Rated messages that are kept of a channel: some 20 MB."""

RATING_LIFETIME_MS = 400 * 24 * 3600 * 1000
"""A year, so that a month can be laid beside the same one of the year before, and some weeks."""

MOOD_LOOK_EVERY_MS = 10 * 60 * 1000
"""A drop that lasts half a day need not be seen at once."""

MOOD_ALERT_EVERY_MS = 24 * 3600 * 1000
"""A channel is told of a drop at most so often."""

MAX_AUDIT = 10_000
"""Changes of settings that are remembered: years of them."""

MAX_ASKED = 1_000
"""Conversations of one person that are found again when they want to be forgotten."""

MAX_QUESTIONS = 1_000
"""The same of questions."""

BOTS_HEARD_LIFETIME_MS = 3600 * 1000
"""Bots that talked to us for too long are answered again after so long a silence."""

USED_LIFETIME_MS = 2 * 24 * 3600 * 1000
"""What was used in a day is of no use after it; twice as long, for clocks that are put back."""

BUDGET_OVERDRAFT = 20
"""Endings may be shown so many times as fast as a platform documents, until it says no."""

BUDGET_STRICT_MS = 10 * 60 * 1000
"""For so long after it has said no, nothing goes beyond what it documents."""

OVERTAKEN_BY_MS = 2_000
"""Celery's queue is first in, first out: a job that is not claimed while one that was queued so
much later is, has been lost on its way."""

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


def ending(job_id: str) -> str:
    """String: a job's final reply, for a while: what a process that was frozen may have covered."""
    return f"{PREFIX}ending:{job_id}"


def feedback(asker: str) -> str:
    """Hash: what a person said of answers: a job's id -> ``good`` or ``bad``."""
    return f"{PREFIX}feedback:{asker}"


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


def asker(name: str) -> str:
    """Set: the open jobs of one person."""
    return f"{PREFIX}asker:{name}"


def bucket(scope: str, name: str) -> str:
    """Hash: how many messages a person (``user``) or a channel (``channel``) has left now."""
    return f"{PREFIX}bucket:{scope}:{name}"


def told(name: str) -> str:
    """String: exists for a while after a person was told that they ask too much."""
    return f"{PREFIX}told:{name}"


def used(scope: str, name: str) -> str:
    """Hash: what a person (``user``) or a channel has used on a day, whose number stands behind."""
    return f"{PREFIX}used:{scope}:{name}"


def asked(person: str) -> str:
    """Sorted set: the conversations in which a person asked -> when they are forgotten, in ms."""
    return f"{PREFIX}asked:{person}"


def questions(person: str) -> str:
    """Sorted set: the jobs of a person that are remembered -> when they were accepted, in ms."""
    return f"{PREFIX}questions:{person}"


def talk(conversation: str) -> str:
    """List: who has spoken in a thread of ours since we were last spoken to, the latest first."""
    return f"{PREFIX}talk:{conversation}"


def muted(conversation: str) -> str:
    """String: exists while we are to be silent in a thread unless we are mentioned."""
    return f"{PREFIX}muted:{conversation}"


def bots_heard(place: str) -> str:
    """Set: messages of other bots that we answered in a channel since a person spoke to us."""
    return f"{PREFIX}bots_heard:{place}"


def seen(platform: str) -> str:
    """Hash: channel -> the latest message of it that was seen; ``*`` -> when we last looked."""
    return f"{PREFIX}seen:{platform}"


def threads(platform: str) -> str:
    """Sorted set: the threads that we took part in lately -> when that was, in ms."""
    return f"{PREFIX}threads:{platform}"


def lookback(platform: str) -> str:
    """String: exists while a process looks for messages that nobody heard."""
    return f"{PREFIX}lookback:{platform}"


def lookback_done(platform: str) -> str:
    """String: when the latest look back that was finished had begun, in ms."""
    return f"{PREFIX}lookback_done:{platform}"


def session_starts(name: str) -> str:
    """Hash: how many new sessions this bot may begin with Discord now."""
    return f"{PREFIX}session_starts:{name}"


def budget(name: str) -> str:
    """Hash: how many calls are left of what a platform takes, for all processes together."""
    return f"{PREFIX}budget:{name}"


def opted_out(tenant: str) -> str:
    """Set: people whose messages are read for nothing but their own questions."""
    return f"{PREFIX}opted_out:{tenant}"


def ratings(tenant: str, channel: str) -> str:
    """Stream: a channel's rated messages, the oldest first."""
    return f"{PREFIX}ratings:{tenant}:{channel}"


def rated(tenant: str, channel: str) -> str:
    """Hash: a rated message -> its entry in the stream, so that it is rated once and can go."""
    return f"{PREFIX}rated:{tenant}:{channel}"


def mood_looked_at(tenant: str, channel: str) -> str:
    """String: exists for a while after somebody looked whether a channel's mood has dropped."""
    return f"{PREFIX}mood_looked_at:{tenant}:{channel}"


def mood_alert(tenant: str, channel: str) -> str:
    """String: the job that told a channel of a drop, for a day."""
    return f"{PREFIX}mood_alert:{tenant}:{channel}"


def installations(platform: str) -> str:
    """Hash: workspaces that have installed our app -> what they gave us, sealed."""
    return f"{PREFIX}installations:{platform}"


def oauth_state(state: str) -> str:
    """String: an installation that somebody has begun."""
    return f"{PREFIX}oauth_state:{state}"


def pins(tenant: str, channel: str) -> str:
    """Set: the pinned messages of a channel that have been learned."""
    return f"{PREFIX}pins:{tenant}:{channel}"


def claimed(queue: str) -> str:
    """String: when the latest claimed job of a queue had been handed to Celery, in ms."""
    return f"{PREFIX}claimed:{queue}"


def worker(name: str) -> str:
    """Hash: what a live worker runs, its state and slots; expires when it is silent."""
    return f"{PREFIX}worker:{name}"


def passage(passage_id: str) -> str:
    """Hash: one passage of a document, with its place and its vector."""
    return f"{PREFIX}passage:{passage_id}"
