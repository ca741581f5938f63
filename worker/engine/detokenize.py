"""Incremental detokenization: token ids to text, whole characters only, without stop texts.

Pure: needs a function from ids to text, no model.
"""
# Pure.

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

from shared.replies import FinishReason
from worker.engine.protocol import Thought

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
CONTEXT_TOKENS = 6
"""How many of the prompt's last tokens are decoded with the answer's first: SentencePiece drops the
space before a token that stands alone."""

Decode = Callable[[Sequence[int]], str]


class TextStream:
    """Decodes one answer step by step.

    Only the tokens since the last whole character are decoded again, so that a long answer costs no
    more a token than a short one.
    """

    def __init__(self, decode: Decode, prompt_ids: Sequence[int]) -> None:
        self._decode = decode
        self._ids = list(prompt_ids[-CONTEXT_TOKENS:])
        self._start = 0
        self._shown = len(self._ids)

    def push(self, token_ids: Sequence[int]) -> str:
        """Add tokens; return the text that they complete, possibly none."""
        self._ids.extend(token_ids)
        # ids: [... start ... shown ... end): start..shown is context, shown..end is new
        before = self._decode(self._ids[self._start : self._shown])
        after = self._decode(self._ids[self._start :])
        if after.endswith(REPLACEMENT) or len(after) <= len(before):
            return ""
        self._start, self._shown = self._shown, len(self._ids)
        return after[len(before) :]


class StopTexts:
    """Holds back text that may be the beginning of a stop text."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""
        self.is_stopped = False

    def push(self, text: str) -> str:
        """Add text; return what is certain to be part of the answer."""
        if self.is_stopped:
            return ""
        self._held += text
        found = [at for at in (self._held.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.is_stopped = True
            return self._take(min(found))
        return self._take(len(self._held) - self._num_doubtful())

    def flush(self) -> str:
        """End the answer: the text held back was no stop text."""
        return "" if self.is_stopped else self._take(len(self._held))

    def _take(self, num_chars: int) -> str:
        taken, self._held = self._held[:num_chars], self._held[num_chars:]
        return taken

    def _num_doubtful(self) -> int:
        """The length of the longest suffix of the held text that begins a stop text."""
        longest = max((len(stop) for stop in self._stop), default=0)
        for length in range(min(longest - 1, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stop):
                return length
        return 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """New text of an answer; the last one has the finish reason."""

    text: str
    """A ``Thought`` where a server tells thoughts apart: no stop text ends those."""
    is_last: bool
    finish_reason: FinishReason | None


def pieces_of(
    arrivals: Iterable[Arrival], stop: Sequence[str], cancel: Callable[[], None]
) -> Generator[str, None, FinishReason | None]:
    """The text of an answer that may be shown, as it arrives.

    Args:
        arrivals: until the last.
        stop: the answer ends before any of these texts.
        cancel: called when one of them has arrived.

    Returns:
        the finish reason of the answer.
    """
    stops = StopTexts(stop)
    for arrival in arrivals:
        if isinstance(arrival.text, Thought):
            yield arrival.text
        elif piece := stops.push(arrival.text):
            yield piece
        if stops.is_stopped:
            cancel()
            return FinishReason.STOP
        if arrival.is_last:
            if piece := stops.flush():
                yield piece
            return arrival.finish_reason
    return None
