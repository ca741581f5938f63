"""The cache is divided so that nobody's part is another's, and nothing of it is lost."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from worker.engine.cpu.block_allocator import SMALLEST_TOKENS, Blocks, CacheBlock, size_for

LARGEST = 1024
TOTAL = 4 * LARGEST


def test_a_block_is_the_smallest_power_of_two_that_fits() -> None:
    assert [size_for(num) for num in (1, 64, 65, 1024, 1025)] == [64, 64, 128, 1024, 2048]


def test_small_blocks_lie_side_by_side_and_leave_the_rest_whole() -> None:
    blocks = Blocks(TOTAL, LARGEST)

    taken = [blocks.take(100) for _ in range(3)]

    assert taken == [CacheBlock(0, 128), CacheBlock(128, 128), CacheBlock(256, 128)]
    assert blocks.take(LARGEST) == CacheBlock(LARGEST, LARGEST)


def test_what_is_larger_than_the_largest_is_refused() -> None:
    assert Blocks(TOTAL, LARGEST).take(LARGEST + 1) is None


@given(st.lists(st.integers(-20, LARGEST), max_size=80))
def test_no_course_of_taking_and_giving_overlaps_or_loses(course: list[int]) -> None:
    blocks = Blocks(TOTAL, LARGEST)
    taken: list[CacheBlock] = []
    for step in course:
        if step <= 0 and taken:
            blocks.give_back(taken.pop(-step % len(taken)))
        elif step > 0 and (block := blocks.take(step)) is not None:
            assert block.size >= step
            assert block.offset % block.size == 0
            taken.append(block)
        ends = sorted((block.offset, block.offset + block.size) for block in taken)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(ends))
    for block in taken:
        blocks.give_back(block)

    assert [blocks.take(LARGEST) for _ in range(4)] == [
        CacheBlock(offset, LARGEST) for offset in range(0, TOTAL, LARGEST)
    ]
    assert blocks.take(SMALLEST_TOKENS) is None
