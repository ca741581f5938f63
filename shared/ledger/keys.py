"""Every Redis key, stream and lifetime, with the reason for each number.

Celery's own keys stand beside these: a list for each queue (``chat``), ``unacked*`` and
``_kombu.*``.
"""
# Pure.

PREFIX = "parley:"

OPEN = PREFIX + "open"
"""Sorted set: every unfinished job -> when the sweep must check it, in ms."""

QUEUE = PREFIX + "queue"
"""Sorted set: every job that waits for a worker -> its number; a job's rank is its position."""

SEQUENCE = PREFIX + "sequence"
"""String: how many jobs have been accepted so far, which numbers them."""

FILES = PREFIX + "files"
"""Hash: every unfinished job that has files, or learns a text -> the size of its document."""

DEAD = PREFIX + "dead"
"""Sorted set: dead letters, the jobs whose attempts are used up -> when they failed, in ms."""

SERVICE = PREFIX + "service"
"""String: how long a worker runs a job, in ms; a moving average."""

WAITED = PREFIX + "waited"
"""String: written before each wait for replicas, so that there is something to wait for."""

LOOK = PREFIX + "look"
"""Pub/sub channel: ids of jobs whose runs have to check their leases at once."""

KNOWLEDGE = PREFIX + "knowledge"
"""Hash: the embedding model of the documents, and how often it has changed."""

LESSONS = PREFIX + "lessons"
"""Set: ``platform|team|channel|message`` of each message that a document was learned from."""

TEACHERS = PREFIX + "teachers"
"""Hash: document -> the people whose words or files it is, and the message that it is from."""

FORGETTING = PREFIX + "forgetting"
"""Hash: a person who asked to be forgotten -> when, and what is left to do. Until it is done."""

LEAVING = PREFIX + "leaving"
"""Hash: a workspace that has removed us -> when what is kept of it is deleted, in ms."""

DOCUMENTS = PREFIX + "documents"
"""Hash: every document that questions are answered from -> its title, its place, its passages."""

DOCUMENT_SIZES = PREFIX + "document_sizes"
"""Hash: every document -> ``platform|team|channel|passages|bytes|token``, for quotas."""

LOOSE_VECTORS = PREFIX + "loose_vectors"
"""Set: passages that are gone and whose vectors are still to be removed, some at a time."""

VECTORS = PREFIX + "vectors"
"""Vector set: the passages' embeddings, with their places."""

REWRITTEN = PREFIX + "rewritten"
"""String: exists for a while after Redis was asked to write its file again."""

WORKERS = PREFIX + "workers"
"""Sorted set: worker name -> its latest heartbeat, in ms."""

STARTS = PREFIX + "starts"
"""Sorted set: a model on a host that has not become ready yet -> its latest start, in ms."""

PREFERENCES = PREFIX + "preferences"
"""Hash: ``PLATFORM:TEAM|CHANNEL`` -> the preferences of a channel, or without one of a workspace.
"""

PREFERENCES_CHANGES = PREFIX + "preferences_changes"
"""String: the number of changes of preferences, so that they are re-read only after a change."""

PREFERENCES_NEWS = PREFIX + "preferences_news"
"""Pub/sub channel: the scope whose preferences have just changed."""

ACCESS = PREFIX + "access"
"""Hash: each name that `parley allow` or `parley deny` put on a list -> ``allowed``, ``denied``."""

AUDIT = PREFIX + "audit"
"""Stream: who changed which setting."""

FORGOTTEN = "(forgotten)"
"""What stands in the audit in place of a text of a person who was forgotten."""

WAIT_MARK = "@WAIT@"
"""The placeholder in a refusal for the seconds to wait, which are known when it is refused."""

OUTBOX_GROUP = "bots"
CLAIM_AFTER_MS = 5_000
"""An entry of an outbox that its reader has not refreshed for so long is claimed. Harmless if its
reader lives: the ledger lets one process show a job at a time, and the other finds it delivered."""

DELIVERED_JOB_LIFETIME_MS = 24 * 3600 * 1000
"""How long a delivered job is remembered, which is also the window in which a redelivered event is
recognised. Slack redelivers for about 6 minutes, with Delayed Events for 24 hours."""

THOUGHT_LIFETIME_MS = DELIVERED_JOB_LIFETIME_MS
"""A thought is of use as long as its answer has buttons."""

LONE_DEATHS = 2
"""So many deaths in a row of the process that ran a job alone, and nothing written in between, are
the job's own doing: one may be an operator's, the kernel's or another program's."""

DEAD_LIFETIME_MS = 30 * 24 * 3600 * 1000
"""How long an operator can inspect a dead letter."""

ENDING_LIFETIME_MS = 10 * 60 * 1000
"""Longer than any process freezes and resumes: its connections are dead by then."""

TOLD_LIFETIME_MS = 60_000
"""A person who hits a rate limit is told so once in this time."""

