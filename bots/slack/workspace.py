"""One Slack workspace: routes its events, commands and menus to their handlers."""

import functools
from typing import Any

from bots.adapter import Link
from bots.incoming.backfill import BackfillWindow
from bots.incoming.intake import Incoming
from bots.incoming.read_marks import ReadMarks
from bots.incoming.reception import FileSource
from bots.slack.files import Downloads
from bots.slack.handlers.access import SlackAccessCheck
from bots.slack.handlers.account import SlackAccountHandlers
from bots.slack.handlers.ack import PromptAck, mrkdwn
from bots.slack.handlers.attachments import SlackAttachmentFetcher
from bots.slack.handlers.automation import SlackAutomationHandlers, Sources
from bots.slack.handlers.backfill import SlackBackfill, thread_name
from bots.slack.handlers.buttons import SlackButtonHandlers
from bots.slack.handlers.commands import SlackCommandHandlers
from bots.slack.handlers.history import ChannelAccess
from bots.slack.handlers.pins import SlackPins
from bots.slack.handlers.settings import SlackSettingsHandlers
from bots.slack.parse import events
from bots.slack.parse.automation import SlackAutomationRules
from bots.slack.parse.events import EventType
from bots.slack.parse.payloads import Json
from bots.slack.sdk.client import Account
from bots.slack.sdk.screen import Screen
from bots.slack.stream_text import answer_thread
from bots.slack.views import ask as ask_view
from bots.slack.views import buttons, home, settings
from bots.slack.views.account import FORGET
from bots.slack.views.components import notice
from bots.slack.views.settings import WORKSPACE
from shared.errors import NotAllowedError
from shared.jobs import Platform


