"""What is kept in the cache, what is found again, and what a step computes."""

import pytest

from worker.engine.cpu.block_allocator import Blocks, CacheBlock
from worker.engine.cpu.scheduler import (
    LARGEST_CHUNK,
    SMALLEST_CHUNK,
    STRETCH,
    BlockPlacement,
    Cabinet,
    CachedSequence,
    PrefillBudget,
    chunks,
    runs,
)

A, B = "a", "b"
LARGEST = 256


def cabinet(num_blocks: int = 4) -> Cabinet:
    return Cabinet(Blocks(num_blocks * LARGEST, LARGEST))


def hold(
    cabinet: Cabinet, salt: str, tokens: list[int], room: int, *, ended: bool
) -> CachedSequence:
    """A sequence that was placed, and computed to its last token."""
    place = cabinet.place(salt, tokens, room)
    assert place is not None
    held = CachedSequence(salt, place.block, list(tokens), len(tokens))
    cabinet.held.append(held)
    if ended:
        cabinet.end(held)
    return held


def test_the_next_turn_takes_over_the_block_of_the_one_before() -> None:
    kept = cabinet()
    first = hold(kept, A, [1, 2, 3], 60, ended=True)

    assert kept.place(A, [1, 2, 3, 4, 5], 60) == BlockPlacement(first.block, 3)
    assert kept.held == []


def test_an_equal_beginning_is_copied_and_stays_for_others() -> None:
    kept = cabinet()
    first = hold(kept, A, [1, 2, 3, 4, 5, 6], 60, ended=True)

    place = kept.place(A, [1, 2, 3, 9], 60)

    assert place is not None
    assert (place.num_cached, place.copied_from) == (3, first.block)
    assert kept.held == [first]


def test_the_beginning_of_an_answer_that_is_being_written_is_copied() -> None:
    kept = cabinet()
    first = hold(kept, A, [1, 2, 3], 60, ended=False)

    place = kept.place(A, [1, 2, 3, 4], 60)

    assert place is not None
    assert (place.num_cached, place.copied_from) == (3, first.block)


def test_nothing_is_shared_between_tenants() -> None:
    kept = cabinet()
    hold(kept, A, [1, 2, 3], 60, ended=True)

    place = kept.place(B, [1, 2, 3, 4], 60)

    assert place is not None
    assert (place.num_cached, place.copied_from) == (0, None)


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    kept = cabinet()
    hold(kept, A, [1, 2, 3], 60, ended=True)

    place = kept.place(A, [1, 2, 3], 60)

    assert place is not None
    assert place.num_cached == 2


def test_the_oldest_idle_sequence_gives_way_and_no_running_one_does() -> None:
    kept = cabinet(num_blocks=2)
    old = hold(kept, A, [1], LARGEST, ended=True)
    running = hold(kept, A, [2], LARGEST, ended=False)

    assert kept.place(B, [3], LARGEST) == BlockPlacement(old.block)
    assert kept.held == [running]
    assert kept.place(B, [4], LARGEST) is None


def test_a_sequence_of_which_nothing_was_computed_leaves_no_trace() -> None:
    kept = cabinet()
    held = CachedSequence(A, CacheBlock(0, 64), [1], 0)
    kept.held.append(held)

    kept.end(held)

    assert kept.held == []


def reading(*nums: int) -> list[CachedSequence]:
    return [CachedSequence(A, CacheBlock(64 * at, 64), [0] * num, 0) for at, num in enumerate(nums)]


@pytest.mark.parametrize(
    ("prompts", "budget", "expected"),
    [
        ((1500,), 100, [100]),
        ((30, 40), 100, [30, 40]),
        ((1500, 30), 100, [70, 30]),
        ((1500, 30, 40, 500), 100, [50, 30, 20]),
        ((10,), 0, []),
    ],
)
def test_a_long_prompt_holds_up_no_short_ones_and_is_not_starved(
    prompts: tuple[int, ...], budget: int, expected: list[int]
) -> None:
    assert [num for _, num in chunks(reading(*prompts), budget)] == expected


def test_sequences_side_by_side_are_one_run() -> None:
    a, b = CachedSequence(A, CacheBlock(0, 64), [], 0), CachedSequence(A, CacheBlock(64, 64), [], 0)
    apart, larger = (
        CachedSequence(A, CacheBlock(192, 64), [], 0),
        CachedSequence(A, CacheBlock(256, 128), [], 0),
    )

    assert runs([larger, apart, b, a]) == [[a, b], [apart], [larger]]


def test_prompts_take_what_the_steps_of_others_can_bear() -> None:
    pace = PrefillBudget()
    assert pace.budget(0) == LARGEST_CHUNK
    for _ in range(30):
        pace.note(16, 0, 0.050)
        pace.note(16, 40, 0.090)  # a token of a prompt costs a millisecond

    assert pace.budget(16) == pytest.approx(50 * (STRETCH - 1), abs=2)


def test_what_a_step_costs_without_prompts_is_measured_now_and_then() -> None:
    pace = PrefillBudget()
    pace.note(16, 0, 0.05)
    budgets = []
    for _ in range(20):
        budgets.append(pace.budget(16))
        pace.note(16, budgets[-1], 0.05 + 0.02 * budgets[-1])

    assert 0 in budgets
    assert SMALLEST_CHUNK in budgets


def test_a_step_for_few_says_nothing_of_one_for_many() -> None:
    pace = PrefillBudget()
    pace.note(0, 500, 0.5)  # a token of a prompt costs a millisecond
    for _ in range(10):
        pace.note(2, 0, 0.01)

    assert pace.budget(2) == SMALLEST_CHUNK
    assert pace.budget(32) == 0, "it is measured first"
    pace.note(32, 0, 0.1)
    assert pace.budget(32) == pytest.approx(100 * (STRETCH - 1), abs=2)
    assert pace.budget(35) == pace.budget(32)
    assert pace.budget(2) == SMALLEST_CHUNK