UNKNOWN_WAIT_MS = 30_000
"""The expected wait in a refusal before anything has been measured."""

LEAVING_MS = 30 * 24 * 3600 * 1000
"""How long the data of a workspace outlives its removal of the app: an accident is undone by
installing it again."""

FORGET_PATIENCE_MS = 10 * 60 * 1000
"""How long forgetting a person waits for other people's open questions that hold their words;
longer than answers take. Then those are withdrawn, too."""

REWRITE_EVERY_MS = 10 * 60 * 1000
"""Redis writes its whole file again after a person was forgotten, and no more often than this."""

REFUSED_JOB_LIFETIME_MS = 120_000
"""How long a silently refused message is recognised: one mention on Slack is two events, and
backfill
overlaps what was seen by a minute."""

SERVICE_SHARE = 0.2
"""The weight of the latest job in the moving average."""

MAX_RATINGS = 100_000
"""The rated messages kept per channel: some 20 MB."""

RATING_LIFETIME_MS = 400 * 24 * 3600 * 1000
"""A year and some weeks, so that a month can be compared with the same one of the year before."""

MOOD_LOOK_EVERY_MS = 10 * 60 * 1000
"""How often a channel's sentiment is checked: a drop that lasts half a day is not urgent."""

MOOD_ALERT_EVERY_MS = 24 * 3600 * 1000
"""The shortest time between two alerts about a drop in one channel."""

MAX_AUDIT = 10_000
"""The changes of settings that are kept: years of them."""

MAX_ASKED = 1_000
"""The conversations of one person that can be found again when they want to be forgotten."""

MAX_QUESTIONS = 1_000
"""The same for questions."""

BOTS_HEARD_LIFETIME_MS = 3600 * 1000
"""Bots that reached the limit of answers in a row are answered again after so long a silence."""

USED_LIFETIME_MS = 2 * 24 * 3600 * 1000
"""The usage of a day is useless after it; twice as long, for clocks that are set back."""

BUDGET_OVERDRAFT = 20
"""Final replies may be shown this many times faster than a platform documents, until it refuses."""

BUDGET_STRICT_MS = 10 * 60 * 1000
"""For so long after a refusal, no call exceeds what the platform documents."""

OVERTAKEN_BY_MS = 2_000
"""Celery's queue is first in, first out: a job that is not claimed while one that was queued so
much later is, has been lost on its way."""

REPUBLISH_AFTER_MS = 5_000
"""A job that was handed to Celery and not claimed within this time may have been lost there."""

REPUBLISH_AT_LATEST_MS = 60_000
"""While its queue is not empty a job is probably just waiting; this long, and no longer."""

PRESENTER_LOCK_MS = 6_000
"""The lock of a bots process on a job's message; it expires if the process died. Renewed each
third."""

PRESENTER_LIFETIME_MS = 10_000
"""Partial answers are shown by one process; another one takes over after this silence."""

WORKER_LIFETIME_MS = 10_000
"""A worker without a heartbeat for this long is not alive."""

FAILING_STARTS = 3
"""So many starts in a row without a ready worker are a fault that a restart does not mend."""

START_LIFETIME_MS = 2 * 3600 * 1000
"""A supervisor starts a worker again within minutes: an older failure is of one that it gave up.
Longer than the slowest loading of a model."""


def job(job_id: str) -> str:
    """Hash: the job, its state and all that bots and worker note about it."""
    return f"{PREFIX}job:{job_id}"


def snapshot(job_id: str) -> str:
    """String: the latest Snapshot of a running job."""
    return f"{PREFIX}snapshot:{job_id}"


def thought(job_id: str) -> str:
    """String: the latest ThoughtSoFar of a job, until its answer is a day old."""
    return f"{PREFIX}thought:{job_id}"


def ending(job_id: str) -> str:
    """String: a job's final reply, for a while: a frozen process may have overwritten it."""
    return f"{PREFIX}ending:{job_id}"


def feedback(asker: str) -> str:
    """Hash: a person's ratings of answers: a job's id -> ``good`` or ``bad``."""
    return f"{PREFIX}feedback:{asker}"


def mailbox(conversation: str) -> str:
    """List: the open jobs of a conversation, oldest first; only the first may run."""
    return f"{PREFIX}mailbox:{conversation}"


def transcript(conversation: str) -> str:
    """List: the remembered turns of a conversation, oldest first."""
    return f"{PREFIX}transcript:{conversation}"


def presence(conversation: str) -> str:
    """String: exists while the bot takes part in a conversation, so that it answers follow-ups."""
    return f"{PREFIX}presence:{conversation}"


def answer(platform: str, team: str, channel: str, message: str) -> str:
    """String: a message the bot posted -> the thread it belongs to, so that replies continue it."""
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
    """Hash: the rate limit bucket of a person (``user``) or a channel: messages left."""
    return f"{PREFIX}bucket:{scope}:{name}"


def told(name: str) -> str:
    """String: exists for a while after a person was told that they hit a rate limit."""
    return f"{PREFIX}told:{name}"


