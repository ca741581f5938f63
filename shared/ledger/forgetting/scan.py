"""The calls of forgetting: small steps that find, read and delete."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.jobs import Origin, Platform
from shared.ledger import keys
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lua import forgetting as scripts

START = "0"
"""The cursor that a scan begins and ends with."""
LOOK_AT = 500
"""Keys that one step looks at: a few milliseconds of Redis's time, so that others go on."""
AT_ONCE = 100
"""Keys that one step reads or deletes."""
OPEN_STATES = frozenset({"waiting", "queued", "running", "done"})


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as it lies in Redis, of this version or another."""

    id: str
    state: str
    accepted_at_ms: float
    document: dict[str, Any]
    conversation: str

    @property
    def is_open(self) -> bool:
        """Whether its answer is not shown yet."""
        return self.state in OPEN_STATES

    @property
    def body(self) -> dict[str, Any]:
        """The job's fields."""
        body: dict[str, Any] = self.document.get("body", {})
        return body

    @property
    def origin(self) -> dict[str, Any]:
        """The origin's fields."""
        origin: dict[str, Any] = self.body.get("origin", {})
        return origin

    @property
    def tenant(self) -> str:
        """As ``Origin.tenant``."""
        return f"{self.origin.get('platform')}:{self.origin.get('team')}"

    @property
    def quoted(self) -> frozenset[str]:
        """The people, besides the asker, whose words it holds."""
        task = self.body.get("task") or {}
        said = [*(task.get("messages") or ()), task.get("reply_to") or {}]
        known = [*(self.body.get("quoted") or ()), *(one.get("user") or "" for one in said)]
        return frozenset(known) - {""}

    @property
    def texts(self) -> list[str]:
        """All that people wrote in it."""
        task = self.body.get("task") or {}
        said = [*(task.get("messages") or ()), task.get("reply_to") or {}]
        files = self.body.get("attachments") or ()
        texts = [self.body.get("text"), *(one.get("text") for one in [*said, *files])]
        return [text for text in texts if text]

    @property
    def own_texts(self) -> list[str]:
        """What its asker wrote or attached."""
        if self.body.get("quoted"):
            return []
        files = self.body.get("attachments") or ()
        return [text for text in [self.body.get("text"), *(f.get("text") for f in files)] if text]

    @property
    def has_words(self) -> bool:
        """Whether anything is left of what was asked."""
        return bool(self.body.get("text") or self.body.get("task") or self.body.get("attachments"))

    def blank(self, *, is_nameless: bool) -> str:
        """Its document without words, and without its asker if it is theirs."""
        body = {**self.body, "text": "", "task": None, "attachments": [], "quoted": []}
        if is_nameless:
            body["origin"] = {**self.origin, "user": "", "ticket": ""}
        return json.dumps({**self.document, "body": body}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """What one step of a scan found."""

    names: tuple[str, ...]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class FoundJobs:
    """The jobs that one step of a scan found."""

    jobs: tuple[StoredJob, ...]
    next_cursor: str


def now() -> Call[int]:
    """Redis's time in ms."""
    return Call(scripts.NOW, (), lambda raw: int(text_of(raw)))


def find(cursor: str, pattern: str) -> Call[FoundKeys]:
    """Keys of a pattern, some at a time."""

    def read(raw: Raw) -> FoundKeys:
        next_cursor, *names = (text_of(word) for word in raw)
        return FoundKeys(tuple(names), next_cursor)

    return Call(scripts.FIND, (cursor, pattern, LOOK_AT), read)


def find_jobs(cursor: str, team: str) -> Call[FoundJobs]:
    """Jobs whose documents have the name of a workspace in them, some at a time."""

    def read(raw: Any) -> FoundJobs:  # noqa: ANN401 - a script's answer: lists in a list
        next_cursor, *jobs = raw
        return FoundJobs(_read_jobs(jobs), text_of(next_cursor))

    return Call(scripts.FIND_JOBS, (cursor, LOOK_AT, json.dumps(team)), read)


def read_jobs(ids: Sequence[str]) -> Call[tuple[StoredJob, ...]]:
    """The jobs of these ids that there are."""
    return Call(scripts.READ_JOBS, tuple(ids), _read_jobs)


def _read_jobs(raw: Any) -> tuple[StoredJob, ...]:  # noqa: ANN401 - a script's answer
    jobs = []
    for entry in raw:
        job_id, state, accepted_at, document, conversation = (text_of(word) for word in entry)
        try:
            parsed = json.loads(document)
        except ValueError:
            parsed = {}  # no document of ours: it is deleted when it expires
        if isinstance(parsed, dict) and isinstance(parsed.get("body"), dict):
            jobs.append(StoredJob(job_id, state, float(accepted_at), parsed, conversation))
    return tuple(jobs)


def blank(job: StoredJob, person: str) -> Call[bool]:
    """Take the words out of a job that is over; False if it is open.

    ``person``: ``Origin.asker`` if it is that person's own; else empty.
    """
    args = (job.id, job.blank(is_nameless=bool(person)), person)
    return Call(scripts.BLANK, args, is_one)


def delete_job(job_id: str) -> Call[bool]:
    """Delete a job that was withdrawn or is over."""
    return Call(scripts.DELETE_JOB, (job_id,), is_one)


@dataclass(frozen=True, slots=True)
class Traces:
    """What the ledger knows to be a person's."""

    conversations: tuple[str, ...]
    jobs: tuple[str, ...]


def of_person(person: str) -> Call[Traces]:
    """The conversations and jobs that are known to be a person's."""

    def read(raw: Any) -> Traces:  # noqa: ANN401 - a script's answer: two lists
        conversations, jobs = (tuple(text_of(word) for word in words) for words in raw)
        return Traces(conversations, tuple(dict.fromkeys(jobs)))

    return Call(scripts.OF_PERSON, (person,), read)


def turns(names: Sequence[str]) -> Call[list[list[str]]]:
    """The items of lists."""

    def read(raw: Any) -> list[list[str]]:  # noqa: ANN401 - a script's answer: lists in a list
        return [[text_of(item) for item in items] for items in raw]

    return Call(scripts.TURNS, tuple(names), read)


def take_out(name: str, items: Iterable[str]) -> Call[int]:
    """Take items out of a list."""
    return Call(scripts.TAKE_OUT, (name, *items), number)


def values(names: Sequence[str]) -> Call[list[str]]:
    """The values of strings; empty for one that is gone."""
    return Call(scripts.VALUES, tuple(names), lambda raw: [text_of(word) for word in raw])


def delete(names: Sequence[str]) -> Call[int]:
    """Delete keys."""
    return Call(scripts.DELETE, tuple(names), number)


def rewrite_audit(tenant: str, user: str) -> Call[int]:
    """Take a user and their texts out of the audit; all of a workspace for no user."""
    return Call(scripts.REWRITE_AUDIT, (f"{tenant}|", user), number)


def note_audit(tenant: str, who: str, field: str, new: str) -> Call[int]:
    """Record in the audit what happened to a workspace."""
    return Call(scripts.ADD_AUDIT, (f"{tenant}|", who, field, "", new), number)


def fields_of(name: str, start: str, *others: str) -> Call[int]:
    """Delete fields of a hash that start so, and others by their names."""
    return Call(scripts.FIELDS_OF, (name, start, *others), number)


def members_of(name: str, members: Sequence[str]) -> Call[int]:
    """Delete members of a sorted set."""
    return Call(scripts.MEMBERS_OF, (name, *members), number)


def number(raw: Raw) -> int:
    """A script's answer that is one number."""
    return int(text_of(raw))


def in_parts(items: Iterable[str], size: int = AT_ONCE) -> list[list[str]]:
    """Items in parts of at most a size."""
    every = list(items)
    return [every[at : at + size] for at in range(0, len(every), size)]


@dataclass(frozen=True, slots=True)
class ConversationPlace:
    """The place that a conversation's name tells of."""

    platform: str
    team: str
    channel: str
    thread: str

    @property
    def tenant(self) -> str:
        """As ``Origin.tenant``."""
        return f"{self.platform}:{self.team}"

    @property
    def is_direct(self) -> bool:
        """Whether it is a direct message, whose channel is one person's."""
        is_slacks = self.platform == Platform.SLACK and self.channel.startswith("D")
        return is_slacks or self.team == DIRECT_TEAM

    @property
    def mark(self) -> str:
        """The name of a direct message's read mark."""
        return self.channel if self.platform == Platform.SLACK else f"@{self.channel}"


DIRECT_TEAM = "@me"
"""The team of direct messages on Discord."""


def place_of(conversation: str) -> ConversationPlace:
    """The place of a conversation, by its name."""
    platform, team, channel, thread, *_ = [*conversation.split(":", 4), "", "", "", ""]
    return ConversationPlace(platform, team, channel, thread)


def direct_of(origin: Origin) -> Origin | None:
    """The same person in direct messages, where those are a place of their own: on Discord."""
    if origin.platform is not Platform.DISCORD or origin.team == DIRECT_TEAM:
        return None
    return Origin(origin.platform, DIRECT_TEAM, "", "", "", origin.user)


TRANSCRIPT, TALK, ANSWER = keys.transcript(""), keys.talk(""), keys.answer("", "", "", "")[:-3]
