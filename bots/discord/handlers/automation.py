"""Automation: commands, reactions, uploads, pins, and automatic ratings and translations.

Each ends as a job, in a sentence, or silently where no person asked. Unlike messages they are not
spooled while Redis is away: the person who asked gets a sentence, and can ask again.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from bots.discord.handlers.learning import LearningFetcher, pinned_text
from bots.discord.parse import requests
from bots.discord.parse.payloads import DiscordPlace, Facts, File, origin_of, to_incoming
from bots.discord.parse.requests import Reaction, TaskRequest, UserRequest
from bots.discord.sdk.surface import DiscordSurface
from bots.incoming.attachments import DEFAULT_BOUNDS, Bounds
from bots.incoming.intake import MUTE_WORDS, Incoming, unasked
from bots.incoming.intents.parser import parse_lesson
from bots.incoming.policy import is_for_us
from bots.incoming.reception import AWAY, LEDGER_AWAY, TOO_MUCH, Reception
from shared.errors import EmptyMessageError, PlatformError, RefusedError
from shared.jobs import Job, Origin
from shared.ledger import documents
from shared.logs import get_logger
from shared.replies import Failed
from shared.tasks import Learn

log = get_logger(__name__)

OPTED_OUT = "Whoever wrote that message does not want me to work with it."


@dataclass(frozen=True, slots=True)
class DiscordAutomationRules:
    """What an operator has switched on, by channel id; and which files are read."""

    sentiment_channels: frozenset[str] = frozenset()
    translate_channels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Channel -> language."""
    pins_channels: frozenset[str] = frozenset()
    files: Bounds = DEFAULT_BOUNDS


