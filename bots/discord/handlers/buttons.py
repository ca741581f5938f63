"""What people do on Discord with an answer: its buttons, a reaction, /stop, a reworded question."""

from bots.discord.parse.payloads import Caller, origin_of
from bots.discord.parse.requests import Reaction
from bots.discord.sdk.surface import DiscordSurface
from bots.discord.views.buttons import ButtonAction, DiscordButtonPress
from bots.incoming.answer_actions import Actor, AnswerActions, Feedback
from bots.incoming.intake import Incoming
from bots.incoming.reception import AWAY, LEDGER_AWAY
from shared.errors import PlatformError
from shared.jobs import job_id
from shared.logs import get_logger

log = get_logger(__name__)

STOPPED = "Stopped."
VERDICTS = {ButtonAction.GOOD: Feedback.GOOD, ButtonAction.BAD: Feedback.BAD}


class DiscordButtonHandlers:
    """One bot's answers in people's hands.

    What is returned is for the person alone, and empty if what happens says it all.
    """

    def __init__(self, surface: DiscordSurface, answer_actions: AnswerActions) -> None:
        self._surface = surface
        self._answer_actions = answer_actions

    async def press(self, press: DiscordButtonPress) -> str:
        """Somebody pressed a button."""
        try:
            return await self._do(press) or ""
        except LEDGER_AWAY as error:
            log.warning("press_not_taken", error=type(error).__name__)
            return AWAY

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
        """Somebody wants all that is being written for them in a place to be stopped."""
        try:
            return await self._answer_actions.stop_all(caller.origin) or STOPPED
        except LEDGER_AWAY as error:
            log.warning("press_not_taken", error=type(error).__name__)
            return AWAY

    async def stop_at(self, reaction: Reaction) -> None:
        """Somebody put a stop sign to an answer or to their question.

        Nobody can be told in private why it does not stop.
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
        """A message's text was changed: its answer follows."""
        try:
            await self._answer_actions.edited(incoming)
        except LEDGER_AWAY as error:
            log.warning("edit_not_followed", error=type(error).__name__)
