"""What is in the cache, and what the next step computes. Pure: no torch, no clock.

A sequence that has ended stays in its block until the room is needed, so that the next turn of its
conversation computes only what is new.
"""
# Pure.

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from worker.engine.cpu.block_allocator import Blocks, CacheBlock, size_for

FIRST_CHUNK, SMALLEST_CHUNK, LARGEST_CHUNK = 64, 16, 512
"""Tokens of prompts in one step: before anything was measured, and the bounds."""
STRETCH = 1.7
"""So much longer may a step be because of others' prompts than without them."""
MIXED_IN_A_ROW = 8
"""After so many steps with prompts one goes without, to be measured."""
SMOOTHING = 0.3
"""Weight of the latest step in the averages of what steps cost."""


@dataclass(slots=True, eq=False)
class CachedSequence:
    """A sequence that has a block."""

    salt: str
    block: CacheBlock
    tokens: list[int]
    """All its tokens, computed or not."""
    num_cached: int
    """The first so many of them are in the cache."""
    is_idle: bool = False

    @property
    def num_missing(self) -> int:
        """How many tokens must be computed before the next can be chosen."""
        return len(self.tokens) - self.num_cached


@dataclass(frozen=True, slots=True)
class BlockPlacement:
    """A block for a new sequence, and where its beginning comes from."""

    block: CacheBlock
    num_cached: int = 0
    copied_from: CacheBlock | None = None
    """None: nothing is copied; what is cached is in the block already."""


@dataclass(slots=True)
class Cabinet:
    """All sequences that have a block."""

    blocks: Blocks
    held: list[CachedSequence] = field(default_factory=list)
    """The idle ones in the order in which they ended; a prefix that is used moves back."""

    def place(self, salt: str, tokens: Sequence[int], num_tokens: int) -> BlockPlacement | None:
        """Room for a new sequence; idle ones give way, the oldest first.

        Args:
            salt: whose it is; beginnings are shared with the same salt only.
            tokens: its prompt.
            num_tokens: how long it may become.

        Returns:
            None if there is no room before another sequence ends.
        """
        best = max(
            (held for held in self.held if held.salt == salt),
            key=lambda held: _num_shared(held, tokens),
            default=None,
        )
        num_shared = 0 if best is None else _num_shared(best, tokens)
        if best is not None and self._goes_on(best, num_shared, num_tokens):
            self.held.remove(best)
            return BlockPlacement(best.block, num_shared)
        block = self._make_room(num_tokens, spare=best if num_shared else None)
        if block is None:
            return None
        if best is None or not num_shared or best not in self.held:
            return BlockPlacement(block)
        if best.is_idle:
            self.held.remove(best)
            self.held.append(best)
        return BlockPlacement(block, num_shared, best.block)

    def end(self, held: CachedSequence) -> None:
        """Keep an ended sequence's block for the next turn, if there is anything in it."""
        self.held.remove(held)
        if not held.num_cached:
            self.blocks.give_back(held.block)
            return
        held.is_idle = True
        held.tokens = held.tokens[: held.num_cached]
        self.held.append(held)

    def _goes_on(self, held: CachedSequence, num_shared: int, num_tokens: int) -> bool:
        """Whether a new sequence is the next turn of an idle one and fits in its block."""
        is_whole = num_shared >= held.num_cached - 1 and num_shared > 0
        return held.is_idle and is_whole and held.block.size == size_for(num_tokens)

    def _make_room(self, num_tokens: int, spare: CachedSequence | None) -> CacheBlock | None:
        if size_for(num_tokens) > self.blocks.largest:
            return None
        while (block := self.blocks.take(num_tokens)) is None:
            idle = [held for held in self.held if held.is_idle]
            oldest = next((held for held in idle if held is not spare), spare)
            if oldest is None or oldest not in idle:
                return None
            self.held.remove(oldest)
            self.blocks.give_back(oldest.block)
        return block


def _num_shared(held: CachedSequence, tokens: Sequence[int]) -> int:
    """How many tokens of a prompt are in the cache; its last is computed again, for its logits."""
    most = min(held.num_cached, len(tokens) - 1)
    low = 0
    while low < most:  # the longest equal beginning, by halving
        middle = (low + most + 1) // 2
        if list(tokens[low:middle]) == held.tokens[low:middle]:
            low = middle
        else:
            most = middle - 1
    return low


class PrefillBudget:
    """How many tokens of prompts a step may take, so that those who are written to do not wait."""

    def __init__(self) -> None:
        self._step_s: dict[int, float] = {}
        """What a step without prompts costs, by how many are written to; see ``_sort``."""
        self._token_s: float | None = None
        """What a token of a prompt adds."""
        self._num_mixed = 0
        """Steps since the last one without prompts."""

    def note(self, num_written: int, num_read: int, seconds: float) -> None:
        """Learn from a step with so many tokens of answers and of prompts."""
        self._num_mixed = self._num_mixed + 1 if num_read else 0
        sort = _sort(num_written)
        alone_s = self._step_s.get(sort) if num_written else 0.0
        if not num_read:
            self._step_s[sort] = _average(alone_s, seconds)
        elif num_read >= SMALLEST_CHUNK and alone_s is not None:
            rest_s = max(seconds - alone_s, seconds / 10)
            self._token_s = _average(self._token_s, rest_s / num_read)

    def budget(self, num_written: int) -> int:
        """How many tokens of prompts the next step may take, beside so many of answers."""
        if not num_written:
            return LARGEST_CHUNK
        step_s = self._step_s.get(_sort(num_written))
        if step_s is None or self._num_mixed >= MIXED_IN_A_ROW:
            return 0  # to see what it costs without
        if self._token_s is None:
            return FIRST_CHUNK
        affordable = int(step_s * (STRETCH - 1) / self._token_s)
        return min(LARGEST_CHUNK, max(SMALLEST_CHUNK, affordable))


def _sort(num_written: int) -> int:
    """Steps of one sort write to nearly as many, and so cost nearly the same: within a fifth."""
    return round(2 * math.log2(num_written)) if num_written else -1


def chunks(reading: Collection[CachedSequence], budget: int) -> list[tuple[CachedSequence, int]]:
    """How much of which prompt the next step reads.

    Half of the budget is for whoever came first, the rest for who needs least: a long prompt does
    not hold up short ones, and they do not starve it.
    """
    left: dict[int, int] = {id(held): held.num_missing for held in reading}
    given: dict[int, int] = dict.fromkeys(left, 0)

    def give(turn: Iterable[CachedSequence], most: int) -> None:
        for held in turn:
            num = min(most, left[id(held)])
            given[id(held)] += num
            left[id(held)] -= num
            most -= num

    give(reading, budget // 2)
    give(sorted(reading, key=lambda held: held.num_missing), budget - sum(given.values()))
    return [(held, given[id(held)]) for held in reading if given[id(held)]]


def runs(held: Iterable[CachedSequence]) -> list[list[CachedSequence]]:
    """Sequences whose blocks are of one size and lie side by side, together."""
    found: list[list[CachedSequence]] = []
    for one in sorted(held, key=lambda held: (held.block.size, held.block.offset)):
        last = found[-1][-1].block if found else None
        if last and last.size == one.block.size and last.offset + last.size == one.block.offset:
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _average(before: float | None, now: float) -> float:
    return now if before is None else before + SMOOTHING * (now - before)
