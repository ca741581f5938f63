"""The stage between an engine and a draft: tells thoughts from answers while they are streamed.

Text that may be the beginning of a mark is held back, so cuts between pieces make no difference.
"""
# Pure. Uses jinja2.

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from worker.engine.protocol import Thought
from worker.engine.thinking.notation import (
    CHANNEL,
    CHANNEL_MARKS,
    FINAL,
    MESSAGE,
    TOOL_CALLS,
    Notation,
    Tags,
)


class Start(enum.Enum):
    """Where the text of a request begins."""

    ANSWER = "answer"
    """Before both: the model may open a thought by itself."""
    WRITING = "writing"
    """In the answer: the prompt has ended the thought."""
    THOUGHT = "thought"
    """In a thought that the prompt has opened."""
    UNKNOWN = "unknown"
    """In one of both: told at the end, or by the first mark."""


@dataclass(frozen=True, slots=True)
class Retraction:
    """What came as the answer so far was a thought: its end has come, but no beginning."""


Part = str | Retraction
"""A piece of the answer; a ``Thought`` is a piece of a thought."""


class Splitter:
    """Splits one answer's text."""

    def __init__(self, notation: Notation, start: Start = Start.ANSWER) -> None:
        self._habit = notation.habit
        self._is_in_field = False
        self._stage: _Stage = (
            _Channels(start) if notation.has_channels else _Tagged(notation, start)
        )

    @property
    def is_thinking(self) -> bool:
        """Whether a thought is open."""
        return self._is_in_field or self._stage.is_thinking

    def push(self, piece: str) -> Iterator[Part]:
        """Add a piece of text; a ``Thought`` is passed on as it is."""
        self._is_in_field = isinstance(piece, Thought)
        if isinstance(piece, Thought):
            self._learn()
            self._stage.tell_plain()
            yield piece
        else:
            yield from self._stage.push(piece)

    def flush(self, *, is_cut: bool = False) -> Iterator[Part]:
        """End the text: what was held back is what it looks like.

        Args:
            is_cut: whether it ends at its longest; a thought whose beginning was not seen may then
                not have ended.
        """
        if self._stage.is_plain and not is_cut:
            self._learn()
        yield from self._stage.flush(is_cut=is_cut)

    def _learn(self) -> None:
        if self._habit:
            self._habit.is_plain = True


def answer_in(text: str, notation: Notation, start: Start) -> str:
    """The answer alone of a whole text."""
    splitter, answer = Splitter(notation, start), ""
    for part in (*splitter.push(text), *splitter.flush()):
        if isinstance(part, Retraction):
            answer = ""
        elif not isinstance(part, Thought):
            answer += part
    return answer


class _Stage:
    """What both notations have in common: text that waits for the end of a mark."""

    def __init__(self) -> None:
        self._held = ""

    @property
    def is_plain(self) -> bool:
        """Whether the text is an answer that could have been a thought to its end."""
        return False

    @property
    def is_thinking(self) -> bool:
        raise NotImplementedError

    def push(self, piece: str) -> Iterator[Part]:
        raise NotImplementedError

    def flush(self, *, is_cut: bool) -> Iterator[Part]:
        raise NotImplementedError

    def tell_plain(self) -> None:
        """Thoughts come apart from this text."""

    def _next_mark(self, marks: tuple[str, ...]) -> tuple[str, str] | None:
        """Cut the held text at the first of these marks: the text before it, and the mark."""
        found = [(at, -len(mark), mark) for mark in marks if (at := self._held.find(mark)) >= 0]
        if not found:
            return None
        at, _, mark = min(found)
        before, self._held = self._held[:at], self._held[at + len(mark) :]
        return before, mark

    def _certain(self, marks: tuple[str, ...]) -> str:
        """Take the held text that is no beginning of any of these marks."""
        longest = max(map(len, marks), default=0)
        for length in range(min(longest - 1, len(self._held)), 0, -1):
            if any(mark.startswith(self._held[-length:]) for mark in marks):
                certain, self._held = self._held[:-length], self._held[-length:]
                return certain
        certain, self._held = self._held, ""
        return certain


