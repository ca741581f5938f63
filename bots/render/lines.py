"""Writes a line of runs as far as there is room.

Wherever a line is cut, its marks are closed before the cut and opened again after it.
"""
# Pure. Uses markdown_it.

import re
import unicodedata
from collections import deque
from dataclasses import dataclass, field

from bots.render.blocks import Run
from bots.render.dialect import Dialect
from bots.render.inline import last_blank

SENTENCE_END = re.compile(r"[.!?…]\s+|[。！？]")  # noqa: RUF001 - ends of sentences
ZERO_WIDTH_JOINER = "\u200d"
CLINGING = frozenset({"Mn", "Me", "Mc", "Sk", "Cf"})
"""Categories of characters that belong to the one before them."""
MAX_CLUSTER = 16
BEHIND_ADDRESS = re.compile(r"[).,:;!?]*(?:\s|\Z)")
BEHIND_MARKS = " \n.,:;!?)]}'\"”’"  # noqa: RUF001 - as they are written
BEFORE_MARKS = " \n([{'\"“‘—–-/"  # noqa: RUF001 - as they are written
"""Characters that may be beside a mark where a letter may not."""


@dataclass(slots=True)
class Filled:
    """The written text, and the runs removed for it."""

    text: str = ""
    taken: list[Run] = field(default_factory=list)
    is_last_cut: bool = False

    def put_back(self, runs: deque[Run]) -> None:
        """Put the removed runs back."""
        if self.is_last_cut:
            runs.popleft()
        runs.extendleft(reversed(self.taken))


def fill(runs: deque[Run], room: int, dialect: Dialect) -> Filled:
    """Remove runs and write them, as much as there is room for; the rest stays in ``runs``.

    At least one character is removed, even where there is no room.
    """
    line, filled = _Written(dialect), Filled()
    _strip_beginning(runs)
    while runs:
        run = runs[0]
        if line.add(run, room):
            filled.taken.append(runs.popleft())
            continue
        length = _cut(run, room, line)
        if length:
            line.add(run._replace(text=run.text[:length].rstrip()))
            filled.taken.append(runs.popleft())
            if rest := run.text[length:].lstrip():
                runs.appendleft(run._replace(text=rest))
                filled.is_last_cut = True
        break
    filled.text = line.close()
    return filled


def _strip_beginning(runs: deque[Run]) -> None:
    """Strip blanks from the beginning of a line: they would not be shown."""
    while runs and not runs[0].is_code:
        text = runs[0].text.lstrip()
        if text:
            runs[0] = runs[0]._replace(text=text)
            return
        runs.popleft()


class _Written:
    """A line that is being written."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.size = 0
        self.last = ""
        self._pieces: list[str] = []
        self._open: tuple[str, ...] = ()
        self._held = ""
        """Blanks at the end, to be written after the marks that may close there."""
        self._is_code = self._is_address = False

    def _between(self, marks: tuple[str, ...]) -> tuple[str, str]:
        """The signs that close the ending marks, and those that open the beginning ones."""
        if self._open == marks:
            return "", ""
        same = 0
        for ours, theirs in zip(self._open, marks, strict=False):
            if ours != theirs:
                break
            same += 1
        signs = self.dialect.marks
        closing = "".join(signs[mark] for mark in reversed(self._open[same:]))
        return closing, "".join(signs[mark] for mark in marks[same:])

    def _with(self, run: Run) -> str:
        """The output for a run: blanks at its ends are outside of its marks."""
        is_first = not self._pieces and not run.marks
        written = self.dialect.write(run, is_first=is_first)
        closing, opening = self._between(run.marks)
        if opening and not run.is_code:
            text = written.lstrip(" ")
            opening, written = written[: len(written) - len(text)] + opening, text
        joiner = self.dialect.joiner
        if joiner and self._pieces and not self._held:
            if (closing or self._is_code) and run.text[0] not in BEHIND_MARKS:
                closing += joiner
            elif (opening or run.is_code) and self.last not in BEFORE_MARKS:
                opening = joiner + opening
        if self._is_address and not BEHIND_ADDRESS.match(run.text):
            closing += " "  # else it would become part of the address
        return closing + self._held + opening + written

    def size_with(self, run: Run) -> int:
        """The size of the line if it ended after this run."""
        if not run.text:
            return self.size
        run = self._marked(run)
        return self.size + self.dialect.measure(self._with(run)) + self._closing(run)

    def _marked(self, run: Run) -> Run:
        """The run without the marks that its own text would end early."""
        if not run.marks or (self.dialect.escapes and not run.is_code and not run.is_address):
            return run
        signs = self.dialect.marks
        return run._replace(marks=tuple(mark for mark in run.marks if signs[mark] not in run.text))

    def _closing(self, run: Run) -> int:
        return sum(self.dialect.measure(self.dialect.marks[mark]) for mark in run.marks)

    def add(self, run: Run, room: int | None = None) -> bool:
        """Write a run; False, with nothing written, if there is no room for it."""
        if not run.text:
            return True
        run = self._marked(run)
        if room is not None and len(run.text) > room:
            return False  # no output is shorter than its text
        written = self._with(run)
        size = self.size + self.dialect.measure(written)
        if room is not None and size + self._closing(run) > room:
            return False
        text = written if run.is_code or not run.marks else written.rstrip(" ")
        self._held = written[len(text) :]
        self._pieces.append(text)
        self.size, self.last = size - len(self._held), run.text[-1]
        self._open, self._is_code, self._is_address = run.marks, run.is_code, run.is_address
        return True

    def close(self) -> str:
        return "".join(self._pieces) + self._between(())[0]


def _cut(run: Run, room: int, line: _Written) -> int:
    """How many characters of a run that does not fit to write."""
    low = _fitting(run, room, line)
    is_begun = line.size > 0
    if run.is_address and is_begun:
        return 0
    least = low - (line.size + low) // 2
    if not run.is_address and (place := _good_place(run.text, low, least)):
        return place
    if is_begun and line.size * 2 > room and line.last.isspace():
        return 0
    whole = _whole_clusters(run.text, low)
    return whole if whole or is_begun else max(1, low)


def _fitting(run: Run, room: int, line: _Written) -> int:
    """How many characters of a run fit. Most of what is written is as long as it reads."""
    low, high = 0, min(len(run.text), max(room, 1))
    middle = high
    while low < high:
        size = line.size_with(run._replace(text=run.text[:middle]))
        if size <= room:
            low = middle
        else:
            high = middle - 1
        guess = middle * max(room, 1) // size if size > 2 * room else high - (size - room) // 2
        middle = min(max(guess, (low + high + 1) // 2), high)
    return low


def _good_place(text: str, most: int, least: int) -> int:
    """After the last sentence, or else word, that ends in the second half; 0 if none does."""
    least = max(least, 0)
    ends = [match.end() for match in SENTENCE_END.finditer(text, least, most)]
    place = ends[-1] if ends else last_blank(text[: most + 1])
    return place if place > least else 0


def _whole_clusters(text: str, most: int) -> int:
    """At most so many characters, without splitting a grapheme cluster."""
    for place in range(most, max(most - MAX_CLUSTER, 0), -1):
        if place >= len(text) or not _clings(text, place):
            return place
    return most


def _clings(text: str, place: int) -> bool:
    char, before = text[place], text[place - 1]
    return (
        before == ZERO_WIDTH_JOINER
        or unicodedata.category(char) in CLINGING
        or ("\U0001f1e6" <= char <= "\U0001f1ff" and "\U0001f1e6" <= before <= "\U0001f1ff")
    )
