"""A summary of messages whose every point can be looked up.

A model that can be trusted writes points with the numbers of their messages, part by part where
they do not fit into one prompt. For a smaller one the most central messages are quoted instead.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence

from shared.errors import NothingThereError
from shared.replies import Done
from shared.tasks import Quoted, Summarize
from worker.centrality import most_central
from worker.engine.generation import Sampling
from worker.leases import Held
from worker.points import Point, line_of, listed, numbered, points_in, quoted, shown
from worker.prompting.library import Library
from worker.prompts import make_task_prompt
from worker.store import Store
from worker.works import Outcome
from worker.writing import Draft, Mind

MAX_POINTS = 6
MAX_NEW_TOKENS = 400
"""Six points of some 50 tokens, with room."""
PROMPT_TOKENS = 300
"""What the prompt takes up around the messages, with an operator's own words in it."""
MAX_ROUNDS = 4
"""How often points are joined at most; each round leaves a fraction of them."""


class Summarizer:
    """Summarizes with one model."""

    def __init__(self, store: Store, mind: Mind, library: Library, *, is_quoting: bool) -> None:
        """``is_quoting``: whether messages are chosen and quoted instead of paraphrased."""
        self._store = store
        self._mind = mind
        self._library = library
        self._is_quoting = is_quoting

    def summarize(self, held: Held) -> Outcome:
        """Write a summary. See ``works.Work``."""
        job = held.lease.job
        task = job.task
        if not isinstance(task, Summarize) or not task.messages:
            raise NothingThereError
        messages = dict(enumerate(task.messages, start=1))
        points: Sequence[Point] = ()
        if not self._is_quoting:
            draft = Draft(self._store, self._mind.engine, held)
            points = self._points(messages, task.what, job.text, draft)
        if points:
            return Outcome(Done(shown(task.what, messages, points)))
        texts = [message.text for message in task.messages]
        chosen = [number + 1 for number in most_central(texts, MAX_POINTS, job.text)]
        return Outcome(Done(quoted(task.what, messages, chosen or list(messages)[:MAX_POINTS])))

    def _points(
        self, messages: Mapping[int, Quoted], what: str, wish: str, draft: Draft
    ) -> list[Point]:
        points: list[Point] = []
        for part in self._parts(messages):
            answer = self._ask("summarize", draft, what, wish, messages=numbered(part))
            points += points_in(answer, part)
        for _ in range(MAX_ROUNDS):
            if len(points) <= MAX_POINTS:
                break
            joined = self._joined(points, messages, what, wish, draft)
            if not joined or len(joined) >= len(points):
                break
            points = joined
        return points[:MAX_POINTS]

    def _joined(
        self,
        points: Sequence[Point],
        messages: Mapping[int, Quoted],
        what: str,
        wish: str,
        draft: Draft,
    ) -> list[Point]:
        """Fewer points that say the same; only numbers that they had count."""
        joined: list[Point] = []
        for some in self._fitting(points):
            known = {number: messages[number] for point in some for number in point.numbers}
            answer = self._ask("merge", draft, what, wish, points=listed(some))
            joined += points_in(answer, known)
        return joined

    def _ask(self, name: str, draft: Draft, what: str, wish: str, **data: str) -> str:
        mind = self._mind
        rendered = self._library.render(
            name,
            mark=f"====={secrets.token_hex(8)}=====",
            most=str(MAX_POINTS),
            what=what,
            wish=f" What matters: {wish}" if wish else "",
            **data,
        )
        prompt = make_task_prompt(rendered, mind.tokenizer, mind.limits, MAX_NEW_TOKENS)
        return draft.write(prompt, Sampling(), is_shown=False).text

    def _parts(self, messages: Mapping[int, Quoted]) -> Iterator[dict[int, Quoted]]:
        """The messages in parts that fit into a prompt, the oldest first."""
        part: dict[int, Quoted] = {}
        room = self._room()
        for number, message in messages.items():
            length = self._length(line_of(number, message))
            if part and length > room:
                yield part
                part, room = {}, self._room()
            part[number] = message
            room -= length
        if part:
            yield part

    def _fitting(self, points: Sequence[Point]) -> Iterator[list[Point]]:
        some: list[Point] = []
        room = self._room()
        for point in points:
            length = self._length(listed([point]))
            if some and length > room:
                yield some
                some, room = [], self._room()
            some.append(point)
            room -= length
        if some:
            yield some

    def _room(self) -> int:
        """How many tokens of messages fit into one prompt."""
        limits = self._mind.limits
        longest = min(MAX_NEW_TOKENS, limits.max_new_tokens)
        return max(1, limits.max_total_tokens - longest - PROMPT_TOKENS)

    def _length(self, line: str) -> int:
        return len(self._mind.tokenizer.encode(f"{line}\n", add_special_tokens=False))
