"""An answer as the parts that it is posted in. Pure."""
# Pure. Uses markdown_it, wcwidth.

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import Self

from bots.render.blocks import Run
from bots.render.dialect import Dialect
from bots.render.parse import Stretch, read
from bots.render.split import Packer


def parts_of(text: str, dialect: Dialect) -> Iterator[str]:
    """The parts in order, each when it is asked for; one empty one for a text of blanks.

    While a text grows, all but its last two parts stay as they are.
    """
    has_parts = False
    for part in Packer(dialect).pack(read(text, _stretch(dialect))):
        has_parts = True
        yield part
    if not has_parts:  # there is nothing but markup: it is shown as it is
        yield dialect.write(Run(text.strip()[: dialect.limit // 8]), is_first=True)


class Unfinished(str):
    """The last part that is shown of a text that goes on."""

    __slots__ = ("rest",)

    rest: Callable[[], list[str]]
    """The parts behind it."""

    def __new__(cls, part: str, rest: Callable[[], list[str]]) -> Self:
        """A part, and what the parts behind it are asked of."""
        self = super().__new__(cls, part)
        self.rest = rest
        return self


def first_parts(text: str, dialect: Dialect, max_parts: int | None) -> list[str]:
    """So many parts at most, or all; the last one is ``Unfinished`` if there are more."""
    parts = parts_of(text, dialect)
    if max_parts is None:
        return list(parts)
    shown = list(islice(parts, max_parts))
    following = list(islice(parts, 1))
    if not following:
        return shown
    return [*shown[:-1], Unfinished(shown[-1], lambda: list(chain(following, parts)))]


@lru_cache(maxsize=16)
def _stretch(dialect: Dialect) -> Stretch:
    most = dialect.limit // 2
    return Stretch(
        most, lambda text: dialect.measure(dialect.write(Run(text), is_first=True)) <= most
    )
