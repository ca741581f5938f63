"""What a server streams, read as it comes: servers differ in more than the protocol allows.

A stream is server-sent events (html.spec.whatwg.org/multipage/server-sent-events.html), each with a
chunk of OpenAI's protocol. Anything else that means an answer is read too: a whole completion
instead of a stream, parts in a list, thoughts in a field of their own.
"""
# Pure.

import codecs
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.engine.protocol import Thought

DONE: Final = "[DONE]"
DATA: Final = "data:"
THOUGHT_FIELDS: Final = ("reasoning_content", "reasoning", "thinking")
"""vLLM, SGLang and llama.cpp; Ollama, OpenRouter and newer vLLM; some others."""
THOUGHT_PARTS: Final = frozenset({"thinking", "reasoning"})
"""The types of parts in a list of content (Mistral's API)."""
STATUSES: Final = range(400, 600)
"""HTTP's errors."""
MAX_EVENT_CHARS: Final = 4_000_000
"""More than any answer: what is longer is no event."""


class StreamError(Exception):
    """The server reports an error in the stream, or sends what is no stream at all."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"error {status} in the stream")
        self.status = status
        """As an HTTP status; 500 where none is given."""
        self.body = body


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer."""

    text: str = ""
    """A ``Thought`` for a piece of a thought."""
    finish: str = ""
    """The server's finish reason, in the last piece."""
    num_written: int | None = None
    """Tokens written so far, where the server counts them."""


async def events_in(chunks: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any] | None]:
    """The objects of a stream; None for its end mark.

    Characters may be cut between chunks. An event's data is read as soon as it is an object, for
    servers that leave the blank line between two events out.
    """
    decoder, held, data = codecs.getincrementaldecoder("utf-8")("replace"), "", ""
    async for chunk in chunks:
        held += decoder.decode(chunk)
        *lines, held = held.split("\n")
        for line in lines:
            data, found = _taken(data, line.rstrip("\r"))
            for event in found:
                yield event
        if len(held) + len(data) > MAX_EVENT_CHARS:
            raise StreamError(502, "an event without an end")
    for line in (held.rstrip("\r"), ""):
        data, found = _taken(data, line)
        for event in found:
            yield event


def _taken(data: str, line: str) -> tuple[str, list[dict[str, Any] | None]]:
    """Take a line; the data of an event so far, and the objects that are complete."""
    if not line:
        return "", []
    if not line.startswith(DATA):
        return data, []
    piece = line.removeprefix(DATA).strip()
    if piece == DONE:
        return "", [None]
    data = f"{data}\n{piece}" if data else piece
    try:
        event = json.loads(data)
    except ValueError:
        return data, []
    return "", [event] if isinstance(event, dict) else []


def deltas_in(event: Mapping[str, Any]) -> Iterator[Delta]:
    """The pieces in one object of a stream, or in a whole completion.

    Raises:
        StreamError: it is an error.
    """
    if error := event.get("error"):
        raise StreamError(_status_of(event), error)
    written = _written(event)
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping):
            yield from _pieces(choice, written)
    if not choices and written is not None:
        yield Delta(num_written=written)


def _pieces(choice: Mapping[str, Any], written: int | None) -> Iterator[Delta]:
    delta = next(
        (part for name in ("delta", "message") if isinstance(part := choice.get(name), Mapping)), {}
    )
    for name in THOUGHT_FIELDS:
        thought = delta.get(name)
        if isinstance(thought, str) and thought:
            yield Delta(Thought(thought), num_written=written)
            break
    for text in _texts(delta.get("content", choice.get("text"))):
        yield Delta(text, num_written=written)
    if isinstance(refusal := delta.get("refusal"), str) and refusal:
        yield Delta(refusal, num_written=written)
    if isinstance(finish := choice.get("finish_reason"), str) and finish:
        yield Delta(finish=finish, num_written=written)


def _texts(content: object) -> Iterator[str]:
    """The pieces of a content: a text, or a list of parts."""
    if isinstance(content, str):
        if content:
            yield content
    elif isinstance(content, list):
        for part in content:
            yield from _texts_of_part(part)


def _texts_of_part(part: object) -> Iterator[str]:
    if isinstance(part, str):
        yield from _texts(part)
    if not isinstance(part, Mapping):
        return
    if part.get("type") in THOUGHT_PARTS:
        inner = part.get("thinking", part.get("reasoning", part.get("text")))
        yield from map(Thought, _texts(inner))
    else:
        yield from _texts(part.get("text"))


def _written(event: Mapping[str, Any]) -> int | None:
    usage = event.get("usage")
    written = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    return written if isinstance(written, int) else None


def _status_of(event: Mapping[str, Any]) -> int:
    error = event.get("error")
    codes = [event.get("status"), event.get("code")]
    if isinstance(error, Mapping):
        codes += [error.get("code"), error.get("status"), error.get("status_code")]
    numbers = [int(str(code)) for code in codes if str(code).isdigit()]
    return next((number for number in numbers if number in STATUSES), 500)
