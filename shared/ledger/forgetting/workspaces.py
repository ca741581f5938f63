"""Forgetting a workspace, as steps: every key that bears its name, and its part of the others."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.ledger import answer_actions, documents, keys
from shared.ledger.calls import Call, Steps, text_of
from shared.ledger.forgetting import scan
from shared.ledger.lua import forgetting as scripts

WITH_NAMES = (
    keys.transcript(""),
    keys.presence(""),
    keys.mailbox(""),
    keys.talk(""),
    keys.muted(""),
    scan.ANSWER,
    keys.bots_heard(""),
    keys.feedback(""),
    keys.asker(""),
    keys.asked(""),
    keys.questions(""),
    keys.told(""),
    keys.access_told(""),
    keys.bucket("user", ""),
    keys.bucket("channel", ""),
    keys.used("user", ""),
    keys.used("channel", ""),
    keys.used("workspace", ""),
    keys.opted_out(""),
    keys.ratings("", "").rstrip(":") + ":",
    keys.rated("", "").rstrip(":") + ":",
    keys.mood_looked_at("", "").rstrip(":") + ":",
    keys.mood_alert("", "").rstrip(":") + ":",
    keys.pins("", "").rstrip(":") + ":",
)
"""How the keys begin that go on with the name of a workspace."""


@dataclass(frozen=True, slots=True)
class ForgottenWorkspace:
    """The numbers of what was deleted."""

    num_keys: int
    num_jobs: int
    num_documents: int
    num_changes: int
    """Of its settings, in the audit."""

    def __str__(self) -> str:
        """A sentence for operators."""
        return (
            f"{self.num_jobs:,} questions, {self.num_documents:,} documents, {self.num_keys:,} "
            f"other keys and {self.num_changes:,} entries of the audit"
        )


def forget(tenant: str, who: str) -> Steps[ForgottenWorkspace]:
    """Delete all that is kept of a workspace, and record that in the audit.

    Args:
        tenant: as ``Origin.tenant``.
        who: who wanted it, for the audit.
    """
    platform, _, team = tenant.partition(":")
    num_jobs = yield from _forget_jobs(tenant, team)
    num_documents = yield from _forget_documents(platform, team)
    num_keys = yield from _forget_names(tenant)
    yield from _forget_fields(tenant)
    num_changes = yield scan.rewrite_audit(tenant, "")
    gone = ForgottenWorkspace(num_keys, num_jobs, num_documents, num_changes)
    yield scan.note_audit(tenant, who, "forget-workspace", str(gone))
    # The last thing: until now a process that is killed leaves it to the next one.
    yield scan.fields_of(keys.LEAVING, "\0", tenant)
    return gone


def _forget_jobs(tenant: str, team: str) -> Steps[int]:
    num, cursor = 0, scan.START
    while True:
        found = yield scan.find_jobs(cursor, team)
        for job in found.jobs:
            if job.tenant == tenant:
                if job.is_open:
                    yield answer_actions.withdraw(job.id)
                num += yield scan.delete_job(job.id)
        cursor = found.next_cursor
        if cursor == scan.START:
            return num


def _forget_documents(platform: str, team: str) -> Steps[int]:
    num, cursor = 0, scan.START
    while True:
        found = yield Call(scripts.DOCUMENTS_OF, (cursor, platform, team), _texts)
        cursor, *theirs = found
        for document in theirs:
            num += yield documents.drop((document,))
        if cursor == scan.START:
            break
    while True:
        cursor = yield Call(scripts.LESSONS_OF, (cursor, f"{platform}|{team}|"), text_of)
        if cursor == scan.START:
            return num


def _forget_names(tenant: str) -> Steps[int]:
    """Delete the keys with the workspace's name; before them, what only they tell to be its."""
    platform = tenant.partition(":")[0]
    starts = tuple(f"{start}{tenant}" for start in WITH_NAMES)
    num, cursor = 0, scan.START
    while True:
        found = yield scan.find(cursor, f"{keys.PREFIX}*")
        for some in scan.in_parts(name for name in found.names if _is_of(name, starts)):
            places = [_channel_and_rest(name, tenant) for name in some]
            channels = {mark for channel, _ in places for mark in (channel, f"@{channel}")}
            threads = {f"{channel}:{rest}" for channel, rest in places}
            yield scan.fields_of(keys.seen(platform), "\0", *sorted(channels))
            yield scan.members_of(keys.threads(platform), sorted(threads))
            num += yield scan.delete(some)
        cursor = found.next_cursor
        if cursor == scan.START:
            return num


def _channel_and_rest(name: str, tenant: str) -> tuple[str, str]:
    channel, _, rest = name.partition(f"{tenant}:")[2].partition(":")
    return channel, rest


def _is_of(name: str, starts: Iterable[str]) -> bool:
    """Whether a key's name goes on with the workspace's name, and not with a longer one."""
    return any(name == start or name.startswith(f"{start}:") for start in starts)


def _forget_fields(tenant: str) -> Steps[None]:
    platform, _, team = tenant.partition(":")
    yield Call(scripts.FORGET_SCOPES, (f"{tenant}|",), scan.number)
    yield scan.fields_of(keys.installations(platform), "\0", team)
    yield scan.fields_of(keys.FORGETTING, f"{tenant}:")


def _texts(raw: list[bytes | int]) -> list[str]:
    return [text_of(word) for word in raw]
