"""One task per kind of job: claim, work, finish.

A task may run twice for a job: the lease decides which run counts. Whatever goes wrong, the job is
finished with a sentence or given back, and the slot is free for the next one.
"""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
import structlog

from shared import ledger
from shared.errors import DeadlineError, RefusedError
from shared.jobs import JOB_ID_LENGTH, Job, Kind, Turn
from shared.ledger import Claimant, Finished, Hold, Lease, Memory, Ready
from shared.logs import get_logger
from shared.replies import Done, Failed, Final, FinishReason
from worker.engine.generation import Engine, Limits, Request, Sampling, Tokenizer
from worker.leases import LeaseKeeper
from worker.prompts import ASSISTANT, USER, Question, make_prompt
from worker.publish import SnapshotPublisher
from worker.store import Store

log = get_logger(__name__)

JOB_ID = re.compile(rf"[a-z2-7]{{{JOB_ID_LENGTH}}}")
FINISH_ATTEMPTS = 10
FINISH_RETRY_S = 1.0
FORGOTTEN = "I have forgotten this conversation. We start afresh."
NOTHING_TO_SAY = "I have nothing to say to that."


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator decides about answers."""

    worker: str
    """The worker's name."""
    system_prompt: str
    sampling: Sampling
    deadline_s: float
    lease_ms: int
    max_attempts: int
    max_turns: int
    retention_ms: int


@dataclass(frozen=True, slots=True)
class Mind:
    """The model as the tasks see it."""

    engine: Engine
    tokenizer: Tokenizer
    limits: Limits


@dataclass(frozen=True, slots=True)
class _Outcome:
    reply: Final
    memory: Memory


class TaskRunner:
    """Runs jobs by id, on many threads at once."""

    def __init__(
        self,
        store: Store,
        mind: Mind,
        keeper: LeaseKeeper,
        rules: Rules,
        publish: Callable[[Ready], None],
    ) -> None:
        self._store = store
        self._mind = mind
        self._keeper = keeper
        self._rules = rules
        self._publish = publish
        self._work: dict[Kind, Callable[[Lease], _Outcome | None]] = {
            Kind.CHAT: self._chat,
            Kind.NEW: self._new,
        }

    def run(self, job_id: str) -> None:
        """Run one job. Never raises: a task that does takes its thread's slot with it."""
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
        token = secrets.token_hex(8)
        rules = self._rules
        claimant = Claimant(rules.worker, token, rules.lease_ms, rules.max_attempts)
        claimed = self._store.run(ledger.claim(job_id, claimant))
        self._hand_on(claimed.ready)
        if claimed.lease is None:
            return claimed.reason
        lease = claimed.lease
        try:
            outcome = self._work[lease.job.kind](lease)
        except RefusedError as error:
            outcome = _Outcome(error.to_reply(), Memory())
        except BaseException as error:
            log.exception("job_failed", attempt=lease.attempt, error=type(error).__name__)
            is_blamed = not isinstance(error, redis.RedisError | OSError)
            self._hand_on(self._store.run(ledger.release(job_id, token, is_blamed=is_blamed)))
            return "failed"
        if outcome is None:
            return "lost"
        finished = self._finish(job_id, token, outcome)
        self._hand_on(finished.ready)
        return _word(outcome.reply) if finished.counted else "lost"

    def _finish(self, job_id: str, token: str, outcome: _Outcome) -> Finished:
        """Finish, again and again while Redis is away: the answer is too dear to write it twice."""
        call = ledger.finish(job_id, token, outcome.reply, outcome.memory)
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

    def _chat(self, lease: Lease) -> _Outcome | None:
        """Write an answer; None if the lease was lost meanwhile."""
        mind, rules = self._mind, self._rules
        question = Question(rules.system_prompt, lease.history, lease.job.text, lease.shown)
        prompt = make_prompt(question, mind.tokenizer, mind.limits)
        request = Request(
            # Two runs of a job may meet in one engine, so the lease's token names the request.
            id=f"{lease.job.id}-{lease.token}",
            prompt_ids=prompt.token_ids,
            max_new_tokens=prompt.max_new_tokens,
            sampling=rules.sampling,
            stop=prompt.stop,
        )
        publisher = SnapshotPublisher(self._store, lease)
        ended: list[Hold] = []

        def end(hold: Hold) -> None:
            ended.append(hold)
            mind.engine.cancel(request.id)

        generation = mind.engine.submit(request)
        try:
            with self._keeper.keeping(lease, end):
                for piece in generation:
                    publisher.push(piece)
        finally:
            mind.engine.cancel(request.id)
        if ended:
            if ended == [Hold.LOST]:
                return None
            late = DeadlineError(rules.deadline_s)
            return _Outcome(late.to_reply(publisher.text.strip()), Memory())
        if generation.finish_reason is None:
            raise InterruptedError("The engine was closed.")
        return self._answered(lease.job, publisher.text, generation.finish_reason)

    def _answered(self, job: Job, text: str, reason: FinishReason) -> _Outcome:
        answer = text.strip()
        if not answer:
            return _Outcome(Failed(code="no_words", sentence=NOTHING_TO_SAY), Memory())
        turns = (Turn(USER, job.text), Turn(ASSISTANT, answer))
        memory = Memory(
            turns, max_turns=self._rules.max_turns, retention_ms=self._rules.retention_ms
        )
        return _Outcome(Done(answer, reason), memory)

    def _new(self, _lease: Lease) -> _Outcome:
        """Forget the conversation."""
        return _Outcome(Done(FORGOTTEN), Memory(forget=True))


def _word(reply: Final) -> str:
    return reply.code if isinstance(reply, Failed) else "done"
