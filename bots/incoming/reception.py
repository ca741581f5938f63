"""Reception: accepts messages by intake, one atomic step in the ledger, and then a wake-up call.

When ``receive`` returns, the message is recorded (or was before, or is not for us) and the
platform's event may be acknowledged. When it raises, nothing is promised and the platform should
send it again.
"""

import asyncio
import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from bots.access.decision import AccessDecision
from bots.access.gate import AccessGate
from bots.access.request import AccessRequest
from bots.delivery.manager import Delivery
from bots.incoming.context import HistoryReader, Wanted, with_messages
from bots.incoming.flood_guard import FloodGuard
from bots.incoming.intake import Incoming, Taken, intake
from bots.incoming.policy import is_for_us
from bots.incoming.preferences import PreferenceCache
from bots.incoming.privacy import Forgetter
from bots.incoming.situation import may_be_ours, situated
from bots.incoming.threads import Threads
from bots.store import AsyncStore
from shared.errors import (
    NothingThereError,
    PlaceUnreadableError,
    PlatformError,
    RefusedError,
)
from shared.jobs import Job, Origin, job_id
from shared.ledger import documents, lifecycle, ratings, status
from shared.ledger.lifecycle import AskAllowance, JobLimits, Ready
from shared.ledger.quotas import Quotas
from shared.logs import get_logger
from shared.preference_layers import Resolved
from shared.tasks import Learn, Quoted, Tag, Translate

log = get_logger(__name__)

