"""The runner of jobs: claim, wait for the gate, run the handler, finish.

A task may run twice for a job: the lease decides which run counts. Whatever goes wrong, the job is
finished with a sentence or given back, and the slot is free for the next one.

A job that must run alone in its batch passes ``ExclusiveGate``: a readers-writer lock that prefers
the writer and knows neither jobs nor the engine; its callers say when to stop waiting.
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
    """A readers-writer lock: many runs together, or one alone. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_together = 0
        self._has_exclusive_run = False
        self._num_waiting_for_exclusive = 0

    @contextmanager
    def entering(self, *, alone: bool, is_over: Callable[[], bool]) -> Iterator[bool]:
        """Hold the gate while the block runs.

        Args:
            alone: whether no other run may hold it.
            is_over: whether to stop waiting; asked again after each ``wake``.

        Yields:
            Whether the gate is held; False if it was over before.
        """
        with self._changed:
            has_entered = self._wait_alone(is_over) if alone else self._wait_together(is_over)
        try:
            yield has_entered
        finally:
            if has_entered:
                self._leave(alone=alone)

    def wake(self) -> None:
        """Have every waiting run ask ``is_over`` again."""
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
            self._changed.notify_all()  # the runs that waited for this one
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
"""External faults: an attempt that ends with one does not count against the job."""


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
        """Store the dependencies.

        Args:
            store: the ledger.
            handlers: the handler of each kind of job.
            keeper: renews the leases.
            claimant: this worker; its token is replaced at each run.
            publish: hands a job to Celery.
            deadline_s: a job's longest time, named in the sentence for a passed deadline.
        """
        self._store = store
        self._handlers = handlers
        self._deadline_s = deadline_s
        self._keeper = keeper
        self._claimant = claimant
        self._publish = publish
        self._exclusive_gate = ExclusiveGate()
        self.num_taken = 0
        """The number of ids that have come from Celery so far."""

    def run(self, job_id: str) -> None:
        """Run one job. Never raises: a task that does would lose its thread's slot."""
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
        """Take the lease. Give the job back if it cannot be decoded, or Redis's reply is lost.

        Raises:
            CodecError: the job, or a remembered turn, is of another version.
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
        """Wait for the gate and run the kind's handler; None if the run had to end."""
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
        """The outcome of a run that had to end with this text; None for none."""
        if held.ending is Ending.CANCELLED:
            return Outcome(Done(text.strip(), FinishReason.CANCELLED))
        if held.ending is not Ending.EXPIRED:
            return None
        return Outcome(DeadlineError(self._deadline_s).to_reply(text.strip()))

    def _give_back(self, held: HeldLease, *, is_blamed: bool) -> None:
        """Give the job back, to be run by any worker."""
        lease = held.lease
        call = lifecycle.release(lease.job.id, lease.token, is_blamed=is_blamed)
        self._hand_on(self._store.run(call))

    def _finish(self, held: HeldLease, outcome: Outcome) -> Finished:
        """Finish, with retries while Redis is away: the answer is too expensive to write twice."""
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
        """Hand a job to Celery; if that fails the sweep will."""
        if ready is None:
            return
        try:
            self._publish(ready)
        except Exception as error:  # noqa: BLE001 - the ledger has the job, the sweep wakes it
            log.warning("publish_failed", job=ready.id, error=type(error).__name__)


def _lighter(job: Job) -> Job | None:
    """The job without its file, which is not needed any more; None if it has none."""
    task = job.task
    if not isinstance(task, Learn) or not task.content:
        return None
    return dataclasses.replace(job, task=dataclasses.replace(task, content=""))


def _word(reply: Final) -> str:
    return reply.code if isinstance(reply, Failed) else "done"
