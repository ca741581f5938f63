"""``Call``: a step of the ledger that either side runs with its own Redis client, and its reader.

``bots`` runs calls on an asyncio client, ``worker`` on a blocking one; neither writes a Redis
command about a job itself.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Raw = list[bytes | int]
"""A script's raw answer."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One atomic step, ready to be run by any Redis client."""

    script: str
    args: Sequence[str | int | bytes]
    read: Callable[[Raw], T]


def text_of(word: object) -> str:
    """One word of an answer, as text."""
    return word.decode() if isinstance(word, bytes) else str(word)


def is_one(raw: object) -> bool:
    """Whether a step answered 1: it was done."""
    return raw == 1


Steps = Generator[Call[Any], Any, T]
"""Several steps, each of which may depend on the answers before: yields calls, is sent what they
read, and returns a result. It may be given up at any step and begun again."""


def run_steps(run: Callable[[Call[Any]], Any], steps: Steps[T]) -> T:
    """Run steps one after the other with a blocking client."""
    try:
        call = next(steps)
        while True:
            call = steps.send(run(call))
    except StopIteration as stop:
        result: T = stop.value
        return result
