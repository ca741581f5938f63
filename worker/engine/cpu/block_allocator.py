"""Which part of the cache is whose: a buddy allocator over tokens.

Blocks have sizes of powers of two and lie at multiples of their size, so that blocks of one size
lie side by side and one call of attention reads many of them without a copy. Pure.
"""
# Pure.

from bisect import insort
from dataclasses import dataclass

SMALLEST_TOKENS = 64


@dataclass(frozen=True, slots=True, order=True)
class CacheBlock:
    """A part of the cache, in tokens."""

    offset: int
    size: int


class Blocks:
    """The free parts of a cache; the lowest that fits is given out first."""

    def __init__(self, num_tokens: int, largest: int) -> None:
        """Divide a cache.

        Args:
            num_tokens: size of the cache; what is over a multiple of ``largest`` is not used.
            largest: size of the largest block, a power of two.
        """
        self.largest = largest
        self._free: dict[int, list[int]] = {size: [] for size in _sizes(largest)}
        self._free[largest] = list(range(0, num_tokens // largest * largest, largest))

    def take(self, num_tokens: int) -> CacheBlock | None:
        """A block for so many tokens; None if there is none now."""
        wanted = size_for(num_tokens)
        size = next((size for size in self._free if size >= wanted and self._free[size]), None)
        if size is None:
            return None
        offset = self._free[size].pop(0)
        while size > wanted:
            size //= 2
            insort(self._free[size], offset + size)
        return CacheBlock(offset, size)

    def give_back(self, block: CacheBlock) -> None:
        """Let a block be taken by others; two free halves become a whole."""
        offset, size = block.offset, block.size
        while size < self.largest and (buddy := offset ^ size) in self._free[size]:
            self._free[size].remove(buddy)
            offset, size = min(offset, buddy), 2 * size
        insort(self._free[size], offset)


def size_for(num_tokens: int) -> int:
    """The size of the block that so many tokens need."""
    return max(SMALLEST_TOKENS, 1 << max(num_tokens - 1, 0).bit_length())


def _sizes(largest: int) -> list[int]:
    sizes = [SMALLEST_TOKENS]
    while sizes[-1] < largest:
        sizes.append(2 * sizes[-1])
    return sizes
