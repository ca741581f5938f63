"""``/forget-me``, and the deletion of workspaces that have removed us.

What was asked for lies in Redis until it is done, so that it outlives a process that is killed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis

from bots.store import AsyncStore
from shared.jobs import Origin
from shared.ledger import keys
from shared.ledger.forgetting import pending, people, scan, workspaces
from shared.ledger.forgetting.pending import ForgettingStage, PendingPerson
from shared.ledger.privacy import STILL_DELETING, Forgotten, forgotten_text
from shared.logs import get_logger

log = get_logger(__name__)

LEDGER_AWAY = (redis.RedisError, TimeoutError, OSError)
ANSWER_S = 10.0
"""So long a person waits for the numbers; a greater deletion goes on without them."""
LOOK_EVERY_S = 2.0
AT_ONCE = 1_000
"""Workspaces in one step."""
IN_PROGRESS = "in progress"
"""In Redis's answer if it writes its file again already."""
AFTER_UNINSTALL = "(uninstalled)"
"""Who deleted a workspace, in the audit."""

Retract = Callable[[str], Awaitable[None]]
"""Withdraws a question: stops its answer, and deletes what was shown of it."""
DropSpooled = Callable[[Origin], Awaitable[None]]
"""Takes a person's messages out of what waits on the disk."""


class Forgetter:
    """Forgets people and workspaces of one platform."""

    def __init__(self, store: AsyncStore, retract: Retract) -> None:
        self._store = store
        self._retract = retract
        self._spools: list[DropSpooled] = []
        self._moved: dict[str, bool] = {}
        """Workspaces that have just removed us (False), or have us (True)."""
        self._served: set[str] = set()

    def also_drop(self, spool: DropSpooled) -> None:
        """Add what keeps messages on the disk."""
        self._spools.append(spool)

    def note_left(self, tenant: str) -> None:
        """Note that a workspace has removed us: what is kept of it goes in 30 days."""
        self._moved[tenant] = False
        self._served.discard(tenant)

    def note_served(self, tenant: str) -> None:
        """Note that a workspace has us (again): what is kept of it stays."""
        self._moved[tenant] = True
        self._served.add(tenant)

    async def flush(self) -> None:
        """Record which workspaces have left, and which are back.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away; it is done later.
        """
        while self._moved:
            tenant, is_served = next(iter(self._moved.items()))
            if is_served:
                some = [name for name, is_back in self._moved.items() if is_back][:AT_ONCE]
                if await self._store.run(pending.come_back(*some)):
                    log.info("workspace_back", team=tenant)
            else:
                some = [tenant]
                await self._store.run(pending.leave(tenant))
                log.info("workspace_left", team=tenant)
            for name in some:
                if self._moved.get(name) is is_served:
                    del self._moved[name]

    async def forget(self, origin: Origin) -> str:
        """Delete what is kept of the origin's person in the origin's workspace.

        On Discord also in direct messages, which belong to no server.

        Returns:
            what was deleted, in numbers; a sentence or two for that person alone.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away, and nothing was begun.
        """
        direct = scan.direct_of(origin)
        asked = [await self._store.run(pending.ask(who)) for who in (origin, direct) if who]
        log.info("person_forgotten", platform=origin.platform, is_over=False)
        gone = Forgotten()
        try:
            async with asyncio.timeout(ANSWER_S):
                for one in asked:
                    gone = people.together(gone, await self.go_on(one))
        except LEDGER_AWAY:
            return STILL_DELETING  # ``run`` goes on
        return forgotten_text(gone)

    async def go_on(self, person: PendingPerson) -> Forgotten:
        """Do what is left of forgetting a person, and record what then is left.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away; it may be done again.
        """
        now_ms = await self._store.run(scan.now())
        is_last = now_ms - person.at_ms > keys.FORGET_PATIENCE_MS
        gone = Forgotten(left=person.left)
        if person.stage is ForgettingStage.SCAN:
            for spool in self._spools:
                await spool(person.origin)
            for job_id in await self._store.run_steps(people.open_jobs(person.origin)):
                await self._retract(job_id)
            gone = await self._store.run_steps(
                people.forget(person.origin, person.at_ms, is_last=is_last)
            )
        elif person.stage is ForgettingStage.LEFT:
            left = await self._store.run_steps(people.finish(person.left, is_last=is_last))
            gone = Forgotten(left=left)
        if gone.left:
            person = pending.at_stage(person, ForgettingStage.LEFT, gone.left)
            await self._store.run(pending.note(person, now_ms + pending.AGAIN_MS))
            return gone
        await self._store.confirm()  # or a failover would bring it back
        await self._rewrite(person, now_ms)
        return gone

    async def run(self, platform: str) -> None:
        """Go on with what was begun, and delete workspaces whose time has come, until cancelled."""
        is_away = False
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look(platform)
            except LEDGER_AWAY as error:
                if not is_away:
                    log.warning("forgetting_delayed", error=type(error).__name__)
                is_away = True
            else:
                is_away = False

    async def _look(self, platform: str) -> None:
        await self.flush()
        while person := await self._store.run(pending.take(platform)):
            await self.go_on(person)
        for tenant in await self._store.run(pending.left(platform)):
            await self._forget_workspace(tenant)

    async def _rewrite(self, person: PendingPerson, now_ms: int) -> None:
        """Have Redis write its file again, in which deleted data lies until then.

        Once in ten minutes: it writes everything. Where Redis forbids it to us, it is the
        operator's: docs/privacy.md.
        """
        if not await self._asks_to_rewrite():
            disk = pending.at_stage(person, ForgettingStage.DISK)
            await self._store.run(pending.note(disk, now_ms + pending.AGAIN_MS))
            return
        await self._store.run(pending.done(person))
        log.info("person_forgotten", platform=person.origin.platform, is_over=True)

    async def _asks_to_rewrite(self) -> bool:
        """Ask Redis to write its file again; False if that has to wait."""
        client = self._store.client
        info: Any = await client.info("persistence")
        if not info["aof_enabled"]:
            return True
        if not await client.set(keys.REWRITTEN, 1, px=keys.REWRITE_EVERY_MS, nx=True):
            return False
        try:
            await client.bgrewriteaof()
        except redis.ResponseError as error:
            if IN_PROGRESS in str(error):  # which may have read what was deleted since
                await client.delete(keys.REWRITTEN)
                return False
            log.info("redis_not_rewritten", error=type(error).__name__)
        return True

    async def _forget_workspace(self, tenant: str) -> None:
        platform, _, team = tenant.partition(":")
        is_installed = await self._store.client.hexists(keys.installations(platform), team)
        if is_installed or tenant in self._served:
            await self._store.run(pending.come_back(tenant))
            return
        gone = await self._store.run_steps(workspaces.forget(tenant, AFTER_UNINSTALL))
        log.info("workspace_forgotten", team=tenant, num_keys=gone.num_keys)


async def forget_user(store: AsyncStore, origin: Origin) -> str:
    """Delete what is kept of a person, where no answer is shown: for commands and tests."""

    async def retract(_job_id: str) -> None:
        """The steps withdraw it."""

    return await Forgetter(store, retract).forget(origin)
