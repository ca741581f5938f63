"""An answer as the parts that it is posted in. Pure."""

from collections.abc import Iterator
from functools import lru_cache

from bots.render.dialect import Dialect
from bots.render.packing import Packer
from bots.render.reading import Stretch, read
from bots.render.rows import Run


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


@lru_cache(maxsize=16)
def _stretch(dialect: Dialect) -> Stretch:
    most = dialect.limit // 2
    return Stretch(
        most, lambda text: dialect.measure(dialect.write(Run(text), is_first=True)) <= most
    )
