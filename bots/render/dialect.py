"""What a platform's own markup is to the packing of parts. Pure."""
# Pure.

from collections.abc import Mapping
from typing import Protocol

from bots.render.blocks import ListItem, Run

FENCE = "```"


class Dialect(Protocol):
    """A platform's markup, and how it counts."""

    def __hash__(self) -> int:
        """Of a value: two dialects with the same limit are one."""
        ...

    @property
    def limit(self) -> int:
        """The size of a part at most."""
        ...

    @property
    def marks(self) -> Mapping[str, str]:
        """What stands on both sides of a run's text, by the run's mark."""
        ...

    @property
    def escapes(self) -> bool:
        """Whether what is no mark can be written so that it is none."""
        ...

    @property
    def joiner(self) -> str:
        """What has to stand between a mark and a letter outside of it; empty for nothing."""
        ...

    @property
    def quote(self) -> str:
        """What stands before each line of a quote."""
        ...

    def measure(self, text: str) -> int:
        """The size of a text, as the platform counts."""
        ...

    def write(self, run: Run, *, is_first: bool) -> str:
        """A run without its marks, so that it reads as it is.

        Args:
            run: text, inline code or an address.
            is_first: whether it stands at the beginning of its line.
        """
        ...

    def code(self, line: str) -> str:
        """A line within a block of code."""
        ...

    def opening(self, language: str) -> str:
        """The line above a block of code."""
        ...

    def marker(self, item: ListItem) -> str:
        """What stands before an item's first line."""
        ...

    def indent(self, item: ListItem) -> str:
        """What stands before an item's other lines."""
        ...

    def heading(self, level: int) -> tuple[str, bool]:
        """What stands before a heading, and whether it is written in bold."""
        ...


def without_fences(code: str) -> str:
    """Code in which nothing ends a block of code: neither platform knows longer fences."""
    return code.replace(FENCE, "`\u200b`\u200b`")
