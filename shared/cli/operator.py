"""The operator's commands: status, dead letters, audit, export of a person's data.

Runs the ledger's steps on the Redis that is named, or on the embedded one of a running ``parley``.
"""

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import kombu.exceptions
import redis

from shared.cli.embedded_redis import find_embedded_url
from shared.connections.blocking import client_of
from shared.errors import NewerDocumentError, RedisUnavailableError, SettingsError
from shared.jobs import Origin, Platform
from shared.ledger import preferences as rulebook
from shared.ledger import privacy, quotas
from shared.ledger import status as operating
from shared.ledger.calls import Call, Steps, run_steps
from shared.ledger.celery import build_celery, publish
from shared.ledger.forgetting import workspaces
from shared.ledger.preferences import AuditEntry
from shared.ledger.ratings import Rated
from shared.ledger.redis_health import unreachable
from shared.ledger.status import DeadLetter, Status, WorkerState
from shared.preferences import Preferences, changes
from shared.settings import Settings

T = TypeVar("T")
TIMEOUT_S = 3
MOST_LETTERS = 10_000
REF_LENGTH = 8
"""Characters of a job's id in the sentence that a person reads."""
MS = 1000
ALL = "all"
FORGET_WORKSPACE = "parley forget-workspace"
"""Who deleted a workspace, in the audit."""
WORKSPACE = re.compile(r"slack:[A-Z0-9]{2,32}|discord:([0-9]{1,20}|@me)")


class OperatorConnection:
    """An operator's connection to the ledger."""

    def __init__(self, client: redis.Redis, url: str) -> None:
        self._client = client
        self._url = url

    def run(self, call: Call[T]) -> T:
        """Run one step.

        Raises:
            RedisUnavailableError: it does not answer, or refuses.
            SettingsError: a newer version wrote what it answers.
        """
        try:
            raw = self._client.register_script(call.script)(args=list(call.args))
        except (redis.RedisError, OSError) as error:
            raise unreachable(self._url, error) from error
        try:
            return call.read(raw)
        except NewerDocumentError as error:
            raise SettingsError(
                f"A newer Parley wrote what this command reads: run that one's. ({error})"
            ) from error

    def run_steps(self, steps: Steps[T]) -> T:
        """Run several steps, one after the other.

        Raises:
            RedisUnavailableError: as for ``run``; the steps so far have run.
        """
        return run_steps(self.run, steps)

    def forget_workspace(self, tenant: str) -> str:
        """Delete all that is kept of a workspace; return a line with the numbers."""
        gone = self.run_steps(workspaces.forget(tenant, FORGET_WORKSPACE))
        rest = "Redis writes its file again, which holds deleted data until then."
        try:
            self._client.bgrewriteaof()
        except redis.ResponseError:
            rest = "Redis did not let me have its file written again: docs/privacy.md says how."
        return f"{tenant}  {gone} are deleted. {rest}"

    def find_letters(self, refs: list[str]) -> list[DeadLetter]:
        """The dead letters of these references, or all of them for ``all``.

        Raises:
            SettingsError: there is no such letter, or more than one.
        """
        letters = self.run(operating.dead_letters(MOST_LETTERS))
        if refs == [ALL]:
            return list(letters)
        return [_only(ref, letters) for ref in refs]

    def requeue(self, letter: DeadLetter, deadline_ms: int) -> str:
        """Requeue a dead letter; return a line with the outcome."""
        ref = letter.job.id[:REF_LENGTH]
        requeued = self.run(operating.requeue(letter.job.id, deadline_ms))
        if requeued.ready:
            # If Celery cannot be reached, the sweep publishes the job a few seconds later.
            with contextlib.suppress(kombu.exceptions.KombuError, OSError):
                publish(build_celery(self._url), requeued.ready)
        match requeued.outcome:
            case "requeued":
                return f"{ref}  is tried again."
            case "undelivered":
                return f"{ref}  is not ready: its sentence is not shown yet. Try again soon."
            case _:
                return f"{ref}  is no dead letter any more."

    def drop(self, letter: DeadLetter) -> str:
        """Delete a dead letter; return a line that says so."""
        ref = letter.job.id[:REF_LENGTH]
        is_dropped = self.run(operating.drop(letter.job.id))
        return f"{ref}  is dropped." if is_dropped else f"{ref}  is no dead letter any more."


