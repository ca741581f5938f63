"""The task of every kind of job: claim, wait for one's turn, work, finish.

A task may run twice for a job: the lease decides which run counts. Whatever goes wrong, the job is
finished with a sentence or given back, and the slot is free for the next one.

Many at a time, or one alone: whoever must be alone waits for the others and keeps new ones out.

A readers-writer gate that prefers the writer. Knows neither jobs nor the engine; who waits is told
by its caller when to give up.
"""

import contextlib
import dataclasses
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import redis
import structlog

from shared.errors import CodecError, DeadlineError, EngineLostError, RefusedError
from shared.jobs import JOB_ID_LENGTH, Job, Kind
from shared.ledger import lifecycle
from shared.ledger.lifecycle import Claimant, Claimed, Finished, Ready
from shared.logs import get_logger
from shared.replies import Done, Failed, Final, FinishReason
from shared.tasks import Learn
from worker.handler import Handler, Outcome, RunEndedError
from worker.leases import Ending, HeldLease, LeaseKeeper
from worker.store import BlockingStore


class ExclusiveGate:
    """A place for many, or for one alone. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_together = 0
        self._has_exclusive_run = False
        self._num_waiting_for_exclusive = 0

    @contextmanager
    def entering(self, *, alone: bool, is_over: Callable[[], bool]) -> Iterator[bool]:
        """Be inside while the block runs.

        Args:
            alone: whether nobody else may be inside.
            is_over: whether to wait no longer; asked again after each ``wake``.

        Yields:
            Whether we are inside; False if it was over before.
        """
        with self._changed:
            has_entered = self._wait_alone(is_over) if alone else self._wait_together(is_over)
        try:
            yield has_entered
        finally:
            if has_entered:
                self._leave(alone=alone)

    def wake(self) -> None:
        """Let everybody who waits ask again whether it is over."""
        with self._changed:
            self._changed.notify_all()

    def _wait_together(self, is_over: Callable[[], bool]) -> bool:
        self._changed.wait_for(
            lambda: is_over() or not (self._has_exclusive_run or self._num_waiting_for_exclusive)
        )
        if is_over():
            return False
        self._num_together += 1
        return True

    def _wait_alone(self, is_over: Callable[[], bool]) -> bool:
        self._num_waiting_for_exclusive += 1
        self._changed.wait_for(
            lambda: is_over() or not (self._has_exclusive_run or self._num_together)
        )
        self._num_waiting_for_exclusive -= 1
        if is_over():
            self._changed.notify_all()  # those whom we kept out
            return False
        self._has_exclusive_run = True
        return True

    def _leave(self, *, alone: bool) -> None:
        with self._changed:
            if alone:
                self._has_exclusive_run = False
            else:
                self._num_together -= 1
            self._changed.notify_all()


log = get_logger(__name__)

JOB_ID = re.compile(rf"[a-z2-7]{{{JOB_ID_LENGTH}}}")
FINISH_ATTEMPTS = 10
FINISH_RETRY_S = 1.0
TOKEN_BYTES = 8
BLAMELESS = (redis.RedisError, OSError, EngineLostError)
"""Faults of the surroundings: an attempt that ends with one does not count against the job."""


class TaskRunner:
    """Runs jobs by id, on many threads at once."""

    def __init__(
        self,
        store: BlockingStore,
        handlers: Mapping[Kind, Handler],
        keeper: LeaseKeeper,
        claimant: Claimant,
        publish: Callable[[Ready], None],
        deadline_s: float,
    ) -> None:
        """Store what is needed.

        Args:
            store: the ledger.
            handlers: what is done for each kind of job.
            keeper: of the leases.
            claimant: this worker; its token is replaced at each run.
            publish: wakes somebody for a job.
            deadline_s: a job's longest time, as told to whoever waited for it in vain.
        """
        self._store = store
        self._handlers = handlers
        self._deadline_s = deadline_s
        self._keeper = keeper
        self._claimant = claimant
        self._publish = publish
        self._exclusive_gate = ExclusiveGate()
        self.num_taken = 0
        """How many ids have come from Celery so far."""

    def run(self, job_id: str) -> None:
        """Run one job. Never raises: a task that does takes its thread's slot with it."""
        self.num_taken += 1
        started_s = time.monotonic()
        if not JOB_ID.fullmatch(job_id):
            log.warning("job_id_malformed")
            return
        try:
            with structlog.contextvars.bound_contextvars(job=job_id):
                outcome = self._run(job_id)
                log.info("job_ended", outcome=outcome, seconds=time.monotonic() - started_s)
        except BaseException:
            log.exception("job_crashed", job=job_id)

    def _run(self, job_id: str) -> str:
        token = secrets.token_hex(TOKEN_BYTES)
        claimant = dataclasses.replace(self._claimant, token=token)
        claimed = self._claim(job_id, claimant)
        self._hand_on(claimed.ready)
        if claimed.lease is None:
            return claimed.reason
        with self._keeper.keeping(claimed.lease) as held:
            try:
                outcome = self._work(held)
            except RefusedError as error:
                outcome = Outcome(error.to_reply())
            except RunEndedError as error:
                outcome = self._expired(held, error.text)
            except BaseException as error:
                attempt = claimed.lease.attempt
                log.exception("job_failed", attempt=attempt, error=type(error).__name__)
                self._give_back(held, is_blamed=not isinstance(error, BLAMELESS))
                return "failed"
            if outcome is None:
                if held.ending is Ending.STOPPED:
                    self._give_back(held, is_blamed=False)
                    return "handed_back"
                return "lost"
            finished = self._finish(held, outcome)
            self._hand_on(finished.ready)
            return _word(outcome.reply) if finished.counted else "lost"

    def _claim(self, job_id: str, claimant: Claimant) -> Claimed:
        """Take the lease. What was claimed and could not be read, or not be heard, is given back.

        Raises:
            CodecError: the job, or something remembered, is of another version.
            redis.RedisError, OSError: Redis is away.
        """
        try:
            return self._store.run(lifecycle.claim(job_id, claimant))
        except (CodecError, redis.RedisError, OSError) as error:
            is_blamed = isinstance(error, CodecError)
            with contextlib.suppress(redis.RedisError, OSError):
                call = lifecycle.release(job_id, claimant.token, is_blamed=is_blamed)
                self._hand_on(self._store.run(call))
            raise

    def _work(self, held: HeldLease) -> Outcome | None:
        """Wait for one's turn, and do what the job's kind asks for; None if the run had to end."""
        lease = held.lease
        held.when_over(self._exclusive_gate.wake)
        with self._exclusive_gate.entering(
            alone=lease.is_alone, is_over=lambda: held.is_over
        ) as has_entered:
            if not has_entered:
                return self._expired(held, lease.shown)
            if lease.is_alone and not self._store.run(lifecycle.begin(lease.job.id, lease.token)):
                return None
            return self._handlers[lease.job.kind](held)

    def _expired(self, held: HeldLease, text: str) -> Outcome | None:
        """What is said about a run that had to end with so much text; None for nothing."""
        if held.ending is Ending.CANCELLED:
            return Outcome(Done(text.strip(), FinishReason.CANCELLED))
        if held.ending is not Ending.EXPIRED:
            return None
        return Outcome(DeadlineError(self._deadline_s).to_reply(text.strip()))

    def _give_back(self, held: HeldLease, *, is_blamed: bool) -> None:
        """Let the job be run again, by whoever comes first."""
        lease = held.lease
        call = lifecycle.release(lease.job.id, lease.token, is_blamed=is_blamed)
        self._hand_on(self._store.run(call))

    def _finish(self, held: HeldLease, outcome: Outcome) -> Finished:
        """Finish, again and again while Redis is away: the answer is too dear to write it twice."""
        lease = held.lease
        job = outcome.memory.job or _lighter(lease.job)
        memory = dataclasses.replace(outcome.memory, job=job)
        call = lifecycle.finish(lease.job.id, lease.token, outcome.reply, memory, held.num_tokens)
        for _ in range(FINISH_ATTEMPTS - 1):
            try:
                return self._store.run(call)
            except (redis.RedisError, OSError) as error:
                log.warning("finish_delayed", error=type(error).__name__)
                time.sleep(FINISH_RETRY_S)
        return self._store.run(call)

    def _hand_on(self, ready: Ready | None) -> None:
        """Wake somebody for a job; if that fails the sweep will."""
        if ready is None:
            return
        try:
            self._publish(ready)
        except Exception as error:  # noqa: BLE001 - the ledger has the job, the sweep wakes it
            log.warning("publish_failed", job=ready.id, error=type(error).__name__)


def _lighter(job: Job) -> Job | None:
    """The job without the file that it brought, which nobody needs now; None if it has none."""
    task = job.task
    if not isinstance(task, Learn) or not task.content:
        return None
    return dataclasses.replace(job, task=dataclasses.replace(task, content=""))


def _word(reply: Final) -> str:
    return reply.code if isinstance(reply, Failed) else "done"
