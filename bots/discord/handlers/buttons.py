"""Actions on answers on Discord: buttons, the stop reaction, /stop, and edited questions."""

from collections.abc import Sequence

from bots.delivery.surface import Piece, TextFile
from bots.discord.parse.payloads import Caller, origin_of
from bots.discord.parse.requests import Reaction
from bots.discord.sdk.surface import DiscordSurface
from bots.discord.views.buttons import ButtonAction, DiscordButtonPress
from bots.discord.views.thought import FILE_NAME, IN_FILE, thought_messages
from bots.incoming.answer_actions import Actor, AnswerActions, Feedback
from bots.incoming.intake import Incoming
from bots.incoming.reception import AWAY, LEDGER_AWAY
from shared.errors import PlatformError
from shared.jobs import job_id
from shared.logs import get_logger
from shared.replies import ThoughtSoFar

log = get_logger(__name__)

STOPPED = "Stopped."
VERDICTS = {ButtonAction.GOOD: Feedback.GOOD, ButtonAction.BAD: Feedback.BAD}


class DiscordButtonHandlers:
    """Handles the actions on one bot's answers.

    Return values are for the person alone, and empty if the effect is visible by itself.
    """

    def __init__(self, surface: DiscordSurface, answer_actions: AnswerActions) -> None:
        self._surface = surface
        self._answer_actions = answer_actions

    async def on_button(self, press: DiscordButtonPress) -> Sequence[Piece]:
        """Handle a pressed button; returns what that person alone is told."""
        try:
            if press.button_action is ButtonAction.THOUGHT:
                by = Actor(str(press.user), press.is_moderator)
                return _thought(await self._answer_actions.thought(press.job, by))
            sentence = await self._do(press)
            return [Piece(sentence)] if sentence else []
        except LEDGER_AWAY as error:
            log.warning("press_not_taken", error=type(error).__name__)
            return [Piece(AWAY)]

    async def _do(self, press: DiscordButtonPress) -> str | None:
        by = Actor(str(press.user), press.is_moderator)
        match press.button_action:
            case ButtonAction.STOP:
                return await self._answer_actions.stop(press.job, by)
            case ButtonAction.RETRY:
                return await self._answer_actions.retry(press.job, by)
            case button_action:
                return await self._answer_actions.rate(press.job, by, VERDICTS[button_action])

    async def stop_all(self, caller: Caller) -> str:
        """Stop all answers that are being written for a person in a place."""
        try:
            return await self._answer_actions.stop_all(caller.origin) or STOPPED
        except LEDGER_AWAY as error:
            log.warning("press_not_taken", error=type(error).__name__)
            return AWAY

    async def stop_at(self, reaction: Reaction) -> None:
        """Handle a stop sign on an answer or on its question.

        A reaction allows no private reply, so a refusal is not explained.
        """
        try:
            job = await self._job_at(reaction)
            await self._answer_actions.stop(job, Actor(str(reaction.user)))
        except (PlatformError, *LEDGER_AWAY) as error:
            log.warning("reaction_not_accepted", error=type(error).__name__)

    async def _job_at(self, reaction: Reaction) -> str:
        client = self._surface.connected()
        facts = await client.message(reaction.place.channel, reaction.message)
        if facts.is_ours and facts.job:
            return facts.job
        asked = facts.reply_to if facts.is_ours else facts.message
        return job_id(origin_of(reaction.place, asked or facts.message))

    async def follow(self, incoming: Incoming) -> None:
        """Update the answer of an edited message."""
        try:
            await self._answer_actions.edited(incoming)
        except LEDGER_AWAY as error:
            log.warning("edit_not_followed", error=type(error).__name__)


def _thought(found: ThoughtSoFar | str) -> Sequence[Piece]:
    if isinstance(found, str):
        return [Piece(found)]
    messages = thought_messages(found.text)
    if not messages:
        return [Piece(IN_FILE, document=TextFile(found.text, FILE_NAME))]
    return [Piece(message) for message in messages]
