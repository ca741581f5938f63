"""Read marks: the latest message seen in each channel, kept in Redis for the next process.

Every message is noted in memory and written in one call every two seconds. Knows no platform:
messages are compared by their ids, which grow with time on Slack and on Discord.
"""

import asyncio
import dataclasses
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bots.incoming.reception import LEDGER_AWAY
from bots.store import AsyncStore
from shared.ledger import keys
from shared.ledger.calls import Call, Raw, text_of
from shared.logs import get_logger

log = get_logger(__name__)

FLUSH_EVERY_S = 2.0
LIFETIME_S = 2 * 24 * 3600
"""No backfill goes further back than a day; ``PARLEY_LOOKBACK_S`` has that limit."""
MAX_THREADS = 500
ALIVE = "*"
MS = 1000

NOTE = f"""
-- ARGV: hash, sorted set, number of threads, thread, ..., channel, message, channel, message, ...
-- Keeps the later message of each channel and the latest threads, and notes when that was.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local num_threads = tonumber(ARGV[3])
for i = 4, 3 + num_threads do redis.call('ZADD', ARGV[2], now, ARGV[i]) end
if num_threads > 0 then
  redis.call('ZREMRANGEBYRANK', ARGV[2], 0, -{MAX_THREADS + 1})
  redis.call('EXPIRE', ARGV[2], {LIFETIME_S})
end
for i = 4 + num_threads, #ARGV, 2 do
  -- As text, the shorter first: Discord's ids have more digits than a Lua number.
  local old, new = redis.call('HGET', ARGV[1], ARGV[i]), ARGV[i + 1]
  if not old or #new > #old or (#new == #old and new > old) then
    redis.call('HSET', ARGV[1], ARGV[i], new)
  end
end
redis.call('HSET', ARGV[1], '{ALIVE}', string.format('%.0f', now))
redis.call('EXPIRE', ARGV[1], {LIFETIME_S})
return 1
"""

READ = f"""
-- ARGV: hash, sorted set, key of the installation's time. Returns {{now in ms, that time in ms,
-- threads, channel, message, channel, message, ...}}. The first to ask is the installation; marks
-- without one are from a version that did not note it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is_older = redis.call('HEXISTS', ARGV[1], '{ALIVE}') == 1
redis.call('SET', ARGV[3], is_older and 0 or string.format('%.0f', now), 'NX')
local answer = redis.call('HGETALL', ARGV[1])
table.insert(answer, 1, redis.call('ZREVRANGE', ARGV[2], 0, -1))
table.insert(answer, 1, tonumber(redis.call('GET', ARGV[3])))
table.insert(answer, 1, now)
return answer
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What had been seen at some moment."""

    now_s: float
    """That moment, in seconds since 1970 by Redis's clock."""
    alive_at_s: float | None
    """When a process last listened; None if none ever did."""
    latest: Mapping[str, str]
    """Channel -> the latest message that was seen."""
    threads: tuple[str, ...] = ()
    """Threads that we took part in lately, the latest first."""
    installed_at_s: float = 0.0
    """When a process began for the first time, in seconds since 1970; 0 if that is not known."""


def is_later(message: str, than: str) -> bool:
    """Whether one message of a channel was written after another."""
    return (len(message), message) > (len(than), than)


class ReadMarks:
    """The read marks of one platform."""

    def __init__(self, store: AsyncStore, platform: str) -> None:
        self._store = store
        self._keys = (keys.seen(platform), keys.threads(platform))
        self._installed = keys.installed(platform)
        self._alive_at_s: float | None = None
        self._installed_at_s = 0.0
        self._latest: dict[str, str] = {}
        self._changed: dict[str, str] = {}
        self._threads: OrderedDict[str, None] = OrderedDict()

    def note(self, channel: str, message: str) -> None:
        """Note a message, ours or not, answered or not."""
        known = self._latest.get(channel, "")
        if is_later(message, known):
            self._latest[channel] = self._changed[channel] = message

    def note_thread(self, thread: str) -> None:
        """Note a thread that we take part in."""
        self._threads[thread] = None
        if len(self._threads) > MAX_THREADS:
            self._threads.popitem(last=False)

    async def read(self) -> Seen:
        """What all processes have seen so far; while Redis is away, what this one has."""
        try:
            seen = await self.read_all()
        except LEDGER_AWAY:
            return self.known()
        for channel, message in seen.latest.items():
            if is_later(message, self._latest.get(channel, "")):
                self._latest[channel] = message
        self._alive_at_s = seen.alive_at_s
        self._installed_at_s = seen.installed_at_s
        return dataclasses.replace(seen, latest=dict(self._latest))

    def known(self) -> Seen:
        """What this process has seen so far, without asking Redis."""
        return Seen(
            time.time(),
            self._alive_at_s,
            dict(self._latest),
            installed_at_s=self._installed_at_s,
        )

    async def read_all(self) -> Seen:
        """What is written of what all processes have seen.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        return await self._store.run(Call(READ, (*self._keys, self._installed), _read))

    async def flush(self) -> None:
        """Write the changes, and the time at which this process still listened.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away; the changes stay in memory.
        """
        changed, self._changed = self._changed, {}
        threads, self._threads = self._threads, OrderedDict()
        pairs = [word for pair in changed.items() for word in pair]
        try:
            args: list[str | int] = [*self._keys, len(threads), *threads, *pairs]
            await self._store.run(Call(NOTE, args, lambda _: None))
        except LEDGER_AWAY:
            self._changed = {**changed, **self._changed}
            self._threads = OrderedDict({**threads, **self._threads})
            raise

    async def run(self, is_listening: Callable[[], bool]) -> None:
        """Write until cancelled, while this process listens."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            if not is_listening():
                continue
            try:
                await self.flush()
            except LEDGER_AWAY as error:
                log.info("marks_not_written", error=type(error).__name__)


def _read(raw: Raw) -> Seen:
    now_ms, installed_ms, threads, *words = raw
    latest = dict(_pairs(words))
    alive_at_ms = latest.pop(ALIVE, None)
    return Seen(
        now_s=int(now_ms) / MS,
        alive_at_s=int(alive_at_ms) / MS if alive_at_ms else None,
        latest=latest,
        threads=tuple(text_of(thread) for thread in _as_list(threads)),
        installed_at_s=int(installed_ms) / MS,
    )


def _pairs(words: Raw) -> Iterator[tuple[str, str]]:
    names = [text_of(word) for word in words]
    return zip(names[::2], names[1::2], strict=True)


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
