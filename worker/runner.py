"""The runner of jobs: claim, wait for the gate, run the handler, finish.

A task may run twice for a job: the lease decides which run counts. Whatever goes wrong, the job is
finished with a sentence or given back, and the slot is free for the next one.

A job that must run alone in its batch passes ``ExclusiveGate``: a readers-writer lock that prefers
the writer and knows neither jobs nor the engine; its callers say when to stop waiting. Once it has
written more than was shown it has stood its trial, and the others run beside it.
"""

import contextlib
import dataclasses
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import redis
import structlog

from shared.errors import (
    CodecError,
    DeadlineError,
    EngineLostError,
    NewerDocumentError,
    RefusedError,
)
from shared.jobs import JOB_ID_LENGTH, Kind
from shared.ledger import lifecycle
from shared.ledger.calls import Call
from shared.ledger.lifecycle import Claimant, Claimed, Finished, Ready
from shared.logs import get_logger
from shared.replies import Done, Failed, Final, FinishReason
from worker.handler import Handler, Outcome, RunEndedError
from worker.leases import Ending, HeldLease, LeaseKeeper
from worker.store import BlockingStore


class ExclusiveGate:
    """A readers-writer lock: many runs together, or one alone. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_together = 0
        self._exclusive_run: object = None
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
        run = object()
        with self._changed:
            has_entered = self._wait_alone(run, is_over) if alone else self._wait_together(is_over)
        try:
            yield has_entered
        finally:
            if has_entered:
                self._leave(run)

    def share(self) -> None:
        """Let others in beside the run that was to be alone; does nothing if there is none."""
        with self._changed:
            if self._exclusive_run is None:
                return
            self._exclusive_run = None
            self._num_together += 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Have every waiting run ask ``is_over`` again."""
        with self._changed:
            self._changed.notify_all()

    def _wait_together(self, is_over: Callable[[], bool]) -> bool:
        self._changed.wait_for(
            lambda: is_over() or not (self._exclusive_run or self._num_waiting_for_exclusive)
        )
        if is_over():
            return False
        self._num_together += 1
        return True

    def _wait_alone(self, run: object, is_over: Callable[[], bool]) -> bool:
        self._num_waiting_for_exclusive += 1
        self._changed.wait_for(lambda: is_over() or not (self._exclusive_run or self._num_together))
        self._num_waiting_for_exclusive -= 1
        if is_over():
            self._changed.notify_all()  # the runs that waited for this one
            return False
        self._exclusive_run = run
        return True

    def _leave(self, run: object) -> None:
        with self._changed:
            if self._exclusive_run is run:
                self._exclusive_run = None
            else:
                self._num_together -= 1
            self._changed.notify_all()


log = get_logger(__name__)

JOB_ID = re.compile(rf"[a-z2-7]{{{JOB_ID_LENGTH}}}")
FINISH_RETRY_S = 0.5
TOKEN_BYTES = 8
T = TypeVar("T")
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
        except (redis.RedisError, OSError) as error:
            # Its lease expires, and another run goes on from what is shown.
            log.warning("job_interrupted", job=job_id, error=type(error).__name__)
        except CodecError as error:
            log.error("job_unreadable", job=job_id, why=str(error))  # noqa: TRY400 - no crash
        except BaseException:
            log.exception("job_crashed", job=job_id)

    def _run(self, job_id: str) -> str:
        token = secrets.token_hex(TOKEN_BYTES)
        claimant = dataclasses.replace(self._claimant, token=token)
        try:
            claimed = self._claim(job_id, claimant)
        except NewerDocumentError as error:
            log.warning("newer_document", reason=str(error))
            self._store.run(lifecycle.set_aside(job_id, token))
            return "newer"
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
            except BaseException as error:  # noqa: BLE001 - the job is given back, the slot is free
                self._note_failure(claimed.lease.attempt, error)
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

        The sweep wakes it, and not this worker at once: it would go round and round.

        Raises:
            NewerDocumentError: a newer process wrote the job, or a remembered turn.
            CodecError: the job, or a remembered turn, is broken.
            redis.RedisError, OSError: Redis is away.
        """
        try:
            return self._store.run(lifecycle.claim(job_id, claimant))
        except NewerDocumentError:
            raise
        except (CodecError, redis.RedisError, OSError) as error:
            is_blamed = isinstance(error, CodecError)
            with contextlib.suppress(redis.RedisError, OSError):
                self._store.run(lifecycle.release(job_id, claimant.token, is_blamed=is_blamed))
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
            if lease.is_alone:
                if not self._store.run(lifecycle.begin(lease.job.id, lease.token)):
                    return None
                held.on_progress = self._exclusive_gate.share
            return self._handlers[lease.job.kind](held)

    def _expired(self, held: HeldLease, text: str) -> Outcome | None:
        """The outcome of a run that had to end with this text; None for none."""
        if held.ending is Ending.CANCELLED:
            return Outcome(Done(text.strip(), FinishReason.CANCELLED))
        if held.ending is not Ending.EXPIRED:
            return None
        return Outcome(DeadlineError(self._deadline_s).to_reply(text.strip()))

    def _note_failure(self, attempt: int, error: BaseException) -> None:
        name = type(error).__name__
        if isinstance(error, BLAMELESS):
            log.warning("job_failed", attempt=attempt, error=name)
        else:
            log.error("job_failed", attempt=attempt, error=name, exc_info=error)

    def _give_back(self, held: HeldLease, *, is_blamed: bool) -> None:
        """Give the job back, to be run by any worker."""
        lease = held.lease
        call = lifecycle.release(lease.job.id, lease.token, is_blamed=is_blamed)
        self._hand_on(self._insist(held, call))

    def _finish(self, held: HeldLease, outcome: Outcome) -> Finished:
        """End the job with an outcome."""
        lease = held.lease
        job = outcome.memory.job
        if job is None and lease.job.kind is Kind.LEARN:
            job = lease.job
        if job is not None:
            job = job.without_files()
        memory = dataclasses.replace(outcome.memory, job=job)
        return self._insist(
            held,
            lifecycle.finish(lease.job.id, lease.token, outcome.reply, memory, held.num_tokens),
        )

    def _insist(self, held: HeldLease, call: Call[T]) -> T:
        """Run a call that ends a run; while Redis is away, wait for it.

        An answer is too expensive to write twice, and a run that ends without a word looks as if
        its process had died.

        Raises:
            redis.RedisError, OSError: Redis was away until the job's deadline, or until this
                worker had to end.
        """
        while True:
            try:
                return self._store.run(call)
            except (redis.RedisError, OSError) as error:
                if held.is_past_deadline or held.ending is Ending.STOPPED:
                    raise
                log.warning("finish_delayed", error=type(error).__name__)
            held.num_turns_over = 0  # it is not stuck
            time.sleep(FINISH_RETRY_S)

    def _hand_on(self, ready: Ready | None) -> None:
        """Hand a job to Celery; if that fails the sweep will."""
        if ready is None:
            return
        try:
            self._publish(ready)
        except Exception as error:  # noqa: BLE001 - the ledger has the job, the sweep wakes it
            log.warning("publish_failed", job=ready.id, error=type(error).__name__)


def _word(reply: Final) -> str:
    return reply.code if isinstance(reply, Failed) else "done"
