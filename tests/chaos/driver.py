"""Many people talk to the bot on both platforms, a steady number of questions open at any time.

Speaks and looks; judges nothing. People wait for the answer before they go on in a conversation,
but now and then somebody sends two messages at once.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.checker import ENDING
from tests.chaos.conversations import Question, Spot
from tests.chaos.discord_side import DiscordSide
from tests.chaos.slack_side import SlackSide

Side = SlackSide | DiscordSide

PATIENCE_S = 40.0
"""A question that is open for so long no longer keeps others from being asked."""
READING_S = 1.5
"""Nobody goes on sooner after an answer."""
LOOK_EVERY_S = 0.05
FORGET_EVERY_S = 10.0
DIRECT_SHARE, FOLLOW_UP_SHARE, MENTION_SHARE, BURST_SHARE = 0.2, 0.35, 0.5, 0.04
WORDS = ("where", "did", "the", "red", "bicycle", "go", "after", "lunch", "and", "who", "told", "a")


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked."""

    num_messages: int
    in_flight: int
    seed: int
    ending: str = ENDING
    """What stands below a whole answer."""
    is_stranger: bool = False
    """Whether the bot remembers no conversation: it hears mentions only, and its answers do not say
    which question they are for, so that people ask one at a time in a thread."""


class Driver:
    """Asks until all is asked; keeps the record of what was asked and what stands below it."""

    def __init__(
        self, sides: Sequence[Side], load: Load, is_held_up: Callable[[], bool] = lambda: False
    ) -> None:
        self.questions: dict[str, Question] = {}
        """Marker -> question, in the order in which they were asked."""
        self._sides = {side.name: side for side in sides}
        self._load = load
        self._is_held_up = is_held_up
        self._random = random.Random(f"driver {load.seed}")
        self._open: dict[str, Question] = {}
        self._threads: list[Spot] = []
        """Conversations in channels that may go on."""
        self._directs = [spot for side in sides for spot in side.direct_spots()]

    @property
    def num_sent(self) -> int:
        """How many questions have been asked."""
        return len(self.questions)

    @property
    def open_questions(self) -> list[Question]:
        """Those without a final text yet."""
        return list(self._open.values())

    async def run(self) -> None:
        """Ask everything."""
        while self.num_sent < self._load.num_messages:
            if self._num_waited_for() >= self._load.in_flight or self._is_held_up():
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            await self._speak()

    async def greet(self) -> None:
        """Write every direct message on Discord for the first time, while nothing goes wrong yet.

        Discord does not tell a bot which direct messages there are: one that begins while nobody
        listens cannot be found by anybody.
        """
        for spot in self._directs:
            if spot.platform == DiscordSide.name:
                await self._ask(spot)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while self._open:  # noqa: ASYNC110 - polled, as it is looked at
                    await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """See what stands below every open question, again and again until cancelled."""
        forgotten_s = time.monotonic()
        while True:
            self.look_once()
            if time.monotonic() - forgotten_s > FORGET_EVERY_S:
                forgotten_s = time.monotonic()
                for side in self._sides.values():
                    side.forget_requests()
            await asyncio.sleep(LOOK_EVERY_S)

    def look_once(self) -> None:
        """See what stands below every open question."""
        for side in self._sides.values():
            side.look()
        for question in self.open_questions:
            self._read(question)
            if question.is_final(self._load.ending):
                question.settled_at_s = time.monotonic()
                del self._open[question.marker]

    def look_at_all(self) -> None:
        """See what stands below every question there was."""
        self.look_once()
        for question in self.questions.values():
            self._read(question)

    def _read(self, question: Question) -> None:
        question.posts = self._sides[question.spot.platform].posts(question)

    def _num_waited_for(self) -> int:
        now_s = time.monotonic()
        return sum(now_s - q.sent_at_s < PATIENCE_S for q in self._open.values())

    async def _speak(self) -> None:
        """Ask one question, or two at once."""
        spot = self._choose_spot()
        is_burst = bool(spot.questions) and self._random.random() < BURST_SHARE
        is_burst = is_burst and not self._load.is_stranger
        for _ in range(1 + is_burst):
            if self.num_sent < self._load.num_messages:
                await self._ask(spot)

    async def _ask(self, spot: Spot) -> None:
        marker = f"q{self.num_sent:06d}"
        words = self._random.choices(WORDS, k=self._random.randint(3, 8))
        question = Question(marker, " ".join([marker, *words]), spot, time.monotonic())
        is_new = not spot.questions and not spot.is_direct
        spot.questions.append(question)
        if is_new:
            self._threads.append(spot)
        self.questions[marker] = self._open[marker] = question
        is_mention = self._random.random() < MENTION_SHARE or self._load.is_stranger
        await self._sides[spot.platform].ask(question, is_mention=is_mention)

    def _choose_spot(self) -> Spot:
        """A conversation to go on with, or the place for a new one; both platforms alike."""
        name = self._random.choice(sorted(self._sides))
        kind = self._random.random()
        if kind < DIRECT_SHARE:
            spot = self._choose_idle(self._directs, name)
        elif kind < DIRECT_SHARE + FOLLOW_UP_SHARE:
            spot = self._choose_idle(self._threads, name)
        else:
            spot = None
        return spot or self._sides[name].new_spot(self._random)

    def _choose_idle(self, spots: Sequence[Spot], platform: str) -> Spot | None:
        """A conversation in which nobody waits; of those in channels a recent one."""
        recent = [spot for spot in spots[-200:] if spot.platform == platform]
        since_s = time.monotonic() - READING_S
        idle = [s for s in recent if s.is_idle(since_s) and (s.is_direct or s.last_answer())]
        return self._random.choice(idle) if idle else None
