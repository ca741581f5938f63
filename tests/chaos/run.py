"""One run: a system, the two platforms, people, a nemesis, and at the end the verdict.

Called by ``python -m tests.chaos`` and by the test of row 3 of docs/reliability.md.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from bots.tasks import end
from tests.chaos.checker import Finding, Outcome, Post, check
from tests.chaos.discord_side import DiscordSide, make_discord
from tests.chaos.driver import Driver, Load
from tests.chaos.expectation import expect
from tests.chaos.ledger_view import LedgerView
from tests.chaos.model import Reference, save_model
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import Event, make_plan
from tests.chaos.processes import Household, RedisServer, SentinelRedis, free_port
from tests.chaos.report import MAX_CASES, Kills, Result, describe_case
from tests.chaos.slack_side import SlackSide, make_slack
from tests.chaos.systems import (
    LEASE_S,
    MAX_TURNS,
    NUM_LETTERS,
    SYSTEM_PROMPT,
    Surroundings,
    System,
    of_version,
)

START_TIMEOUT_S = 120.0
HEAL_TIMEOUT_S = 200.0
SETTLE_TIMEOUT_S = 150.0
"""How long after the last fault the last answer may take."""
QUIET_AFTER_LEASE_S = 5
"""After the last answer and a lease: the time in which a second answer would come."""
POLL_S = 0.2
MAX_PEOPLE, MESSAGES_PER_PERSON = 40, 25
PROGRESS_EVERY_S = 15.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is to be."""

    num_messages: int
    seed: int
    folder: Path
    """For data, logs and the model."""
    num_workers: int = 2
    num_bots: int = 2
    in_flight: int = 24
    lease_s: float = LEASE_S
    """How long a worker that says nothing is waited for."""
    is_calm: bool = False
    """Whether nothing goes wrong, to measure the machine."""
    plan: Callable[[int], tuple[Event, ...]] | None = None
    """What goes wrong for so many messages, if it is not drawn from the seed."""
    has_sentinels: bool = False
    """Whether Redis is a primary with a replica and Sentinels."""
    old_tree: Path | None = None
    """The source of an older version: its processes begin."""
    say: Callable[[str], None] = lambda _text: None
    """Told about progress."""

    def deeds(self) -> tuple[Event, ...]:
        """What goes wrong."""
        if self.is_calm:
            return ()
        if self.plan:
            return self.plan(self.num_messages)
        return make_plan(self.seed, self.num_messages)

    @property
    def num_people(self) -> int:
        """How many people there are, on each platform."""
        return min(MAX_PEOPLE, self.num_messages // MESSAGES_PER_PERSON)


@dataclass(slots=True)
class Run:
    """A run that goes on."""

    options: Options
    system: System
    household: Household
    driver: Driver
    nemesis: Nemesis
    sides: tuple[SlackSide, DiscordSide]
    ledger: LedgerView
    started_s: float = field(default_factory=time.monotonic)

    async def carry_out(self) -> None:
        """Ask everything while the nemesis does its worst, then let everything come to rest."""
        options = self.options
        plan = options.deeds()
        self.household.start()
        await self.household.wait_healthy(START_TIMEOUT_S)
        helpers = [
            asyncio.create_task(work)
            for work in (self.household.supervise(), self.driver.look(), self._tell_progress())
        ]
        try:
            await self.driver.greet()
            await asyncio.gather(
                self.driver.run(), self.nemesis.run(plan, lambda: self.driver.num_sent)
            )
            self.nemesis.heal()
            try:
                await self.household.wait_healthy(HEAL_TIMEOUT_S)
            except TimeoutError:
                ill = [child.name for child in self.household.children if not child.is_ready()]
                options.say(f"not ready {HEAL_TIMEOUT_S:.0f} s after the last fault: {ill}")
            await self._settle()
        finally:
            await end(helpers)

    async def _settle(self) -> None:
        """Wait until everything is answered, or will not be; then for what must not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                while self.driver.open_questions:  # noqa: ASYNC110 - polled, as it is looked at
                    await asyncio.sleep(POLL_S)
        await asyncio.sleep(self.options.lease_s + QUIET_AFTER_LEASE_S)

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            open_ = self.driver.open_questions
            oldest_s = max((time.monotonic() - q.sent_at_s for q in open_), default=0)
            self.options.say(
                f"{time.monotonic() - self.started_s:5.0f} s: {self.driver.num_sent} asked, "
                f"{len(open_)} open (oldest {oldest_s:.0f} s), kills {self.kills}"
            )

    @property
    def kills(self) -> Kills:
        """So far."""
        house = self.household
        return Kills(
            sum(child.num_kills for child in house.workers),
            sum(child.num_kills for child in house.bots),
            house.redis.child.num_kills,
        )

    async def conclude(self, model: Path) -> Result:
        """Judge what stands there now."""
        driver = self.driver
        driver.look_at_all()
        questions = driver.questions
        self.options.say(f"comparing {len(questions)} answers with the undisturbed model")
        max_turns = MAX_TURNS if self.system.has_history else 0
        expectation = expect(
            questions.values(), Reference(model, NUM_LETTERS), SYSTEM_PROMPT, max_turns
        )
        expected = expectation.answers
        posts = {marker: question.posts for marker, question in questions.items()}
        strays = [post for side in self.sides for post in side.strays()]
        findings = check(posts, strays, expected, self.system.ending)
        await self._tell_failures(findings, expected, strays)
        recoveries_s = self._recoveries_s()
        if forgetful := expectation.forgetful:
            self.options.say(f"answers without their conversation's beginning: {forgetful}")
        self.options.say(f"{len(recoveries_s)} jobs were on a worker that was killed")
        return Result(findings, len(questions), recoveries_s, self.kills)

    def _recoveries_s(self) -> list[float]:
        by_job = {question.job_id: question for question in self.driver.questions.values()}
        return [
            settled_s - kill.at_s
            for kill in self.nemesis.kills
            for job_id in kill.job_ids
            if (question := by_job.get(job_id)) and (settled_s := question.settled_at_s)
            if settled_s > kill.at_s
        ]

    async def _tell_failures(
        self, findings: list[Finding], expected: Mapping[str, str], strays: list[Post]
    ) -> None:
        broken = [f for f in findings if f.outcome in {Outcome.LOST, Outcome.DOUBLED}]
        for finding in broken[:MAX_CASES]:
            question = self.driver.questions.get(finding.marker)
            job = await self.ledger.describe(question.job_id) if question else {}
            self.options.say(describe_case(finding, question, expected.get(finding.marker), job))
        for post in strays[:MAX_CASES]:
            self.options.say(f"stray: {post}")
        for child in self.household.children:
            if child.ends:
                self.options.say(f"{child.name} ended by itself, exit codes {child.ends}")


async def run(options: Options, make_system: Callable[[Surroundings], System]) -> Result:
    """Carry out a run and judge it."""
    folder = options.folder
    folder.mkdir(exist_ok=True)
    model = save_model(folder / "model")
    redis_server = (
        SentinelRedis(folder / "redis")
        if options.has_sentinels
        else RedisServer(folder / "redis", free_port())
    )
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(make_slack())
        discord = await stack.enter_async_context(make_discord())
        given = Surroundings(
            folder,
            redis_server.url,
            model,
            slack,
            discord,
            options.num_workers,
            options.num_bots,
            options.lease_s,
            num_replicas=int(options.has_sentinels),
        )
        system = make_system(given)
        programs = (system.workers, system.bots)
        first = (
            [of_version(p, options.old_tree) for p in programs] if options.old_tree else programs
        )
        household = Household(redis_server, *first)
        household.successors = {each.name: each for each in chain(*programs)}
        stack.callback(household.stop)
        ledger = LedgerView(redis_server.url)
        stack.push_async_callback(ledger.close)
        sides = (SlackSide(slack, options.num_people), DiscordSide(discord, options.num_people))
        nemesis = Nemesis(
            household,
            *sides,
            ledger if system.has_ledger else None,
            folder / "deeds.log",
            options.lease_s,
        )
        load = Load(
            options.num_messages,
            options.in_flight,
            options.seed,
            system.ending,
            is_stranger=not system.has_history,
        )
        driver = Driver(sides, load, lambda: nemesis.is_behind)
        this = Run(options, system, household, driver, nemesis, sides, ledger)
        await this.carry_out()
        return await this.conclude(model)
