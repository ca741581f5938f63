"""Runs errands: what a person wants for themselves, or of the settings."""

import dataclasses
from typing import assert_never

from bots.adapters import Link
from bots.forgetting import forget_user
from bots.slack_adapter.commands import Command
from bots.slack_adapter.controls import Press
from bots.slack_adapter.errands import FORGET_QUESTION, STOPPED, Errand, forget_blocks
from bots.slack_adapter.identity import Identity
from bots.slack_adapter.promptness import Reply
from shared import quotas
from shared.jobs import Origin, Platform
from shared.logs import get_logger
from shared.quotas import Quotas, quota_text

log = get_logger(__name__)


class Clerk:
    """Runs the errands of one workspace's people."""

    def __init__(self, me: Identity, link: Link) -> None:
        self._me = me
        self._store = link.reception.store
        self._verbs = link.verbs

    async def run(self, errand: Errand, command: Command) -> Reply:
        """Do what a command asks for.

        Raises:
            RefusedError: it cannot be done; the sentence says why.
            PlatformError: Slack did not answer.
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        match errand:
            case Errand.STOP:
                # All of its user's there: a command stands in no conversation.
                origin = dataclasses.replace(command.origin, act="")
                return Reply(await self._verbs.stop_all(origin) or STOPPED)
            case Errand.QUOTA:
                return Reply(await self.quota(command.origin))
            case Errand.FORGET_ME:
                return Reply(FORGET_QUESTION, blocks=forget_blocks())
            case Errand.SETTINGS:
                return Reply()
            case _:
                assert_never(errand)

    async def quota(self, origin: Origin) -> str:
        """What a person has used and may use today. Raises as ``run`` does."""
        used = await self._store.run(quotas.usage(origin))
        return quota_text(Quotas(), used)

    async def forget(self, press: Press) -> Reply:
        """Delete what is kept of who pressed the button. Raises as ``run`` does."""
        origin = Origin(
            Platform.SLACK, self._me.team_id, press.channel, "", "", press.user, act="forget"
        )
        return Reply(await forget_user(self._store, origin))