@contextlib.contextmanager
def open_operator_connection(settings: Settings) -> Iterator[OperatorConnection]:
    """Connect to the Redis that Parley runs on.

    Raises:
        RedisUnavailableError: none is named and no ``parley`` runs with an embedded one.
    """
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
    elif found := find_embedded_url(_redis_folder(settings)):
        url = found
    else:
        raise RedisUnavailableError(
            "No Parley runs here: start `parley up`, or set PARLEY_REDIS_URL to its Redis."
        )
    try:
        client = client_of(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except ValueError as error:
        raise unreachable(url, error) from error
    with client:
        yield OperatorConnection(client, url)


def _redis_folder(settings: Settings) -> Path:
    return settings.data_dir / "redis"


def _only(ref: str, letters: tuple[DeadLetter, ...]) -> DeadLetter:
    is_ref = re.fullmatch(r"[a-z2-7]{4,}", ref) is not None
    found = [letter for letter in letters if is_ref and letter.job.id.startswith(ref)]
    if len(found) == 1:
        return found[0]
    if found:
        raise SettingsError(f"{ref} fits {len(found)} dead letters: give more of it.")
    raise SettingsError(f"There is no dead letter {ref}: `parley dead list` shows them.")


def status_lines(status: Status) -> list[str]:
    """The lines of an operator's overview."""
    states = [worker.state for worker in status.workers]
    counts = ", ".join(f"{states.count(s)} {s}" for s in WorkerState if s in states)
    lines = [f"workers  {counts or 'none alive'}"]
    lines += [
        f"  {worker.name}  {worker.state}  {worker.model}  "
        f"{worker.running} of {worker.slots} answers"
        for worker in status.workers
    ]
    lines += [f"models   {models}"] if (models := _models(status)) else []
    lines += [f"failing  {failed}" for failed in status.failed_starts]
    queue = f"queue    {status.num_queued} waiting, {status.num_running} being answered"
    if status.num_queued:
        queue += f"; the oldest waits for {status.oldest_wait_ms / MS:.0f} s"
    if status.service_ms:
        queue += f"; an answer takes {status.service_ms / MS:.1f} s"
    lines.append(queue)
    if status.num_unreadable:
        wait = "job waits" if status.num_unreadable == 1 else "jobs wait"
        lines.append(
            f"newer    {status.num_unreadable} {wait} for a process of a newer version: upgrade "
            "the workers and bots that still run an older one"
        )
    hint = "; see `parley dead list`" if status.num_dead else ""
    lines.append(f"dead     {status.num_dead} letters{hint}")
    return lines


def _models(status: Status) -> str:
    """The models that workers run, their workers' states, and the jobs that wait for each."""
    names = dict.fromkeys(worker.model for worker in status.workers if worker.slots)
    names |= dict.fromkeys(name for name in status.waiting if name)
    told = []
    for name in names:
        states = [worker.state for worker in status.workers if worker.model == name]
        counts = [f"{states.count(state)} {state}" for state in WorkerState if state in states]
        wait = [f"{num} waiting" for num in [status.waiting.get(name, 0)] if num]
        told.append(f"{name} ({', '.join([*(counts or ['no worker']), *wait])})")
    return "; ".join(told)


def status_json(status: Status) -> str:
    """The overview as JSON, for programs."""
    return json.dumps(dataclasses.asdict(status))


def has_answerer(status: Status) -> bool:
    """Whether a worker would answer a question now."""
    return any(worker.state is WorkerState.READY for worker in status.workers)


def letter_line(letter: DeadLetter, *, with_text: bool) -> str:
    """A dead letter in a line; with the person's text only if it is asked for."""
    origin = letter.job.origin
    died_at = datetime.fromtimestamp(letter.died_at_ms / MS, UTC)
    where = f"{origin.platform} {origin.team} {origin.channel} {origin.message}"
    line = f"{letter.job.id[:REF_LENGTH]}  {died_at:%Y-%m-%d %H:%M} UTC  {where}"
    line += f"  user {origin.user}  {letter.attempts} attempts"
    return f"{line}\n{letter.job.text}" if with_text else line


def audit_line(entry: AuditEntry) -> str:
    """A change in a line: when, where, who, what, old value, new value."""
    where = f"{entry.tenant} {entry.channel or '(workspace)'}"
    line = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {where}  user {entry.user}  {entry.field}: "
    return f"{line}{_quoted(entry.old)} -> {_quoted(entry.new)}"


def audit_json(entry: AuditEntry) -> str:
    """A change as a line of JSON, for programs."""
    return json.dumps(rulebook.as_json(entry), ensure_ascii=False)


def workspace_of(name: str) -> str:
    """Check a workspace's name such as ``slack:T012AB3CD`` or ``discord:81384788765712384``.

    Raises:
        SettingsError: it is malformed.
    """
    if not WORKSPACE.fullmatch(name):
        raise SettingsError(
            f"{name} is no workspace: write slack:TEAM or discord:SERVER, such as slack:T012AB3CD."
        )
    return name


def person_of(name: str) -> Origin:
    """Parse a person's name such as ``slack:T012AB3CD:U012AB3CD``.

    Raises:
        SettingsError: it is malformed.
    """
    platform, _, rest = name.partition(":")
    team, _, user = rest.rpartition(":")
    if platform not in set(Platform) or not team or not user:
        raise SettingsError(
            f"{name} is no person: write PLATFORM:TEAM:USER, such as slack:T012AB3CD:U012AB3CD."
        )
    return Origin(Platform(platform), team, "", "", "", user)


def export(operator: OperatorConnection, origin: Origin) -> str:
    """A person's stored data, as JSON.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    today = operator.run(quotas.today())
    kept = operator.run(privacy.kept(origin, (today - 1, today)))
    return privacy.as_json(kept, list(_ratings(operator, origin)))


def preference_lines(operator: OperatorConnection) -> Iterator[str]:
    """The preferences of workspaces and channels, one line each.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    by_scope = operator.run(rulebook.read_all()).by_scope or {}
    for name, stored in sorted(by_scope.items()):
        tenant, _, channel = name.rpartition("|")
        said = changes(Preferences(), stored.preferences)
        told = "; ".join(f"{field}: {_quoted(new)}" for field, _, new in said) or "nothing"
        yield f"{tenant} {channel or '(workspace)'}  version {stored.version}  {told}"


def _ratings(operator: OperatorConnection, origin: Origin) -> Iterator[Rated]:
    cursor = privacy.START
    while True:
        found = operator.run(privacy.rated_channels(origin, cursor))
        for channel in found.channels:
            start = privacy.FIRST
            while start:
                page = operator.run(privacy.ratings_of(origin, channel, start))
                yield from page.ratings
                start = page.next_start
        cursor = found.next_cursor
        if cursor == privacy.START:
            return


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if value else "nothing"
