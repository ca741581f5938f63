"""Answer actions: stop, retry and feedback on an answer, its thinking, and edits of its question.

All buttons, reactions and commands of the platforms end here. Each action returns a sentence for
the person who acted, or None if the effect is visible by itself. Feedback is kept under
``keys.feedback``.
"""

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bots.delivery.manager import Delivery
from bots.incoming.intake import Incoming, intake
from bots.store import AsyncStore
from shared.jobs import Job, Origin, job_id
from shared.ledger import answer_actions, keys, thoughts
from shared.ledger.answer_actions import Did, Effect
from shared.ledger.lifecycle import JobLimits, Ready
from shared.logs import get_logger
from shared.replies import ThoughtSoFar

log = get_logger(__name__)

NOT_YOURS_TO_STOP = "Only the person who asked, or a moderator, can stop this answer."
NOT_YOURS_TO_RETRY = (
    "Only the person who asked, or a moderator, can have this answer written again."
)
NOT_YOURS_TO_READ = "Only the person who asked can see the thinking behind this answer."
THOUGHT_GONE = "The thinking behind this answer is gone: it is kept for a day at most."
FINISHED = "That answer is finished already."
TOO_OLD = "That answer is too old for it: I do not know it any more. Please ask again."
STILL_RUNNING = "That answer is still being written. Stop it first, or wait until it is finished."
NOTHING_TO_STOP = "None of your questions here is being answered at the moment."
NOTED = "Thank you. I have noted it."
BUSY_TRIES = 20
BUSY_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Actor:
    """The person who acts on an answer."""

    user: str
    is_moderator: bool = False
    """Whether the platform lets them manage other people's messages there."""


class Feedback(StrEnum):
    """A person's verdict on an answer."""

    GOOD = "good"
    BAD = "bad"


class AnswerActions:
    """The actions of one platform.

    Each raises ``redis.RedisError`` or ``TimeoutError`` if the ledger is away.
    """

    def __init__(
        self,
        store: AsyncStore,
        delivery: Delivery,
        wake: Callable[[Ready], None],
        limits: JobLimits,
        max_chars: int,
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._wake = wake
        self._limits = limits
        self._max_chars = max_chars

    async def stop(self, job_id: str, by: Actor) -> str | None:
        """End an answer with its current text, within one step of the engine."""
        job = await self._delivery.find_job(job_id)
        if job is None:
            return TOO_OLD
        if not _may(by, job):
            return NOT_YOURS_TO_STOP
        effect = await self._run(answer_actions.stop(job_id), job_id)
        return FINISHED if effect.did in {Did.OVER, Did.UNKNOWN} else None

    async def stop_all(self, origin: Origin) -> str | None:
        """Stop all answers that a person has asked for in a channel."""
        members: Any = await self._store.client.smembers(keys.asker(origin.asker))
        queued: Any = await self._store.client.lrange(keys.mailbox(origin.conversation), 0, -1)
        num_stopped = 0
        for member in {*members, *queued}:
            job = await self._delivery.find_job(member.decode())
            if job and job.origin.user == origin.user and job.origin.channel == origin.channel:
                effect = await self._run(answer_actions.stop(job.id), job.id)
                num_stopped += effect.did in {Did.STOPPED, Did.TOLD}
        return None if num_stopped else NOTHING_TO_STOP

    async def retry(self, job_id: str, by: Actor) -> str | None:
        """Have an answer written again, in the same messages."""
        job = await self._delivery.find_job(job_id)
        if job is None:
            return TOO_OLD
        if not _may(by, job):
            return NOT_YOURS_TO_RETRY
        if not (job.text or job.task or job.attachments):
            return TOO_OLD  # its words are forgotten
        if await self._store.state_of(job_id) in {"waiting", "queued", "running"}:
            return STILL_RUNNING
        anew = dataclasses.replace(job, num_retries=job.num_retries + 1)
        return None if await self._again(anew) else TOO_OLD

    async def thought(self, job_id: str, by: Actor) -> ThoughtSoFar | str:
        """The thinking behind an answer, for the person who asked; or a sentence that says why not.

        A moderator is not shown it: it may hold what the person would tell no other.
        """
        job = await self._delivery.find_job(job_id)
        if job is None:
            return THOUGHT_GONE
        if by.user != job.origin.user:
            return NOT_YOURS_TO_READ
        thought = await self._store.run(thoughts.read(job_id))
        if thought is None or not thought.text.strip():
            log.info("answer_handled", job=job_id, effect="thought_gone")
            return THOUGHT_GONE
        log.info("answer_handled", job=job_id, effect="thought_shown")
        return thought

    async def rate(self, job_id: str, by: Actor, verdict: Feedback) -> str | None:
        """Record a person's verdict on an answer; the latest one counts."""
        job = await self._delivery.find_job(job_id)
        if job is None:
            return TOO_OLD
        name = keys.feedback(f"{job.origin.tenant}:{by.user}")
        async with self._store.client.pipeline() as pipe:
            pipe.hset(name, job_id, verdict.value)
            pipe.pexpire(name, self._limits.retention_ms)
            await pipe.execute()
        log.info("answer_rated", job=job_id, verdict=verdict.value)
        return NOTED

    async def edited(self, incoming: Incoming) -> None:
        """Run a question again if it was reworded, so that its answer follows.

        Nothing happens to a message that was not answered, to one whose words are the same, and to
        one that cannot be answered in its new form.
        """
        job = await self._delivery.find_job(job_id(incoming.origin))
        if job is None or not job.text:
            return
        # It was for us when it was written; whether it still mentions us makes no difference.
        situation = dataclasses.replace(incoming.situation, is_from_person=True, is_act=True)
        taken = intake(dataclasses.replace(incoming, situation=situation), self._max_chars)
        if taken is None or taken.refusal or taken.wanted:
            return
        new = taken.job
        if (new.text, new.kind, new.task) == (job.text, job.kind, job.task):
            return
        log.info("question_reworded", job=job.id)
        await self._again(
            dataclasses.replace(
                job,
                text=new.text,
                kind=new.kind,
                task=new.task,
                effort=new.effort,
                num_retries=0,
            )
        )

    async def _again(self, job: Job) -> bool:
        """Run a job again; wait for an ending that is just being shown."""
        for _ in range(BUSY_TRIES):
            effect = await self._run(answer_actions.again(job, self._limits.deadline_ms), job.id)
            if effect.did is not Did.BUSY:
                break
            await asyncio.sleep(BUSY_WAIT_S)
        if effect.did is not Did.AGAIN:
            return False
        self._delivery.announce(job)
        return True

    async def _run(self, call: answer_actions.Step, job_id: str) -> Effect:
        effect = await self._store.run_confirmed(call)
        log.info("answer_handled", job=job_id, effect=effect.did.value)
        if effect.ready:
            self._wake(effect.ready)
        return effect


def _may(by: Actor, job: Job) -> bool:
    return by.is_moderator or by.user == job.origin.user
