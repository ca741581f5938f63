"""Buttons and reactions on answers: each becomes an action on a job."""

import dataclasses
from typing import Any

from bots.incoming.answer_actions import Actor, AnswerActions, Feedback
from bots.slack.handlers.access import SlackAccessCheck
from bots.slack.handlers.ack import AckReply, PromptAck, mrkdwn
from bots.slack.handlers.history import ChannelAccess
from bots.slack.parse.payloads import STREAMS, Json
from bots.slack.sdk.screen import Screen
from bots.slack.views import buttons
from bots.slack.views.buttons import SlackButtonPress
from bots.slack.views.thought import thought_blocks
from bots.store import AsyncStore
from shared.errors import PlatformError
from shared.jobs import Job, Origin, Platform, job_id
from shared.ledger import keys
from shared.logs import get_logger
from shared.replies import ThoughtSoFar

log = get_logger(__name__)

THINKING = "The thinking behind this answer"
"""What a notification says; the blocks hold the thought."""
STOP_REACTIONS = frozenset({"black_square_for_stop", "octagonal_sign"})


class SlackButtonHandlers:
    """Handles buttons and reactions on answers in one workspace."""

    def __init__(
        self,
        store: AsyncStore,
        answer_actions: AnswerActions,
        sight: ChannelAccess,
        screen: Screen,
        prompt_ack: PromptAck,
        access_check: SlackAccessCheck,
    ) -> None:
        self._access_check = access_check
        self._store = store
        self._answer_actions = answer_actions
        self._people = sight.people
        self._history = sight.history
        self._screen = screen
        self._prompt_ack = prompt_ack

    async def press(self, press: SlackButtonPress) -> None:
        """Handle a button of an answer. Its reply is for that person alone."""
        await self._prompt_ack.tell_in_time(self._act(press), press.ticket)

    async def react(self, event: Json, team: str) -> bool:
        """Handle a reaction that stops an answer; False if it is no such reaction.

        Raises:
            redis.RedisError, TimeoutError, OSError: the ledger did not answer.
        """
        if event.get("reaction") not in STOP_REACTIONS or not event.get("item_ts"):
            return False
        channel, user = str(event.get("item_channel")), str(event.get("user") or "")
        origin = Origin(Platform.SLACK, team, channel, "", str(event["item_ts"]), user)
        if not await self._access_check.lets(origin):
            return True
        job = await self._job_at(origin)
        if job is None:
            return True
        said = await self._answer_actions.stop(job.id, await self._actor(user))
        if said:
            self._prompt_ack.spawn(self._whisper(job.origin, user, said))
        return True

    async def halt(self, event: Json, team: str) -> None:
        """Stop the streamed answers for which a person pressed Slack's own Stop.

        If none had begun to stream, all answers that the person waits for in that place are
        stopped.

        Raises:
            redis.RedisError, TimeoutError, OSError: as ``react``.
        """
        channel, user = str(event.get("channel") or ""), str(event.get("user") or "")
        thread = str(event.get("thread_ts") or "")
        place = Origin(Platform.SLACK, team, channel, thread, "", user)
        if not await self._access_check.lets(place):
            return
        found = [
            await self._job_at(dataclasses.replace(place, message=message))
            for message in event.get(STREAMS, ())
        ]
        jobs = [job for job in found if job]
        for job in jobs:
            await self._answer_actions.stop(job.id, Actor(user))
        if not jobs:
            await self._answer_actions.stop_all(place)

    async def _job_at(self, origin: Origin) -> Job | None:
        """The job of a question, or of a message of its answer."""
        if job := await self._store.find_job(job_id(origin)):
            return job
        members: Any = await self._store.client.smembers(keys.asker(origin.asker))
        for member in members:
            if origin.message in await self._store.posted(member.decode()):
                return await self._store.find_job(member.decode())
        try:
            found = await self._history.job_at(origin.channel, origin.message)
        except PlatformError as error:
            log.info("message_not_shown", reason=str(error))
            return None
        job = await self._store.find_job(found) if found else None
        return job if job and job.origin.tenant == origin.tenant else None

    async def _whisper(self, origin: Origin, user: str, sentence: str) -> None:
        thread = origin.thread if origin.thread != origin.message else ""
        try:
            await self._screen.whisper(origin.channel, user, thread, mrkdwn(sentence))
        except PlatformError as error:
            log.warning("refusal_not_told", reason=str(error))

    async def _act(self, press: SlackButtonPress) -> AckReply:
        await self._access_check.require(self._access_check.at(press.user, press.channel))
        actor = await self._actor(press.user)
        match press.button_action:
            case buttons.STOP:
                said = await self._answer_actions.stop(press.value, actor)
            case buttons.RETRY:
                said = await self._answer_actions.retry(press.value, actor)
            case buttons.GOOD | buttons.BAD:
                said = await self._answer_actions.rate(
                    press.value, actor, Feedback(press.button_action)
                )
            case buttons.THOUGHT:
                return _thought(await self._answer_actions.thought(press.value, actor))
            case _:
                log.warning("button_unknown")
                said = None
        return AckReply(said or "")

    async def _actor(self, user: str) -> Actor:
        """The person who acts; not a moderator if the lookup fails."""
        try:
            return Actor(user, await self._people.is_moderator(user))
        except PlatformError as error:
            log.info("person_unknown", reason=str(error))
            return Actor(user)


def _thought(found: ThoughtSoFar | str) -> AckReply:
    if isinstance(found, str):
        return AckReply(found)
    first, *rest = (AckReply(THINKING, blocks=blocks) for blocks in thought_blocks(found.text))
    return dataclasses.replace(first, further=tuple(rest))
