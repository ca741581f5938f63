"""Does what the plan says: kills, freezes, cuts and breaks, each when enough has been asked.

Chooses only victims that serve, so that every kill meets work; waits for one if there is none.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from shared.ledger import keys
from tests.chaos.discord_side import DiscordSide
from tests.chaos.ledger_view import LedgerView
from tests.chaos.plan import Deed, Event
from tests.chaos.processes import Child, Household
from tests.chaos.slack_side import SlackSide

POLL_S = 0.05
BUSY_WAIT_S = 1.0
LATE_POSTS, LATE_S = 4, 1.0
PRESENTER_S = keys.PRESENTER_LIFETIME_MS / 1000
MAX_BEHIND = 3
"""With more deeds overdue, nothing more is asked until a victim serves again."""


@dataclass(slots=True)
class Kill:
    """A worker's death, and the jobs it held."""

    at_s: float
    job_ids: list[str]


@dataclass(slots=True)
class Nemesis:
    """Carries out a plan."""

    household: Household
    slack: SlackSide
    discord: DiscordSide
    ledger: LedgerView | None
    diary: Path
    """A file that says what was done when."""
    lease_s: float
    """A frozen worker stays so for longer."""
    kills: list[Kill] = field(default_factory=list)
    _due: list[Event] = field(default_factory=list)
    _thaws: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def is_behind(self) -> bool:
        """Whether too many deeds wait for a victim."""
        return len(self._due) > MAX_BEHIND

    async def run(self, plan: Sequence[Event], num_sent: Callable[[], int]) -> None:
        """Carry out all deeds in their order."""
        left = list(plan)
        while left or self._due:
            while left and left[0].at_message <= num_sent():
                self._due.append(left.pop(0))
            if self._due:
                await self._do(self._due[0])
                self._due.pop(0)
            else:
                await asyncio.sleep(POLL_S)
        await asyncio.gather(*self._thaws)

    def heal(self) -> None:
        """No more faults, nobody frozen."""
        for child in self.household.children:
            child.thaw()
        self.slack.heal()
        self.discord.heal()

    async def _do(self, event: Event) -> None:
        house, pause_s = self.household, event.pause_s
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self.diary.open("a") as diary:
            diary.write(f"{now} {event}\n")
        match event.deed:
            case Deed.KILL_WORKER:
                await self._kill_worker(await self._victim(house.workers, event), pause_s)
            case Deed.FREEZE_WORKER:
                self._freeze(await self._victim(house.workers, event), self.lease_s + pause_s)
            case Deed.FREEZE_BOTS:
                self._freeze(await self._victim(house.bots, event), PRESENTER_S + pause_s)
            case Deed.KILL_BOTS | Deed.KILL_ALL_BOTS:
                await self._kill_bots(event)
            case Deed.UPGRADE_WORKER:
                await self._upgrade(house.workers[0])
            case Deed.UPGRADE_BOTS:
                await self._upgrade(house.bots[event.choice])
            case Deed.KILL_REDIS:
                (await self._victim([house.redis.child], event)).kill(pause_s)
            case _:
                await self._trouble_platform(event)

    async def _upgrade(self, child: Child) -> None:
        """Replace a process by its successor, and wait until that serves.

        A worker runs beside its successor until that serves. Bots end before: the two share a
        port and a folder.
        """
        house = self.household
        program = house.successors[child.name]
        if child in house.workers:
            old, child = child, Child(replace(program, name=f"{program.name}-new"))
            child.start()
            house.workers.append(child)
        else:
            await asyncio.to_thread(child.succeed, program)
            old = None
        while not child.is_ready():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(POLL_S)
        if old:
            house.workers.remove(old)
            await asyncio.to_thread(old.stop)

    async def _trouble_platform(self, event: Event) -> None:
        deeds: dict[Deed, Callable[[], Awaitable[None] | None]] = {
            Deed.DROP_SLACK: self.slack.drop_sockets,
            Deed.REFRESH_SLACK: self.slack.refresh_sockets,
            Deed.DROP_DISCORD: self.discord.drop_gateways,
            Deed.RECONNECT_DISCORD: self.discord.reconnect_gateways,
            Deed.INVALIDATE_DISCORD: self.discord.invalidate_sessions,
            Deed.BREAK_SLACK_CALL: lambda: self.slack.break_call(event.choice),
            Deed.BREAK_DISCORD_CALL: lambda: self.discord.break_call(event.choice),
        }
        if work := deeds[event.deed]():
            await work

    async def _victim(self, children: Sequence[Child], event: Event) -> Child:
        """One of those that serve, as soon as one does."""
        serving: list[Child] = []
        while not serving:
            await asyncio.sleep(POLL_S)
            serving = [child for child in children if child.has_begun()]
        return serving[event.choice % len(serving)]

    async def _kill_worker(self, child: Child, pause_s: float) -> None:
        pid = child.pid
        await self._wait_busy(pid)
        child.kill(pause_s)
        at_s = time.monotonic()
        # Asked after the death: what it has finished until then is not left behind.
        job_ids = await self.ledger.running_on(pid) if self.ledger else []
        self.kills.append(Kill(at_s, job_ids))

    async def _wait_busy(self, pid: int) -> None:
        """Wait a moment until a worker is in the middle of an answer."""
        until_s = time.monotonic() + BUSY_WAIT_S
        while self.ledger and time.monotonic() < until_s:
            if await self.ledger.running_on(pid):
                return

    async def _kill_bots(self, event: Event) -> None:
        """Kill one or all; every other time after posts of which they know nothing yet."""
        victim = await self._victim(self.household.bots, event)
        if event.choice // 10 % 2:
            for side in (self.slack, self.discord):
                side.answer_late(LATE_POSTS, LATE_S)
            await asyncio.sleep(LATE_S / 2)
        for child in [victim] if event.deed is Deed.KILL_BOTS else self.household.bots:
            child.kill(event.pause_s)

    def _freeze(self, child: Child, for_s: float) -> None:
        child.freeze()
        task = asyncio.create_task(_thaw(child, for_s))
        self._thaws.add(task)
        task.add_done_callback(self._thaws.discard)


async def _thaw(child: Child, after_s: float) -> None:
    await asyncio.sleep(after_s)
    child.thaw()
