"""Reads and writes the ledger's state of the threads that messages belong to."""

import dataclasses

from bots.incoming.intake import Incoming
from bots.incoming.policy import is_for_us
from bots.incoming.situation import Thread, followed, needs_lookup
from bots.store import AsyncStore
from shared.jobs import Origin
from shared.ledger import threads as talk


class Threads:
    """The threads of one platform.

    Each step raises ``redis.RedisError`` or ``TimeoutError`` if the ledger is away.
    """

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    async def looked_up(self, incoming: Incoming) -> Incoming:
        """The message with the state of its thread, if that makes a difference."""
        if needs_lookup(incoming):
            incoming = followed(incoming, await self._thread_of(incoming))
        if incoming.situation.is_allowed_bot:
            number = await self._store.run(talk.num_bots(incoming.origin))
            situation = dataclasses.replace(incoming.situation, num_bots=number)
            incoming = dataclasses.replace(incoming, situation=situation)
        return incoming

    async def note_aside(self, incoming: Incoming, retention_ms: int) -> None:
        """Note that a person in a thread of ours said something that was not for us."""
        situation = incoming.situation
        if situation.is_follow_up and not situation.is_muted and not is_for_us(situation):
            await self._store.run(talk.note(incoming.origin, retention_ms))

    async def note_spoken_to(self, incoming: Incoming) -> None:
        """Note that a message is answered."""
        call = talk.note_bot if incoming.situation.is_allowed_bot else talk.note_person
        await self._store.run(call(incoming.origin))

    async def mute(self, origin: Origin, retention_ms: int, *, is_muted: bool) -> None:
        """Mute the origin's conversation, or unmute it."""
        await self._store.run(talk.mute(origin, retention_ms) if is_muted else talk.unmute(origin))

    async def mute_at(self, origin: Origin, retention_ms: int, *, is_muted: bool) -> bool:
        """Mute or unmute the thread of a message that a person marked for it.

        Args:
            origin: of the message; its thread may be empty where the platform does not say it.
            retention_ms: for how long.
            is_muted: whether we are to be silent.

        Returns:
            False if the message is in no thread of ours.
        """
        thread = origin.thread or await self._store.find_thread(origin, origin.message)
        for name in (thread, origin.message):
            place = dataclasses.replace(origin, thread=name or "")
            if (await self._store.run(talk.look(place))).takes_part:
                await self.mute(place, retention_ms, is_muted=is_muted)
                return True
        return False

    async def _thread_of(self, incoming: Incoming) -> Thread | None:
        """The conversation of ours that a message continues."""
        origin = incoming.origin
        if incoming.reply_to:
            name = await self._store.find_thread(origin, incoming.reply_to)
            if name is None:
                return None
            origin = dataclasses.replace(origin, thread=name)
        seat = await self._store.run(talk.look(origin))
        if not seat.takes_part and not incoming.reply_to:
            return None
        return Thread(origin.thread, seat.is_muted, seat.talk)
