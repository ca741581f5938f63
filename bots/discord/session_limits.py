"""Limits how often a bot starts a new session with Discord.

A bot has 1,000 IDENTIFYs a day; one that uses them up loses all its sessions and its token
(docs.discord.com, Gateway, Session Start Limit). A process that crashes and is started again every
few seconds would use them up in an hour, so all processes of a bot share a bucket in Redis: ten at
once, then one in ninety seconds, which makes 970 a day at most.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bots.incoming.reception import LEDGER_AWAY
from bots.store import AsyncStore
from shared.ledger import keys
from shared.ledger.calls import Call
from shared.logs import get_logger

log = get_logger(__name__)

BURST = 10
EVERY_MS = 90_000
MS = 1000
LONGEST_SLEEP_S = 5.0

TAKE = """
-- ARGV: hash, most at once, ms for each one more, now in ms or ''. Returns 0, or ms to wait.
local burst, every, now = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local kept = redis.call('HMGET', ARGV[1], 'left', 'at')
local left = burst
if kept[1] then left = math.min(burst, tonumber(kept[1]) + (now - tonumber(kept[2])) / every) end
if left < 1 then return math.ceil((1 - left) * every) end
redis.call('HSET', ARGV[1], 'left', tostring(left - 1), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', ARGV[1], burst * every)
return 0
"""


def take(bot: str, now_ms: int | None = None) -> Call[int]:
    """Count one start; returns 0 if it is allowed, else how long to wait in ms.

    Args:
        bot: the bot's user id.
        now_ms: the time, if it is not to be Redis's own.
    """
    args = (keys.session_starts(bot), BURST, EVERY_MS, "" if now_ms is None else now_ms)
    return Call(TAKE, args, lambda raw: int(str(raw)))


class SessionStarts:
    """One bot's session starts, as one process counts them."""

    def __init__(
        self,
        store: AsyncStore,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._alone_from_s = float("-inf")

    async def wait(self, bot: str) -> None:
        """Wait until a new session may be started, and count it."""
        is_said = False
        while (wait_s := await self._ask(bot)) > 0:
            if not is_said:
                log.warning("session_start_waits", wait_s=round(wait_s), why=WHY)
                is_said = True
            await self._sleep(min(wait_s, LONGEST_SLEEP_S))

    async def _ask(self, bot: str) -> float:
        try:
            return await self._store.run(take(bot)) / MS
        except LEDGER_AWAY:
            # This process lives, so it is in no crash loop; its own count must do.
            wait_s = self._alone_from_s - self._clock()
            if wait_s <= 0:
                self._alone_from_s = self._clock() + EVERY_MS / MS
            return wait_s


WHY = (
    "New sessions with Discord were begun too often, as in a crash loop: "
    "more would cost the bot its token."
)
