"""A message as it is shown: blocks of code, quotes and lines with spans in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Span:
    """Text with its marks, such as ``strong`` and ``code``."""

    text: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line; `marker` is that of a list's item."""

    spans: Sequence[Span]
    level: int = 0
    indent: int = 0
    marker: str = ""
    num_quotes: int = 0
    """Signs of quotes before it that are shown as they are: neither app knows quotes in others."""

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True)
class CodeBlock:
    text: str
    language: str = ""


@dataclass(frozen=True)
class Quote:
    blocks: Sequence["Block"] = field(default_factory=list)


Block = Line | CodeBlock | Quote


def flat(blocks: Sequence[Block]) -> Iterator[Line | CodeBlock]:
    """The lines and blocks of code, also those in quotes."""
    for block in blocks:
        if isinstance(block, Quote):
            yield from flat(block.blocks)
        else:
            yield block
