"""The stream of an answer, read as servers send it: events, bare lines, or one body at the end.

Parsed here and not by a client library: nearly compatible servers send what those end with an
exception or drop without a word.
"""
# Pure.

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

from worker.engine.protocol import Thought
from worker.engine.remote.refusal import Refusal, refusal_in, status_of

DONE: Final = "[DONE]"
LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""A carriage return at the very end may be half of one."""
FIELDS: Final = ("event", "id", "retry")
MAX_BODY_CHARS: Final = 4_000_000
"""Of a body that is no stream; an answer is shorter."""
THOUGHT_FIELDS: Final = ("reasoning_content", "reasoning", "thinking")
"""DeepSeek's API, SGLang, llama.cpp; vLLM, Ollama; nearly compatible ones."""
OK: Final = 200


class StreamError(Exception):
    """The server reports an error in the stream."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"status {refusal.status}")
        self.refusal = refusal


class NoStreamError(Exception):
    """What came is no answer of a model: a web page, or nothing that can be parsed."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a stream."""

    pieces: tuple[str, ...] = ()
    """Text; a ``Thought`` where the server says so."""
    reason: str | None = None
    """Why the answer has ended."""
    num_tokens: int | None = None
    """Of thought and text so far, by the server's count."""
    is_done: bool = False
    """Whether the server says that nothing follows."""


async def chunks_of(data: AsyncIterator[bytes]) -> AsyncGenerator[Chunk, None]:
    """Parse a response.

    Comments and other signs of life are empty chunks.

    Raises:
        StreamError: it reports an error.
        NoStreamError: it is no answer.
    """
    parser = _Parser()
    rest = b""
    async for more in data:
        *lines, rest = LINE_END.split(rest + more)
        for line in lines:
            for chunk in parser.push(line.decode(errors="replace")):
                yield chunk
                if chunk.is_done:
                    return
    for chunk in (*parser.push(rest.decode(errors="replace").rstrip("\r")), *parser.end()):
        yield chunk


class _Parser:
    """Takes lines; gives chunks."""

    def __init__(self) -> None:
        self._event = ""
        """The data of an event that is no whole document yet."""
        self._body: list[str] = []
        """Lines of what is no stream of events."""
        self._num_chars = 0
        self._has_events = False

    def push(self, line: str) -> Iterator[Chunk]:
        """Take a line."""
        name, colon, value = line.partition(":")
        if colon and name == "data":
            self._has_events = True
            yield from self._data(value.strip())
        elif not line.strip():
            self._event = ""
        elif colon and (not name or name in FIELDS):
            yield Chunk()
        elif not self._has_events:
            self._add(line)

    def end(self) -> Iterator[Chunk]:
        """Take the end of the response."""
        if not self._body:
            return
        try:
            told = [json.loads("\n".join(self._body))]
        except ValueError:
            told = self._line_by_line()
        if not any(isinstance(each, dict) for each in told):
            raise NoStreamError
        for each in told:
            yield from _chunks(each)
        yield Chunk(is_done=True)

    def _line_by_line(self) -> list[Any]:
        try:
            return [json.loads(line) for line in self._body if line.strip()]
        except ValueError as error:
            raise NoStreamError from error

    def _data(self, value: str) -> Iterator[Chunk]:
        if value.startswith(DONE):
            yield Chunk(is_done=True)
            return
        self._event += value
        try:
            told = json.loads(self._event)
        except ValueError:
            self._event += "\n"  # the rest comes in the next line, or never
            yield Chunk()
            return
        self._event = ""
        yield from _chunks(told)

    def _add(self, line: str) -> None:
        if not self._body and line.lstrip().startswith("<"):
            raise NoStreamError
        self._body.append(line)
        self._num_chars += len(line)
        if self._num_chars > MAX_BODY_CHARS:
            raise NoStreamError


def _chunks(told: Any) -> Iterator[Chunk]:  # noqa: ANN401 - JSON
    """The chunk in a document.

    Raises:
        StreamError: it is an error.
    """
    if not isinstance(told, dict):
        return
    choices = told.get("choices")
    error = told.get("error")
    if error or (not isinstance(choices, list) and _is_error(told)):
        raise StreamError(refusal_in(status_of(error or told), error or told))
    usage = told.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    pieces: list[str] = []
    reason: str | None = None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("index") in (0, None):
            pieces += _pieces(choice)
            reason = reason or _reason(choice.get("finish_reason"))
    yield Chunk(tuple(pieces), reason, tokens if isinstance(tokens, int) else None)


def _is_error(told: dict[str, Any]) -> bool:
    is_named = told.get("object") == "error" or told.get("type") == "error"
    return is_named or "detail" in told


def _reason(told: Any) -> str | None:  # noqa: ANN401 - JSON
    if isinstance(told, dict):
        told = told.get("type")
    return told if isinstance(told, str) and told else None


def _pieces(choice: dict[str, Any]) -> Iterator[str]:
    told = choice.get("delta") or choice.get("message")
    if not isinstance(told, dict):
        text = choice.get("text")
        if isinstance(text, str) and text:
            yield text
        return
    thoughts = (told.get(name) for name in THOUGHT_FIELDS)
    thought = next((each for each in thoughts if isinstance(each, str) and each), "")
    if thought:
        yield Thought(thought)
    for name in ("content", "text", "refusal"):
        yield from _parts(told.get(name))


def _parts(content: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """The text of a message's content, a string or a list of typed parts (Mistral's API)."""
    if isinstance(content, str):
        if content:
            yield content
    elif isinstance(content, list):
        for part in content:
            yield from _parts(part)
    elif isinstance(content, dict):
        thought = content.get("thinking", content.get("reasoning"))
        if thought is not None:
            yield from (Thought(text) for text in _parts(thought))
        else:
            yield from _parts(content.get("text"))