def access_told(name: str) -> str:
    """String: exists for a while after a person was told that they may not ask."""
    return f"{PREFIX}access_told:{name}"


TOLD_REFUSED, TOLD_UNSURE = "refused", "unsure"
TOLD_KINDS = (TOLD_REFUSED, TOLD_UNSURE)
"""What a person may have been told who may not ask: the end of ``access_told``'s name."""


def used(scope: str, name: str) -> str:
    """Hash: the usage of a person (``user``), a channel or a workspace on a day.

    The number of the day is appended.
    """
    return f"{PREFIX}used:{scope}:{name}"


def asked(person: str) -> str:
    """Sorted set: the conversations in which a person asked -> when they are forgotten, in ms."""
    return f"{PREFIX}asked:{person}"


def questions(person: str) -> str:
    """Sorted set: the jobs of a person that are remembered -> when they were accepted, in ms."""
    return f"{PREFIX}questions:{person}"


def talk(conversation: str) -> str:
    """List: who has spoken in a bot's thread since it was last addressed, the latest first."""
    return f"{PREFIX}talk:{conversation}"


def muted(conversation: str) -> str:
    """String: exists while the bot is muted in a thread unless it is mentioned."""
    return f"{PREFIX}muted:{conversation}"


def bots_heard(place: str) -> str:
    """Set: messages of other bots that were answered in a channel since a person last spoke."""
    return f"{PREFIX}bots_heard:{place}"


def seen(platform: str) -> str:
    """Hash: channel -> its latest message that was seen; ``*`` -> the latest check."""
    return f"{PREFIX}seen:{platform}"


def threads(platform: str) -> str:
    """Sorted set: the threads that the bot took part in lately -> when that was, in ms."""
    return f"{PREFIX}threads:{platform}"


def installed(platform: str) -> str:
    """String: when a bots process first served a platform with this Redis, in ms. Kept for ever."""
    return f"{PREFIX}installed:{platform}"


def lookback(platform: str) -> str:
    """String: exists while a process runs a backfill."""
    return f"{PREFIX}lookback:{platform}"


def lookback_done(platform: str) -> str:
    """String: when the latest completed backfill had begun, in ms."""
    return f"{PREFIX}lookback_done:{platform}"


def session_starts(name: str) -> str:
    """Hash: how many new sessions this bot may start with Discord now."""
    return f"{PREFIX}session_starts:{name}"


def budget(name: str) -> str:
    """Hash: the calls left in a platform's rate limit, for all processes together."""
    return f"{PREFIX}budget:{name}"


def opted_out(tenant: str) -> str:
    """Set: people who opted out: their messages are used only for their own questions."""
    return f"{PREFIX}opted_out:{tenant}"


def ratings(tenant: str, channel: str) -> str:
    """Stream: a channel's rated messages, the oldest first."""
    return f"{PREFIX}ratings:{tenant}:{channel}"


def rated(tenant: str, channel: str) -> str:
    """Hash: a rated message -> its stream entry, so that it is rated once and can be deleted."""
    return f"{PREFIX}rated:{tenant}:{channel}"


def mood_looked_at(tenant: str, channel: str) -> str:
    """String: exists for a while after a check whether a channel's sentiment has dropped."""
    return f"{PREFIX}mood_looked_at:{tenant}:{channel}"


def mood_alert(tenant: str, channel: str) -> str:
    """String: the job that alerted a channel of a drop, for a day."""
    return f"{PREFIX}mood_alert:{tenant}:{channel}"


UNREADABLE = f"{PREFIX}unreadable"
"""Sorted set: jobs that a process could not read, because a newer one wrote them or their reply →
when one last tried, in ms."""
UNREADABLE_FOR_MS = 30_000
"""A process that cannot read a job meets it again after some 5 s, as long as it waits."""


def installations(platform: str) -> str:
    """Hash: workspaces that have installed the app -> their credentials, encrypted."""
    return f"{PREFIX}installations:{platform}"


def oauth_state(state: str) -> str:
    """String: an installation that has begun."""
    return f"{PREFIX}oauth_state:{state}"


def pins(tenant: str, channel: str) -> str:
    """Set: the pinned messages of a channel that have been learned."""
    return f"{PREFIX}pins:{tenant}:{channel}"


def claimed(queue: str) -> str:
    """String: when the latest claimed job of a queue had been handed to Celery, in ms."""
    return f"{PREFIX}claimed:{queue}"


def worker(name: str) -> str:
    """Hash: a live worker's model, state and slots; expires without a heartbeat."""
    return f"{PREFIX}worker:{name}"


def start(start_id: str) -> str:
    """Hash: the failed starts in a row of a model on a host, and its workers that load it now."""
    return f"{PREFIX}start:{start_id}"


def passage(passage_id: str) -> str:
    """Hash: one passage of a document, with its place and its embedding."""
    return f"{PREFIX}passage:{passage_id}"
