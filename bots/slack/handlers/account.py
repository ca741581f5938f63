"""Account handlers: stop, quota, forget-me, settings, the Home tab and questions from anywhere."""

import dataclasses
from typing import assert_never

from bots.adapter import Link
from bots.incoming.reception import LEDGER_AWAY, TOO_MUCH
from bots.slack.handlers.access import SlackAccessCheck
from bots.slack.handlers.ack import AckReply, mrkdwn
from bots.slack.handlers.settings import SettingsWindow, SlackSettingsHandlers
from bots.slack.parse.commands import HELP, Command
from bots.slack.parse.text import Identity
from bots.slack.sdk.screen import Screen
from bots.slack.views import ask as ask_view
from bots.slack.views import home
from bots.slack.views.account import FORGET_QUESTION, STOPPED, AccountRequest, forget_blocks
from bots.slack.views.ask import AskSubmission, GlobalShortcut
from bots.slack.views.buttons import SlackButtonPress
from bots.slack.views.components import notice
from bots.slack.views.home import Home, Opening, home_view
from shared.errors import NotAllowedError, PlatformError
from shared.jobs import Origin, Platform
from shared.ledger import quotas
from shared.ledger.quotas import quota_text
from shared.logs import get_logger

log = get_logger(__name__)

WHOLE_WORKSPACE = "workspace"


class SlackAccountHandlers:
    """Handles the account requests of one workspace's people."""

    def __init__(
        self, me: Identity, link: Link, screen: Screen, settings_handlers: SlackSettingsHandlers
    ) -> None:
        self._me = me
        self._reception = link.reception
        self._store = link.reception.store
        self._answer_actions = link.answer_actions
        self._screen = screen
        self._settings_handlers = settings_handlers
        self._access_check = SlackAccessCheck(me, link.access_gate)

    async def run(self, account_request: AccountRequest, rest: str, command: Command) -> AckReply:
        """Handle an account request of a command.

        Raises:
            RefusedError: it cannot be done; the sentence says why.
            PlatformError: Slack did not answer.
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        origin = command.origin
        await self._require(account_request, origin)
        match account_request:
            case AccountRequest.STOP:
                # All of the user's answers there: a command belongs to no conversation.
                everything = dataclasses.replace(origin, act="")
                return AckReply(await self._answer_actions.stop_all(everything) or STOPPED)
            case AccountRequest.QUOTA:
                return AckReply(await self._quota(origin))
            case AccountRequest.FORGET_ME:
                return AckReply(FORGET_QUESTION, blocks=forget_blocks())
            case AccountRequest.SETTINGS:
                is_for_all = command.is_direct or rest.lower() == WHOLE_WORKSPACE
                channel = "" if is_for_all else origin.channel
                window = SettingsWindow(origin.message)
                return AckReply(await self._settings_handlers.show(origin.user, channel, window))
            case _:
                assert_never(account_request)

    async def _require(self, account_request: AccountRequest, origin: Origin) -> None:
        """Do nothing if a person may ask for that: what is kept of them may always be deleted.

        Raises:
            NotAllowedError: they may not.
        """
        if account_request is not AccountRequest.FORGET_ME:
            is_settings = account_request is AccountRequest.SETTINGS
            await self._access_check.require(origin, of_operator_alone=is_settings)

    async def show_settings(self, press: SlackButtonPress) -> AckReply:
        """Show the settings of the workspace. Raises as ``run`` does."""
        await self._require(AccountRequest.SETTINGS, self._access_check.at(press.user))
        view = press.view if press.is_in_modal else ""
        return AckReply(
            await self._settings_handlers.show(press.user, "", SettingsWindow(press.trigger, view))
        )

    async def forget(self, press: SlackButtonPress) -> AckReply:
        """Delete what is kept of the person who pressed the button. Raises as ``run`` does."""
        forgetter = self._reception.forgetter
        said = await forgetter.forget(self._at(press.user, press.channel))
        if press.view:
            await self._publish(press.user, press.channel, said)
            return AckReply()
        return AckReply(said)

    async def anywhere(self, shortcut: GlobalShortcut) -> None:
        """Open the view of a global shortcut. Raises as ``run`` does."""
        is_settings = shortcut.callback == ask_view.SETTINGS
        try:
            await self._access_check.require(
                self._access_check.at(shortcut.user), of_operator_alone=is_settings
            )
        except NotAllowedError as error:
            if error.sentence:
                await self._screen.open(shortcut.trigger, notice(mrkdwn(error.sentence)))
            return
        if shortcut.callback == ask_view.ASK:
            await self._screen.open(shortcut.trigger, ask_view.ask_view())
            return
        said = await self._settings_handlers.show(
            shortcut.user, "", SettingsWindow(shortcut.trigger)
        )
        if said:
            await self._screen.open(shortcut.trigger, notice(mrkdwn(said)))

    async def ask(self, question: AskSubmission) -> AckReply:
        """Handle a question from the ask view. Raises as ``run`` does."""
        await self._access_check.require(self._access_check.at(question.user))
        channel = await self._screen.direct_with(question.user)
        incoming = ask_view.to_incoming(question, self._me.team_id, channel)
        job = await self._reception.receive(incoming)
        return AckReply() if job else AckReply(TOO_MUCH)

    async def tell(self, user: str, reply: AckReply) -> None:
        """Send a person a direct message where no other reply is possible."""
        try:
            channel = await self._screen.direct_with(user)
            await self._screen.whisper(channel, user, "", mrkdwn(reply.sentence))
        except PlatformError as error:
            log.warning("refusal_not_told", reason=str(error))

    async def welcome(self, opening: Opening) -> None:
        """Publish the Home tab that a person opened, or suggest prompts."""
        try:
            await self._access_check.require(self._access_check.at(opening.user, opening.channel))
        except NotAllowedError as error:
            await self._say_at_home(opening, error.sentence)
            return
        try:
            if opening.tab == home.HOME_TAB:
                await self._publish(opening.user, opening.channel)
            elif opening.channel:
                await self._screen.suggest(opening.channel, home.PROMPTS_TITLE, home.PROMPTS)
        except (PlatformError, *LEDGER_AWAY) as error:
            log.info("home_not_shown", reason=type(error).__name__)

    async def _say_at_home(self, opening: Opening, sentence: str) -> None:
        """Publish a sentence in place of the Home tab."""
        if not sentence or opening.tab != home.HOME_TAB:
            return
        try:
            await self._screen.publish(opening.user, home.sentence_view(mrkdwn(sentence)))
        except PlatformError as error:
            log.info("home_not_shown", reason=type(error).__name__)

    async def _publish(self, user: str, channel: str, said: str = "") -> None:
        origin = self._at(user, channel)
        shown = Home(
            help=mrkdwn(HELP),
            quota=mrkdwn(await self._quota(origin)),
            resolved=self._reception.resolved(origin),
            is_opted_out=user in await self._store.opted_out(origin.tenant),
            may_edit=await self._settings_handlers.may_edit(user),
            notice=mrkdwn(said) if said else "",
        )
        await self._screen.publish(user, home_view(shown))

    async def _quota(self, origin: Origin) -> str:
        used = await self._store.run(quotas.usage(origin))
        return quota_text(self._reception.quotas(origin), used)

    def _at(self, user: str, channel: str) -> Origin:
        return Origin(Platform.SLACK, self._me.team_id, channel, "", "", user)