class _Tagged(_Stage):
    """Thoughts between tags."""

    def __init__(self, notation: Notation, start: Start) -> None:
        super().__init__()
        known = notation.known_tags
        self._by_opening = {tags.opening: tags for tags in (*known, *TOOL_CALLS)}
        self._outer_marks = (*self._by_opening, *(tags.closing for tags in known))
        self._is_certain = start is not Start.UNKNOWN
        self._open: Tags | None = None
        self._depth = 0
        if start is Start.THOUGHT:
            self._open, self._depth = notation.tags or known[0], 1
        self._has_closed = False
        """Whether an inner thought has ended, if the model did not only talk of one."""
        self._is_beginning = True
        """Whether nothing but blanks has come since the thought or the answer began."""
        self._drops_blanks = start not in (Start.THOUGHT, Start.WRITING)
        """Whether blanks at the beginning are no part of it: not where something goes on."""
        self._label = ""
        """The beginning of a thought that may be its label."""
        self._answer = ""
        """The answer's text so far, for the code in it: there a tag is a word like others."""
        self._num_quoted = 0
        """Openings in code whose closings have not come yet."""
        self._doubted = ""
        """Text of which it is not known yet whether it is a thought."""

    @property
    def is_thinking(self) -> bool:
        return self._open is not None and self._open not in TOOL_CALLS

    def push(self, piece: str) -> Iterator[Part]:
        self._held += piece
        while found := self._next_mark(self._marks()):
            yield from self._text(found[0])
            yield from self._mark(found[1])
        yield from self._text(self._certain(self._marks()))

    @property
    def is_plain(self) -> bool:
        return not self._is_certain and bool(self._answer.strip())

    def tell_plain(self) -> None:
        self._is_certain = True

    def flush(self, *, is_cut: bool) -> Iterator[Part]:
        held, self._held = self._held, ""
        yield from self._text(held)
        doubted, self._doubted = self._doubted, ""
        if doubted and is_cut and not self._is_certain:
            yield Thought(doubted)
        elif doubted:
            self._begin_answer()
            yield from self._text(doubted)
        elif self._label and self._open is not None:
            yield Thought(self._label)

    def _marks(self) -> tuple[str, ...]:
        if self._open is None:
            return self._outer_marks
        return (self._open.opening, self._open.closing)

    def _mark(self, mark: str) -> Iterator[Part]:
        if self._open is not None:
            yield from self._inner(mark, self._open)
        elif self._is_quoted(mark):
            self._num_quoted += 1 if mark in self._by_opening else -1
            yield from self._text(mark)
        elif tags := self._by_opening.get(mark):
            yield from self._begin_thought(tags)
        else:
            yield from self._unopened()

    def _begin_thought(self, tags: Tags) -> Iterator[Part]:
        doubted, self._doubted, self._is_certain = self._doubted, "", True
        yield from self._text(doubted)
        self._open, self._depth, self._is_beginning = tags, 1, True
        self._has_closed, self._label, self._drops_blanks = False, "", True

    def _begin_answer(self) -> None:
        self._open, self._depth, self._is_certain = None, 0, True
        self._is_beginning, self._answer, self._num_quoted = True, "", 0
        self._drops_blanks = True

    def _inner(self, mark: str, tags: Tags) -> Iterator[Part]:
        """A mark in a thought: its end, or an inner thought's, or the model talks of one."""
        if mark == tags.opening:
            if not (self._is_beginning and self._depth == 1):  # not again what the prompt opened
                self._depth += 1
                yield from self._text(mark)
            return
        doubted, self._doubted = self._doubted, ""
        if doubted:
            yield from self._thought(f"{tags.closing}{doubted}")
        self._depth -= 1
        self._has_closed = True
        if self._depth == 0:
            self._begin_answer()

    def _unopened(self) -> Iterator[Part]:
        """The end of a thought without a beginning: all before it was one."""
        doubted, self._doubted = self._doubted, ""
        if doubted:
            yield Thought(doubted)
        elif self._answer.strip():
            yield Retraction()
            yield Thought(self._answer)
        self._begin_answer()

    def _text(self, text: str) -> Iterator[Part]:
        if not text:
            return
        if self._open is not None and self._has_closed:
            self._doubted += text
        elif self._open is not None:
            yield from self._thought(text)
        elif not self._is_certain:
            self._doubted += text
            self._answer += text
        else:
            text = self._begun(text)
            self._answer += text
            if text:
                yield text

    def _begun(self, text: str) -> str:
        """A text without the blanks before its beginning, if they are no part of it."""
        if self._is_beginning and self._drops_blanks:
            text = text.lstrip()
        self._is_beginning = self._is_beginning and not text.strip()
        return text

    def _thought(self, text: str) -> Iterator[Part]:
        tags = self._open
        if tags is None or tags in TOOL_CALLS:
            return
        if self._is_beginning and self._drops_blanks and tags.label:
            text, self._label = (self._label + text).lstrip(), ""
            if tags.label.startswith(text):
                self._label = text
                return
            text = text.removeprefix(tags.label)
        text = self._begun(text)
        if text:
            yield Thought(text)

    def _is_quoted(self, mark: str) -> bool:
        """Whether a mark behind the answer's end stands in code, as Markdown has it.

        A closing one does only behind an opening one, or in backticks of its own: a thought whose
        beginning was not seen may end in the middle of code.
        """
        line = self._answer.rpartition("\n")[2].replace("```", "")
        is_in_code = self._answer.count("```") % 2 == 1 or line.count("`") % 2 == 1
        if mark in self._by_opening or not is_in_code:
            return is_in_code
        return self._num_quoted > 0 or self._answer.endswith("`")


