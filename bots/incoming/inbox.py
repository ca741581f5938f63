"""Inbox for a platform that never sends a message twice: into the ledger, or onto the disk.

While the ledger is away messages wait in a spool, in their order, until it is back or the next
process starts. If there is no room for a message, its author gets a sentence at once.
"""

import asyncio
import dataclasses
import json
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pydantic

from bots.incoming.intake import Incoming, clean
from bots.incoming.reception import LEDGER_AWAY, Reception
from bots.incoming.situation import may_be_ours
from bots.incoming.spool import Spool
from shared.jobs import Origin
from shared.logs import get_logger

log = get_logger(__name__)

VERSION = 1
FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 5.0
MAX_AGE_S = 20 * 3600.0
"""Older lines are dropped: the ledger knows a message again for a day."""
MAX_PER_ASKER = 20
"""Lines that one person may have in the spool."""
TELL_EVERY_S = 60.0
MAX_TOLD = 10_000
FULL = (
    "I cannot take messages right now, and too many are waiting already. "
    "Please ask again in a few minutes."
)


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """A line of the spool: a message, or the deletion of one."""

    message: Incoming | None = None
    deleted: Origin | None = None

    @property
    def asker(self) -> str:
        """Its author; empty for a deletion."""
        return self.message.origin.asker if self.message else ""


_ENTRY = pydantic.TypeAdapter(SpoolEntry)


def write_entry(entry: SpoolEntry) -> bytes:
    """Serialize an entry as a line."""
    if entry.message:
        message = dataclasses.replace(entry.message, text=clean(entry.message.text))
        entry = dataclasses.replace(entry, message=message)
    return json.dumps({"v": VERSION, "entry": _ENTRY.dump_python(entry, mode="json")}).encode()


def read_entry(line: bytes) -> SpoolEntry | None:
    """Parse a line; None if it is no valid entry."""
    try:
        document = json.loads(line)
        if document["v"] != VERSION:
            return None
        entry: SpoolEntry = _ENTRY.validate_python(document["entry"])
    except (ValueError, TypeError, KeyError):  # pydantic's error is a ValueError
        return None
    return entry


class Inbox:
    """Hands one platform's messages to its reception, through the spool if need be."""

    def __init__(
        self,
        reception: Reception,
        spool: Spool,
        say: Callable[[Incoming, str], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``say`` answers a message without the ledger; ``clock`` is in seconds since 1970."""
        self._reception = reception
        self._spool = spool
        self._say = say
        self._clock = clock
        self._is_away = False
        """Whether messages go to the spool; later ones do, too, to keep their order."""
        self._num_being_kept = 0
        self._filled = asyncio.Event()
        self._num_of: Counter[str] = Counter()
        self._told_at: OrderedDict[str, float] = OrderedDict()

    async def take(self, incoming: Incoming, *, is_found: bool = False) -> None:
        """Accept a message: on return it is safe, or its author has been told that it is not.

        Args:
            incoming: the message.
            is_found: whether a backfill found it, so that it may be old. It is not spooled: most
                found messages have been answered, and the backfill runs again.

        Raises:
            redis.RedisError, TimeoutError, OSError: the ledger is away, and the message was found.
        """
        if not may_be_ours(incoming) or self._reception.flood_guard.holds_off(
            incoming.origin.asker
        ):
            return
        if not self._is_away:
            try:
                await self._reception.receive(incoming, self._age_s(incoming) if is_found else 0.0)
            except LEDGER_AWAY as error:
                if is_found:
                    raise
                log.warning("message_spooled", error=type(error).__name__)
            else:
                return
        if is_found:
            raise TimeoutError("The ledger is away.")
        await self._keep(SpoolEntry(message=incoming))

    async def withdraw(self, origin: Origin) -> None:
        """Withdraw a deleted message."""
        try:
            await self._reception.withdraw(origin)
        except LEDGER_AWAY:
            await self._keep(SpoolEntry(deleted=origin))

    async def forget(self, person: Origin) -> None:
        """Drop what waits in the spool of a person, in this process's file and in dead ones'."""

        def is_theirs(line: bytes) -> bool:
            entry = read_entry(line)
            return entry is not None and entry.asker == person.asker

        try:
            await self._spool.drop(is_theirs)
        except OSError as error:
            log.error("spool_failed", error=str(error))  # noqa: TRY400 - the sentence says it all

    async def run(self) -> None:
        """Hand the spool's entries on until cancelled."""
        try:
            await self._spool.open()
        except OSError as error:
            # Without the spool Parley needs Redis all the time; authors of lost messages are told.
            log.error("spool_unusable", error=str(error))  # noqa: TRY400 - nothing of ours to trace
        try:
            while True:
                await self._drain()
                await self._filled.wait()
                self._filled.clear()
        finally:
            await self._spool.close()

    async def _keep(self, entry: SpoolEntry) -> None:
        self._is_away = True
        asker = entry.asker
        if asker and self._num_of[asker] >= MAX_PER_ASKER:
            await self._tell_full(entry)
            return
        self._num_of[asker] += 1
        self._num_being_kept += 1
        is_kept = await self._append(entry)
        self._num_being_kept -= 1
        if is_kept:
            self._filled.set()
        else:
            self._num_of[asker] -= 1
            self._settle()
            await self._tell_full(entry)

    async def _append(self, entry: SpoolEntry) -> bool:
        try:
            return await self._spool.append(write_entry(entry))
        except OSError as error:
            log.error("spool_failed", error=str(error))  # noqa: TRY400 - the sentence says it all
            return False

    def _settle(self) -> None:
        """Return to the ledger once the spool is empty and no message is on its way into it."""
        if not self._spool.lines and not self._num_being_kept:
            self._is_away = False
            self._num_of.clear()

    async def _drain(self) -> None:
        wait_s = FIRST_RETRY_S
        num_handed_on = 0
        while self._spool.lines:
            try:
                line = self._spool.lines[0]
                await self._hand_on(line)
            except LEDGER_AWAY:
                await asyncio.sleep(wait_s)
                wait_s = min(LONGEST_RETRY_S, wait_s * 2)
            else:
                num_handed_on += 1
                wait_s = FIRST_RETRY_S
                await self._spool.done(line)
        self._settle()
        if num_handed_on:
            log.info("spool_handed_on", num_messages=num_handed_on)

    async def _hand_on(self, line: bytes) -> None:
        entry = read_entry(line)
        if entry is None:
            log.error("spool_line_unreadable", num_bytes=len(line))
        elif entry.deleted:
            await self._reception.withdraw(entry.deleted)
        elif entry.message:
            age_s = self._age_s(entry.message)
            if age_s > MAX_AGE_S:
                log.warning("message_too_old", age_s=round(age_s))
                return
            await self._reception.receive(entry.message, age_s)

    async def _tell_full(self, entry: SpoolEntry) -> None:
        """Say that there is no room, once a minute in each channel."""
        if entry.message is None:
            return
        log.error("message_not_taken", reason="spool_full")
        channel, now_s = entry.message.origin.channel, self._clock()
        if now_s - self._told_at.get(channel, 0.0) < TELL_EVERY_S:
            return
        self._told_at[channel] = now_s
        if len(self._told_at) > MAX_TOLD:
            self._told_at.popitem(last=False)
        await self._say(entry.message, FULL)

    def _age_s(self, incoming: Incoming) -> float:
        return max(0.0, self._clock() - incoming.written_at_s)
