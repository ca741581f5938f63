"""A summary of messages in which every point cites its messages.

A model of sufficient size writes points with the numbers of their messages, part by part where they
do not fit into one prompt. For a model too small to be trusted with its own words the most central
messages, by TF-IDF, are quoted instead.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from shared.errors import NothingThereError
from shared.replies import Done
from shared.tasks import Quoted, Summarize
from worker.engine.protocol import GREEDY
from worker.handler import Outcome
from worker.leases import HeldLease
from worker.prompts.chat import Prompt, make_task_prompt
from worker.prompts.library import PromptLibrary, fresh_mark
from worker.store import BlockingStore
from worker.tasks.generate import ChatModel, Draft
from worker.tasks.memory import in_language
from worker.tasks.summary_text import Point, line_of, listed, numbered, points_in, quoted, shown

WORD = re.compile(r"[^\W_]{2,}")
MIN_WORDS = 3
"""A shorter message ("yes", "thanks a lot") carries no content by itself."""
REDUNDANCY = 0.7
"""The penalty of a message for its similarity to a chosen one (maximal marginal relevance,
Carbonell
and Goldstein 1998)."""
WISH = 2.0
"""The bonus of a message for its similarity to what a person wants to know."""

Vector = Mapping[str, float]


def most_central(texts: Sequence[str], num: int, wish: str = "") -> list[int]:
    """The numbers of the most central texts, in their order.

    Args:
        texts: the messages.
        num: how many are chosen at most.
        wish: what the summary should cover, if anything.
    """
    words = [WORD.findall(text.casefold()) for text in texts]
    rarity = _rarity(words)
    vectors = [_vector(of_one, rarity) for of_one in words]
    centre = _sum(vectors)
    wanted = _vector(WORD.findall(wish.casefold()), rarity)
    worth = {
        number: _cosine(vector, centre) + WISH * _cosine(vector, wanted)
        for number, vector in enumerate(vectors)
        if len(words[number]) >= MIN_WORDS
    }
    chosen: list[int] = []
    while worth and len(chosen) < num:
        best = max(worth, key=lambda number: (_marginal(number, worth, chosen, vectors), -number))
        chosen.append(best)
        del worth[best]
    return sorted(chosen)


def _marginal(
    number: int, worth: Mapping[int, float], chosen: Sequence[int], vectors: Sequence[Vector]
) -> float:
    likeness = max((_cosine(vectors[number], vectors[other]) for other in chosen), default=0.0)
    return worth[number] - REDUNDANCY * likeness


def _rarity(words: Sequence[Sequence[str]]) -> dict[str, float]:
    num_with = Counter(word for of_one in words for word in set(of_one))
    return {word: math.log((1 + len(words)) / num) for word, num in num_with.items()}


def _vector(words: Sequence[str], rarity: Mapping[str, float]) -> Vector:
    counts = Counter(word for word in words if word in rarity)
    weights = {word: (1 + math.log(count)) * rarity[word] for word, count in counts.items()}
    length = math.sqrt(sum(weight**2 for weight in weights.values()))
    return {word: weight / length for word, weight in weights.items()} if length else {}


def _sum(vectors: Sequence[Vector]) -> Vector:
    total: Counter[str] = Counter()
    for vector in vectors:
        total.update(vector)
    return total


def _cosine(one: Vector, other: Vector) -> float:
    """The cosine of two vectors, of which the second need not have length 1."""
    length = math.sqrt(sum(weight**2 for weight in other.values()))
    shared = sum(weight * other.get(word, 0.0) for word, weight in one.items())
    return shared / length if length else 0.0


MAX_POINTS = 6
MAX_NEW_TOKENS = 400
"""Six points of some 50 tokens, with room."""
SPARE_TOKENS = 16
"""Lines may be tokenized differently where they meet."""
MAX_ROUNDS = 4
"""The maximum number of merge rounds; each round leaves a fraction of the points."""


class Summarizer:
    """Summarizes with one model."""

    def __init__(
        self,
        store: BlockingStore,
        chat_model: ChatModel,
        library: PromptLibrary,
        *,
        is_quoting: bool,
    ) -> None:
        """``is_quoting``: whether messages are chosen and quoted instead of paraphrased."""
        self._store = store
        self._chat_model = chat_model
        self._library = library
        self._is_quoting = is_quoting

    def summarize(self, held: HeldLease) -> Outcome:
        """Write a summary. See ``handler.Handler``."""
        job = held.lease.job
        task = job.task
        if not isinstance(task, Summarize) or not task.messages:
            raise NothingThereError
        messages = dict(enumerate(task.messages, start=1))
        points: Sequence[Point] = ()
        if not self._is_quoting:
            draft = Draft(self._store, self._chat_model, held)
            wish = f" What matters: {job.text}" if job.text else ""
            points = self._points(messages, task.what, f"{wish}{in_language(job)}", draft)
        if points:
            return Outcome(Done(shown(task.what, messages, points)))
        texts = [message.text for message in task.messages]
        chosen = [number + 1 for number in most_central(texts, MAX_POINTS, job.text)]
        return Outcome(Done(quoted(task.what, messages, chosen or list(messages)[:MAX_POINTS])))

    def _points(
        self, messages: Mapping[int, Quoted], what: str, wish: str, draft: Draft
    ) -> list[Point]:
        points: list[Point] = []
        room = self._room("summarize", "messages", what, wish)
        for part in self._parts(messages, room):
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
        """Merge points into fewer that say the same; only numbers that they had are valid."""
        joined: list[Point] = []
        lines = {number: listed([point]) for number, point in enumerate(points)}
        for numbers in self._fitting(lines, self._room("merge", "points", what, wish)):
            some = [points[number] for number in numbers]
            known = {number: messages[number] for point in some for number in point.numbers}
            answer = self._ask("merge", draft, what, wish, points=listed(some))
            joined += points_in(answer, known)
        return joined

    def _ask(self, name: str, draft: Draft, what: str, wish: str, **data: str) -> str:
        prompt = self._prompt(name, what, wish, **data)
        return draft.write(prompt, GREEDY, is_shown=False).text

    def _prompt(self, name: str, what: str, wish: str, **data: str) -> Prompt:
        chat_model = self._chat_model
        rendered = self._library.render(
            name,
            mark=fresh_mark(),
            most=str(MAX_POINTS),
            what=what,
            wish=wish,
            **data,
        )
        return make_task_prompt(
            rendered,
            chat_model.tokenizer,
            chat_model.limits,
            MAX_NEW_TOKENS,
            chat_model.terms_of_tasks,
        )

    def _parts(self, messages: Mapping[int, Quoted], room: int) -> Iterator[dict[int, Quoted]]:
        """Split the messages into parts that fit into a prompt, the oldest first."""
        lines = {number: line_of(number, message) for number, message in messages.items()}
        for numbers in self._fitting(lines, room):
            yield {number: messages[number] for number in numbers}

    def _fitting(self, lines: Mapping[int, str], room: int) -> Iterator[list[int]]:
        """The numbers of lines that fit into a prompt together, in their order."""
        some: list[int] = []
        left = room
        for number, line in lines.items():
            length = self._length(line)
            if some and length > left:
                yield some
                some, left = [], room
            some.append(number)
            left -= length
        if some:
            yield some

    def _room(self, name: str, field: str, what: str, wish: str) -> int:
        """The tokens available for messages or points in one prompt."""
        limits = self._chat_model.limits
        empty = self._prompt(name, what, wish, **{field: ""})
        used = len(empty.token_ids) + empty.max_new_tokens + SPARE_TOKENS
        return max(1, limits.max_total_tokens - used)

    def _length(self, line: str) -> int:
        return len(self._chat_model.tokenizer.encode(f"{line}\n", add_special_tokens=False))