LEDGER_AWAY = (redis.RedisError, TimeoutError, OSError)
"""What ``receive`` raises if the ledger cannot be asked."""
AWAY = "I cannot take anything right now. Please try again in a minute."
"""Said where the ledger is away and the platform will not ask again."""
TOO_MUCH = "You are asking faster than I may answer. Please wait a minute and try again."
"""Said to a command of which ``receive`` has kept nothing, not even a refusal."""
RECEIVE_S = 2.0
"""Slack waits 3 s for its acknowledgement."""
GATHER_S = 20.0
"""How long the platform may take to show the messages that a task works on."""
LATE_S = 60.0
"""From this age on a message counts as late, and its answer says so."""
MINUTE_S = 60.0
IN_TURN_S = 120.0
"""What is received in turn waits no longer than this for the one before."""
REFUSED_STATE = "refused"
MAX_WITHDRAWN = 1_000
ACTS_OF_MESSAGES = ("", "tag", "translate")
"""Acts on a message because it was written in a channel, besides answering it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's limits on who may ask what."""

    limits: JobLimits
    allowance: AskAllowance | None
    max_chars: int
    preference_cache: PreferenceCache | None = None
    """The preferences of workspaces and channels; None where there are none."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """How a platform's adapter fetches a message's files."""

    learn: Callable[[Incoming], Awaitable[bool]]
    """Learns the files of a message to us that asks for that; False if it does not, or has none."""
    fetch: Callable[[Incoming], Awaitable[Incoming]] | None = None
    """The message with its files; None if it has none."""


def allowance_at(age_s: float, allowance: AskAllowance | None) -> AskAllowance | None:
    """The allowance for messages of this age.

    Old messages are read at another rate than they were written: a person who asked once a minute
    for a quarter of an hour has asked fifteen times, and not fifteen times too much.
    """
    if allowance is None or age_s <= 0:
        return allowance
    minutes = 1 + int(age_s / MINUTE_S)
    return dataclasses.replace(
        allowance,
        user_per_min=allowance.user_per_min * minutes,
        channel_per_min=allowance.channel_per_min * minutes,
        max_open_per_user=max(allowance.max_open_per_user, allowance.user_per_min),
    )


class Reception:
    """Accepts the messages of one platform."""

    def __init__(
        self,
        store: AsyncStore,
        delivery: Delivery,
        wake: Callable[[Ready], None],
        rules: Rules,
        history_reader: HistoryReader | None = None,
        access_gate: AccessGate | None = None,
    ) -> None:
        """Store the dependencies.

        Args:
            store: the ledger.
            delivery: shows what is answered.
            wake: wakes workers.
            rules: the operator's limits.
            history_reader: fetches the messages of tasks; None where there are none.
            access_gate: who may ask; None in the terminal, where everybody may.
        """
        self.store = store
        self.access_gate = access_gate
        self.threads = Threads(store)
        self._history_reader = history_reader
        self.flood_guard = FloodGuard(rules.allowance)
        self._delivery = delivery
        self._wake = wake
        self._rules = rules
        self.forgetter = Forgetter(store, self._retract)
        self._withdrawn: OrderedDict[str, None] = OrderedDict()
        """Recently deleted messages: one may be deleted before it has been accepted."""

    def resolved(self, origin: Origin) -> Resolved:
        """The preferences for a message's origin: its workspace's and its channel's."""
        preference_cache = self._rules.preference_cache
        return preference_cache.resolved(origin) if preference_cache else Resolved()

    def situated(self, incoming: Incoming) -> Incoming:
        """The message with its channel's preferences; ``receive`` adds them by itself."""
        return situated(incoming, self.resolved(incoming.origin), datetime.now(UTC))

    def quotas(self, origin: Origin, roles: frozenset[str] = frozenset()) -> Quotas:
        """The daily quotas of a person with these roles, and of their channel."""
        resolved = self.resolved(origin)
        return Quotas(resolved.quota_of(roles), resolved.channel_quota, resolved.workspace_quota)

    async def mute(self, origin: Origin, *, is_muted: bool) -> bool:
        """Mute or unmute the thread of a message that a person marked for it.

        Returns:
            False if that message is in no thread of ours.

        Raises:
            redis.RedisError, TimeoutError: the ledger is away.
        """
        return await self.threads.mute_at(origin, self._retention_ms(origin), is_muted=is_muted)

    async def receive(
        self, incoming: Incoming, age_s: float = 0.0, files: FileSource | None = None
    ) -> Job | None:
        """Record a message that is for us; the job if it is a new one that ends visibly.

        Args:
            incoming: the message.
            age_s: how long ago it was written, if it was received late; else 0.
            files: fetches its files; used only if the message is for us.

        Raises:
            redis.RedisError, TimeoutError, OSError: the ledger did not answer in time.
        """
        incoming = self.situated(incoming)
        asker = incoming.origin.asker
        admitted = await self._admitted(incoming)
        if admitted is None:
            return None
        incoming = admitted
        if age_s > LATE_S:
            incoming = dataclasses.replace(incoming, late_s=age_s)
        if files and is_for_us(incoming.situation) and await files.learn(incoming):
            return None
        fetch = files.fetch if files else None
        if fetch:
            found = await self._fetched(incoming, fetch)
            if found is None:
                return None
            incoming = found
        async with self._in_line(incoming):
            if self.flood_guard.holds_off(asker):
                return None
            if not fetch:
                incoming = await self.threads.looked_up(incoming)
            taken = await self._take(incoming)
            if taken is None or taken.wanted is None:
                return await self._accept(taken, incoming, age_s)
        taken = await self._with_messages(taken, taken.wanted)
        async with self._in_line(incoming):
            return await self._accept(taken, incoming, age_s)

    async def admits(self, incoming: Incoming) -> bool:
        """Whether a message may be for us and its author may ask there; tells one who may not."""
        return await self._admitted(self.situated(incoming)) is not None

    async def lets(self, request: AccessRequest) -> bool:
        """Whether a person may ask; does not tell one who may not."""
        return self.access_gate is None or (await self.access_gate.check(request)).is_allowed

    async def _admitted(self, incoming: Incoming) -> Incoming | None:
        """A message that may be for us, with what its author may see; None if it is refused."""
        if not may_be_ours(incoming) or self.flood_guard.holds_off(incoming.origin.asker):
            return None
        if self.access_gate is None:
            return incoming
        decision = await self.access_gate.check(incoming.access_request)
        if not decision.is_allowed:
            await self._turn_away(incoming, decision)
            return None
        return dataclasses.replace(incoming, is_confined=decision.is_confined)

    async def _turn_away(self, incoming: Incoming, decision: AccessDecision) -> None:
        """Tell the author of a message that is for us, and that was meant for us."""
        task = incoming.task
        is_unasked = isinstance(task, Translate | Learn) and task.is_unasked
        if self.access_gate is None or is_unasked or isinstance(task, Tag):
            return
        if not is_for_us(incoming.situation):
            try:
                incoming = await self.threads.looked_up(incoming)
            except LEDGER_AWAY:
                return
        if is_for_us(incoming.situation):
            await self.access_gate.turn_away(incoming.access_request, decision)

    async def is_known(self, origin: Origin) -> bool:
        """Whether there is a job of this origin, and not a silent refusal.

        Raises:
            redis.RedisError, TimeoutError: the ledger did not answer in time.
        """
        place = await self.store.run(status.queue_position(job_id(origin)))
        return place is not None and place.state != REFUSED_STATE

    async def receive_in_turn(self, incoming: Incoming) -> bool:
        """Record one of several consecutive messages, and wait until its ending is shown.

        Returns:
            whether there is a job for it now; False if a limit was hit, and it has to be sent
            again.

        Raises:
            redis.RedisError, TimeoutError, OSError: as ``receive``.
        """
        job = await self.receive(incoming)
        if job is None:
            return await self.is_known(incoming.origin)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IN_TURN_S):
                await self.wait_delivered(job.id)
        return True

    async def _fetched(
        self, incoming: Incoming, fetch: Callable[[Incoming], Awaitable[Incoming]]
    ) -> Incoming | None:
        """A message with its thread's state from the ledger and its files; None if not for us.

        Other messages of the channel go on while the files are fetched.
        """
        async with self._in_line(incoming):
            if self.flood_guard.holds_off(incoming.origin.asker):
                return None
            incoming = await self.threads.looked_up(incoming)
            if not is_for_us(incoming.situation):
                await self.threads.note_aside(incoming, self._retention_ms(incoming.origin))
                return None
        return await fetch(incoming)

    async def _take(self, incoming: Incoming) -> Taken | None:
        """Decide about a message that has been looked up."""
        origin = incoming.origin
        resolved = self.resolved(origin)
        taken = intake(incoming, self._rules.max_chars, resolved.tasks_off)
        if taken is None:
            await self.threads.note_aside(incoming, self._retention_ms(origin))
            return None
        if resolved.answer_bots:
            await self.threads.note_spoken_to(incoming)
        if taken.mutes is not None:
            await self.threads.mute(
                taken.job.origin, self._retention_ms(origin), is_muted=taken.mutes
            )
        return taken

    def _retention_ms(self, origin: Origin) -> int:
        return self.resolved(origin).retention_ms or self._rules.limits.retention_ms

    @contextlib.asynccontextmanager
    async def _in_line(self, incoming: Incoming) -> AsyncIterator[None]:
        line = self.flood_guard.in_line(incoming.origin.asker, incoming.origin.channel)
        async with asyncio.timeout(RECEIVE_S), line:
            yield

    async def withdraw(self, origin: Origin) -> None:
        """Withdraw a deleted message: stop its answer and delete what was shown for it.

        Raises:
            redis.RedisError, TimeoutError, OSError: the ledger did not answer in time.
        """
        jobs = [job_id(dataclasses.replace(origin, act=act)) for act in ACTS_OF_MESSAGES]
        for withdrawn in jobs:
            self._withdrawn[withdrawn] = None
            if len(self._withdrawn) > MAX_WITHDRAWN:
                self._withdrawn.popitem(last=False)
        async with asyncio.timeout(RECEIVE_S):
            for withdrawn in jobs:
                await self._retract(withdrawn)
            await self.store.run(ratings.remove(origin))
            await self.store.run(documents.forget(origin))

    async def wait_delivered(self, job_id: str) -> None:
        """Wait until a job's final reply has been shown by this process."""
        await self._delivery.wait_delivered(job_id)

    async def _with_messages(self, taken: Taken, wanted: Wanted) -> Taken:
        """The job with the messages that it works on, or a refusal if there are none."""
        try:
            messages = await self._gather(taken.job.origin, wanted)
        except RefusedError as error:
            return Taken(taken.job, error.to_reply())
        return Taken(with_messages(taken.job, messages))

    async def _gather(self, origin: Origin, wanted: Wanted) -> Sequence[Quoted]:
        if self._history_reader is None:
            raise PlaceUnreadableError
        try:
            async with asyncio.timeout(GATHER_S):
                messages = await self._history_reader.gather(origin, wanted)
        except (PlatformError, TimeoutError) as error:
            log.warning("messages_not_gathered", error=type(error).__name__)
            raise PlaceUnreadableError from error
        if not messages:
            raise NothingThereError
        return messages

    async def _accept(self, taken: Taken | None, incoming: Incoming, age_s: float) -> Job | None:
        if taken is None or taken.job.id in self._withdrawn:
            return None
        origin, resolved = taken.job.origin, self.resolved(incoming.origin)
        taken = dataclasses.replace(
            taken,
            job=dataclasses.replace(
                taken.job, manner=resolved.manner, is_confined=incoming.is_confined
            ),
        )
        is_asked = taken.job.kind.is_answered and not taken.job.is_unasked
        limits = dataclasses.replace(self._rules.limits, retention_ms=self._retention_ms(origin))
        accepted = await self.store.run_confirmed(
            lifecycle.accept(
                taken.job,
                limits,
                allowance_at(age_s, self._rules.allowance if is_asked else None),
                taken.refusal,
                is_said_sparingly=taken.is_said_sparingly,
                quotas=self.quotas(incoming.origin, incoming.roles) if is_asked else None,
            )
        )
        if accepted.refused:
            log.info("message_refused", job=taken.job.id, reason=accepted.refused)
            self.flood_guard.note_refused(origin.asker, accepted.refused)
        if not accepted.is_new:
            return None
        log.info("job_accepted", job=taken.job.id, platform=taken.job.origin.platform)
        if taken.job.kind.is_answered:
            self._delivery.announce(taken.job)
        if accepted.ready:
            self._wake(accepted.ready)
        if taken.job.id in self._withdrawn:  # deleted while the ledger recorded it
            await self._retract(taken.job.id)
        return taken.job

    async def _retract(self, withdrawn: str) -> None:
        if ready := await self._delivery.retract(withdrawn):
            self._wake(ready)