class DiscordAutomationHandlers:
    """Handles what is not an answer to a message, for one bot."""

    def __init__(
        self,
        surface: DiscordSurface,
        reception: Reception,
        automation_rules: DiscordAutomationRules,
    ) -> None:
        self._surface = surface
        self._reception = reception
        self._store = reception.store
        self._automation_rules = automation_rules
        self._library = LearningFetcher(surface, reception.store, automation_rules.files.max_mb)
        self._pinned: asyncio.Queue[tuple[DiscordPlace, bool]] = asyncio.Queue()
        """Places whose pinned messages have changed, and whether that was received as an event."""

    async def on_command(self, act: UserRequest, task_request: TaskRequest) -> str:
        """Handle a command or a menu.

        Returns:
            what to say in place of an answer; empty if an answer is on its way.
        """
        if requests.is_empty(task_request):
            return EmptyMessageError().sentence
        incoming = requests.incoming_of(act, task_request)
        try:
            if task_request.author not in {None, act.user} and await self._has_opted_out(
                incoming.origin, str(task_request.author)
            ):
                return OPTED_OUT
            if task_request.file is not None:
                incoming = await self._with_lesson(incoming, task_request.file)
            job = await self._reception.receive(incoming)
            is_taken = job is not None or await self._reception.is_known(incoming.origin)
        except LEDGER_AWAY as error:
            log.warning("command_not_accepted", error=type(error).__name__)
            return AWAY
        return "" if is_taken else TOO_MUCH

    async def on_reaction(self, reaction: Reaction) -> None:
        """Handle a flag or a sign for silence that a person put on a message."""
        is_muted = MUTE_WORDS.get(reaction.emoji)
        if is_muted is not None:
            origin = origin_of(reaction.place, reaction.message, reaction.user)
            if not await self._reception.lets(reaction.access_request):
                return
            with contextlib.suppress(*LEDGER_AWAY):
                await self._reception.mute(origin, is_muted=is_muted)
        if incoming := requests.flagged(reaction):
            await self._receive(incoming)

    async def teach(self, facts: Facts, incoming: Incoming) -> bool:
        """Learn the files of a message that asks for it; False if it does not."""
        source = facts if facts.files else facts.replied_source
        if not source.files or not is_for_us(incoming.situation):
            return False
        if parse_lesson(incoming.text) is None:
            return False
        try:
            if source.author != facts.author and await self._has_opted_out(
                incoming.origin, str(source.author)
            ):
                refusal = Failed(code="opted_out", sentence=OPTED_OUT)
                await self._reception.receive(dataclasses.replace(incoming, refusal=refusal))
                return True
            # Discord sends a message again after a gap: no file is fetched twice.
            if not await self._reception.is_known(
                requests.lesson_origin(source, source.files[-1], facts)
            ):
                async for lesson in self._library.lessons(source, asked=facts):
                    await self._reception.receive(lesson)
        except LEDGER_AWAY as error:
            log.warning("upload_not_accepted", error=type(error).__name__)
            await self._tell_away(incoming.origin)
        return True

    async def overhear(self, facts: Facts, incoming: Incoming) -> None:
        """Rate or translate a message where an operator has switched that on."""
        channel, automation_rules = str(facts.place.channel), self._automation_rules
        language = automation_rules.translate_channels.get(channel)
        wanted = (
            [requests.rating_of(facts)] if channel in automation_rules.sentiment_channels else []
        )
        if language and not incoming.situation.mentions_us:
            wanted.append(requests.translation_of(facts, language))
        if not any(wanted) or not incoming.situation.is_from_person:
            return
        if not await self._reception.lets(incoming.access_request):
            return
        with contextlib.suppress(*LEDGER_AWAY):  # no person asked, so none is told
            if not await self._has_opted_out(incoming.origin, str(facts.author)):
                for overheard in filter(None, wanted):
                    await self._reception.receive(overheard)

    async def rate_again(self, facts: Facts, edited_at_s: float) -> None:
        """Rate a person's message whose text was changed, where that is switched on."""
        is_rated = str(facts.place.channel) in self._automation_rules.sentiment_channels
        rating = requests.rating_of(facts, edited_at_s)
        if not is_rated or rating is None or not facts.is_from_person or facts.is_ours:
            return
        if not await self._reception.lets(rating.access_request):
            return
        with contextlib.suppress(*LEDGER_AWAY):  # no person asked, so none is told
            if not await self._has_opted_out(rating.origin, str(facts.author)):
                await self._reception.receive(rating)

    def note_pins(self, place: DiscordPlace, *, is_heard: bool) -> None:
        """Queue a place whose pinned messages have changed, or may have while we were disconnected.

        The outcome is reported only for a received event: at a start there may be a great many.
        """
        if str(place.channel) in self._automation_rules.pins_channels:
            self._pinned.put_nowait((place, is_heard))

    async def run(self) -> None:
        """Learn new pins, and forget removed ones, until cancelled."""
        while True:
            place, is_heard = await self._pinned.get()
            try:
                await self._learn_pins(place, is_told=is_heard)
            except (PlatformError, *LEDGER_AWAY) as error:
                # They are compared again at the next change, and at the next start.
                log.warning("pins_not_learned", error=type(error).__name__)

    async def _learn_pins(self, place: DiscordPlace, *, is_told: bool) -> None:
        pins = await self._library.pins(place)
        for facts in pins.new:
            if not await self._reception.lets(to_incoming(facts).access_request):
                continue
            lessons = [lesson async for lesson in self._library.lessons(facts, asked=facts)]
            for lesson in filter(None, [pinned_text(facts), *lessons]):
                if not await self._reception.receive_in_turn(
                    lesson if is_told else unasked(lesson)
                ):
                    return  # a limit was hit: the rest is learned with the next change
            await self._store.note_pin(origin_of(place, facts.message), is_pinned=True)
        for message in pins.gone:
            gone = origin_of(place, message)
            await self._store.run(documents.forget(gone))
            await self._store.note_pin(gone, is_pinned=False)

    async def _receive(self, incoming: Incoming) -> Job | None:
        try:
            return await self._reception.receive(incoming)
        except LEDGER_AWAY as error:
            log.warning("reaction_not_accepted", error=type(error).__name__)
            return None

    async def _with_lesson(self, incoming: Incoming, file: File) -> Incoming:
        try:
            return dataclasses.replace(incoming, task=await self._library.lesson(file, ""))
        except RefusedError as error:
            task = Learn(file.name, "")
            return dataclasses.replace(incoming, task=task, refusal=error.to_reply())

    async def _has_opted_out(self, origin: Origin, user: str) -> bool:
        return user in await self._store.opted_out(origin.tenant)

    async def _tell_away(self, origin: Origin) -> None:
        """Say without the ledger that nothing was learned."""
        with contextlib.suppress(PlatformError):
            await self._surface.connected().say(origin, AWAY)
