"""The dialect protocol: a platform's markup, as packing into parts needs it."""
# Pure.

import re
from collections.abc import Mapping
from typing import Protocol

from bots.render.blocks import ListItem, Run

FENCE = "```"
FENCES = re.compile(r"`{3,}")


class Dialect(Protocol):
    """A platform's markup, and how it counts."""

    def __hash__(self) -> int:
        """By value: two dialects with the same limit are equal."""
        ...

    @property
    def limit(self) -> int:
        """The maximum size of a part."""
        ...

    @property
    def marks(self) -> Mapping[str, str]:
        """The sign on both sides of a run's text, by the run's mark."""
        ...

    @property
    def escapes(self) -> bool:
        """Whether text that looks like a mark can be escaped."""
        ...

    @property
    def joiner(self) -> str:
        """The text required between a mark and a letter outside of it; empty for none."""
        ...

    @property
    def quote(self) -> str:
        """The prefix of each line of a quote."""
        ...

    def measure(self, text: str) -> int:
        """The size of a text, as the platform counts."""
        ...

    def write(self, run: Run, *, is_first: bool) -> str:
        """A run without its marks, escaped so that it reads as it is.

        Args:
            run: text, inline code or an address.
            is_first: whether it begins its line.
        """
        ...

    def code(self, line: str) -> str:
        """A line within a block of code."""
        ...

    def opening(self, language: str) -> str:
        """The line above a block of code."""
        ...

    def marker(self, item: ListItem) -> str:
        """The prefix of an item's first line."""
        ...

    def indent(self, item: ListItem) -> str:
        """The prefix of an item's other lines."""
        ...

    def heading(self, level: int) -> tuple[str, bool]:
        """The prefix of a heading, and whether it is written in bold."""
        ...


def without_fences(code: str) -> str:
    """Code without fences inside that would end its block: neither platform knows longer fences."""
    return FENCES.sub(lambda ticks: "\u200b".join(ticks[0]), code)