class Workspace:
    """The handlers and background work of one workspace."""

    def __init__(
        self,
        account: Account,
        link: Link,
        sight: ChannelAccess,
        automation_rules: SlackAutomationRules,
        marks: ReadMarks,
    ) -> None:
        access, me, reception = account.access, account.me, link.reception
        self._me = me
        self._reception = reception
        self._answer_actions = link.answer_actions
        self._marks = marks
        access_check = self._access_check = SlackAccessCheck(me, link.access_gate)
        self._backfill = SlackBackfill(me, sight.history, access_check)
        downloads = Downloads(access.bot_token, access.api_url, automation_rules.files)
        sources = Sources(sight.history, sight.history_reader, downloads)
        self._automation_handlers = SlackAutomationHandlers(
            me, reception, sources, automation_rules
        )
        self._pins = SlackPins(
            me, reception, sources, self._automation_handlers, automation_rules.pins_channels
        )
        self._attaching = SlackAttachmentFetcher(reception, sources)
        self._prompt_ack = PromptAck()
        screen = Screen(access)
        tenant = f"{Platform.SLACK}:{me.team_id}"
        self._settings_handlers = SlackSettingsHandlers(
            tenant, link.preference_cache, sight.people, screen
        )
        self._account_handlers = SlackAccountHandlers(me, link, screen, self._settings_handlers)
        self._command_handlers = SlackCommandHandlers(
            me, link, sight, self._automation_handlers, self._account_handlers, self._prompt_ack
        )
        self._button_handlers = SlackButtonHandlers(
            reception.store, link.answer_actions, sight, screen, self._prompt_ack, access_check
        )

    async def run(self) -> None:
        """Run the background work until cancelled."""
        try:
            await self._pins.run()
        finally:
            await self._prompt_ack.close()

    def look_soon(self) -> None:
        """Note that events may have been missed."""
        self._pins.look_soon()

    async def look_through(self, window: BackfillWindow) -> int:
        """Backfill the messages of a time window; returns how many were found."""
        return await self._backfill.look_through(window, self._take_new)

    def is_unwanted(self, body: Json) -> bool:
        """Whether a person's message is part of a flood."""
        origin = events.origin_of(body, self._me)
        if origin is None or not self._reception.flood_guard.holds_off(origin.asker):
            return False
        self._marks.note(origin.channel, origin.message)
        return True

    async def on_command(self, payload: Json) -> dict[str, Any]:
        """Handle a slash command. See ``app.SlackEventHandler``."""
        return await self._command_handlers.command(payload)

    async def on_shortcut(self, payload: Json) -> None:
        """Handle a menu entry. See ``app.SlackEventHandler``."""
        if shortcut := ask_view.read_shortcut(payload):
            await self._prompt_ack.open_in_time(self._account_handlers.anywhere(shortcut))
        else:
            await self._command_handlers.shortcut(payload)

    async def on_view(self, payload: Json) -> dict[str, Any]:
        """Handle a submitted view. See ``app.SlackEventHandler``."""
        if question := ask_view.read_question(payload):
            work, user = self._account_handlers.ask(question), question.user
            tell = functools.partial(self._account_handlers.tell, user)
            return await self._prompt_ack.answer_in_time(work, ask_view.QUESTION, tell)
        submission = settings.read_submission(payload)
        if submission is None:
            return {}
        try:
            here = self._access_check.at(submission.user)
            await self._access_check.require(here, of_operator_alone=True)
        except NotAllowedError as error:
            said = mrkdwn(error.sentence)
            return {"response_action": "update", "view": notice(said)} if said else {}
        return await self._settings_handlers.take(submission)

    async def on_button(self, payload: Json) -> None:
        """Handle a pressed button. See ``app.SlackEventHandler``."""
        press = buttons.read_press(payload)
        if press is None:
            return
        if press.button_action == FORGET:
            await self._prompt_ack.tell_in_time(self._account_handlers.forget(press), press.ticket)
        elif press.button_action == WORKSPACE:
            await self._prompt_ack.tell_in_time(
                self._account_handlers.show_settings(press), press.ticket
            )
        else:
            await self._button_handlers.press(press)

    async def take(self, body: Json) -> None:
        """Handle an event.

        Raises:
            redis.RedisError, TimeoutError, OSError: the ledger did not answer in time.
        """
        event: Json = body.get("event", {})
        match event.get("type"):
            case EventType.MESSAGE | EventType.MENTION:
                await self._take_message(body)
            case EventType.REACTION_ADDED:
                await self._take_reaction(body)
            case EventType.PIN_ADDED | EventType.PIN_REMOVED:
                await self._pins.take(body)
            case EventType.SESSION_STOPPED:
                await self._button_handlers.halt(event, events.team_of(body, self._me))
            case EventType.HOME_OPENED:
                if opening := home.read_opening(event):
                    self._prompt_ack.spawn(self._account_handlers.welcome(opening))

    async def _take_message(self, body: Json) -> None:
        """Handle a message that was written, changed or deleted."""
        if deleted := events.deleted_origin(body, self._me):
            await self._reception.withdraw(deleted)
        elif edited := events.edited(body):
            await self._take_edited(*edited)
        else:
            await self._take_new(body)

    async def _take_reaction(self, body: Json) -> None:
        event, team = body["event"], events.team_of(body, self._me)
        if not await self._button_handlers.react(event, team):
            await self._automation_handlers.react(event, team)

    async def _take_new(self, body: Json, found_at_s: float | None = None) -> None:
        """Handle a new message; ``found_at_s``: when a backfill found it, if one did."""
        origin = events.origin_of(body, self._me)
        if origin is None:
            return
        incoming = events.to_incoming(body, origin, self._me)
        age_s = max(0.0, found_at_s - incoming.written_at_s) if found_at_s else 0.0
        job = await self._reception.receive(incoming, age_s, self._files_of(body, incoming))
        if job is not None and (thread := answer_thread(job.origin)):
            self._marks.note_thread(thread_name(origin.channel, thread))
        await self._automation_handlers.overhear(body, incoming)
        self._marks.note(origin.channel, origin.message)

    async def _take_edited(self, body: Json, edited_at_s: float) -> None:
        """Update the answer and the rating of a message that was edited."""
        origin = events.origin_of(body, self._me)
        if origin is None or not await self._access_check.lets(origin):
            return
        await self._automation_handlers.rate_again(body, edited_at_s)
        if events.is_from_person(body["event"], self._me):
            await self._answer_actions.edited(events.to_incoming(body, origin, self._me))

    def _files_of(self, body: Json, incoming: Incoming) -> FileSource:
        fetch = functools.partial(self._attaching.with_files, body)
        has_files = self._attaching.may_have_files(body, incoming)
        learn = functools.partial(self._automation_handlers.teach, body)
        return FileSource(learn, fetch if has_files else None)