class _Channels(_Stage):
    """gpt-oss's channels: a header up to ``<|message|>``, then the channel's text."""

    def __init__(self, start: Start) -> None:
        super().__init__()
        is_within = start in (Start.THOUGHT, Start.WRITING)
        self._header: str | None = None if is_within else ""
        """The header so far; None in the text of a channel."""
        self._channel = FINAL if start is Start.WRITING else ""
        self._has_channels = is_within
        self._is_beginning = start is not Start.WRITING
        self._num_final = int(start is Start.WRITING)

    @property
    def is_thinking(self) -> bool:
        return self._header is None and self._channel != FINAL

    def push(self, piece: str) -> Iterator[Part]:
        self._held += piece
        while found := self._next_mark(CHANNEL_MARKS):
            yield from self._text(found[0])
            self._mark(found[1])
        yield from self._text(self._certain(CHANNEL_MARKS))

    def flush(self, *, is_cut: bool) -> Iterator[Part]:
        del is_cut
        held, self._held = self._held, ""
        yield from self._text(held)
        if not self._has_channels and self._header:
            yield self._header  # a fine-tune that writes no channels

    def _mark(self, mark: str) -> None:
        if mark == MESSAGE:
            self._channel = self._channel_in(self._header or "")
            self._header, self._is_beginning = None, True
            return
        if mark == CHANNEL:
            self._has_channels = True
        self._header = (self._header or "") + mark if self._header is not None else mark

    def _channel_in(self, header: str) -> str:
        _, is_there, words = header.rpartition(CHANNEL)
        name = words.split()[0] if is_there and words.split() else ""
        return name.partition("<")[0]

    def _text(self, text: str) -> Iterator[Part]:
        if not text:
            return
        if self._header is not None:
            self._header += text
            return
        if self._is_beginning:
            text = text.lstrip()
            if not text:
                return
            self._is_beginning = False
            if self._channel == FINAL:
                self._num_final += 1
                if self._num_final > 1:
                    yield "\n\n"
        yield text if self._channel == FINAL else Thought(text)
