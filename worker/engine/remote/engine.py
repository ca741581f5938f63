"""The remote engine: a server that speaks OpenAI's protocol writes the answers.

One event loop on a thread of its own speaks to the server; each answer is read by the thread that
asked for it.
"""

import asyncio
import dataclasses
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import openai

from shared.errors import EngineError, EngineLostError, ParleyError, PromptTooLongError
from shared.logs import get_logger
from shared.replies import FinishReason
from worker.engine.detokenize import Arrival, pieces_of
from worker.engine.protocol import Request, RequestLimits
from worker.engine.remote.server import Server
from worker.engine.remote.tokenizer import asked_by
from worker.engine.tenant_salt import Salts

log = get_logger(__name__)

MAX_RETRIES: Final = 4
"""Retries of one request before its first token: the client waits 0.5 s, doubled each time."""
MAX_BREAKS: Final = 3
"""After so many broken connections in a row without text between, an answer is given up."""
SILENT_S: Final = 120.0
"""A server that is silent for so long counts as gone; a full one may keep others waiting."""
STOP_TIMEOUT_S: Final = 10.0
REASONS: Final = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
FAULTS: Final = {
    401: "does not accept PARLEY_OPENAI_API_KEY",
    403: "does not let this key use the model",
    404: "does not have the model any more",
}


@dataclass(frozen=True, slots=True)
class _Event:
    """A piece of text; the last event has the finish reason or the error."""

    text: str = ""
    is_last: bool = False
    finish_reason: FinishReason | None = None
    error: ParleyError | None = None


@dataclass(slots=True, eq=False)
class _Answer:
    """A request at the server; written by the loop's thread."""

    request: Request
    inbox: "queue.SimpleQueue[_Event]" = field(default_factory=queue.SimpleQueue)
    text: str = ""
    num_tokens: int = 0
    task: "asyncio.Task[None] | None" = None


class RemoteGeneration:
    """One answer being written; read by one thread."""

    def __init__(self, engine: "RemoteEngine", answer: _Answer) -> None:
        self._engine = engine
        self._answer = answer
        self.finish_reason: FinishReason | None = None

    @property
    def num_tokens(self) -> int:
        """The number of tokens written so far, by the server's chunks: most hold one token."""
        return self._answer.num_tokens

    def __iter__(self) -> Iterator[str]:
        """Pieces of text as they come. See ``protocol.Generation``."""
        request = self._answer.request
        cancel = partial(self._engine.cancel, request.id)
        self.finish_reason = yield from pieces_of(self._arrivals(), request.stop, cancel)

    def _arrivals(self) -> Iterator[Arrival]:
        while True:
            event = self._answer.inbox.get()
            if event.error:
                raise event.error
            yield Arrival(event.text, event.is_last, event.finish_reason)


class RemoteEngine:
    """Answers by a server. Thread-safe."""

    def __init__(self, server: Server, max_new_tokens: int | None, max_requests: int) -> None:
        """Prepare the engine; nothing is sent yet.

        Args:
            server: the server and its model.
            max_new_tokens: the longest answer; None: what is left.
            max_requests: the most concurrent requests to the server.
        """
        self._server = server
        self.limits = RequestLimits.of(server.context_tokens, max_new_tokens)
        self._salts = Salts()
        self._lock = threading.Lock()
        self._running: dict[str, _Answer] = {}
        self._turns = asyncio.Semaphore(max_requests)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote", daemon=True)
        self._client = openai.AsyncOpenAI(
            base_url=server.base_url,
            api_key=server.api_key,
            max_retries=MAX_RETRIES,
            timeout=SILENT_S,
        )

    def open(self) -> None:
        """Start the thread that speaks to the server."""
        self._thread.start()

    def close(self) -> None:
        """Stop; unfinished answers end as if cancelled."""
        with self._lock:
            ids = tuple(self._running)
        for request_id in ids:
            self.cancel(request_id)
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(STOP_TIMEOUT_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(STOP_TIMEOUT_S)
        if not self._loop.is_running():
            self._loop.close()

    def submit(self, request: Request) -> RemoteGeneration:
        """Send the request to the server. See ``protocol.Engine``."""
        num_prompt = len(request.prompt_ids)
        if num_prompt + request.max_new_tokens > self.limits.max_total_tokens:
            raise PromptTooLongError(num_prompt, self.limits.max_prompt_tokens)
        answer = _Answer(request)
        with self._lock:
            self._running[request.id] = answer
        self._loop.call_soon_threadsafe(self._begin, answer)
        return RemoteGeneration(self, answer)

    def cancel(self, request_id: str) -> None:
        """Stop writing an answer. See ``protocol.Engine``."""
        with self._lock:
            answer = self._running.pop(request_id, None)
        if answer is None:
            return
        answer.inbox.put(_Event(is_last=True))
        self._loop.call_soon_threadsafe(lambda: answer.task and answer.task.cancel())

    @property
    def num_running(self) -> int:
        """The number of answers that are being written, or wait for it."""
        return len(self._running)

    def _begin(self, answer: _Answer) -> None:
        answer.task = self._loop.create_task(self._write(answer))

    async def _end(self) -> None:
        """Wait until all requests to the server have ended."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    async def _write(self, answer: _Answer) -> None:
        """Have the server write an answer to its end, and forward it."""
        last = _Event(is_last=True)
        try:
            async with self._turns:
                last = _Event(is_last=True, finish_reason=await self._read_all(answer))
        except ParleyError as error:
            last = _Event(is_last=True, error=error)
        except Exception as error:
            log.exception("remote_failed", error=type(error).__name__)
            last = _Event(is_last=True, error=EngineError("The model server answers nonsense."))
        finally:
            with self._lock:
                self._running.pop(answer.request.id, None)
            answer.inbox.put(last)

    async def _read_all(self, answer: _Answer) -> FinishReason:
        """Read an answer over as many connections as it needs."""
        num_breaks = 0
        while True:
            num_before = answer.num_tokens
            try:
                if reason := await self._read(answer):
                    return reason
            except openai.APIError as error:
                if isinstance(error, openai.APIStatusError) or not answer.text:
                    raise _fault(error, answer.request, self.limits) from error
            num_breaks = 0 if answer.num_tokens > num_before else num_breaks + 1
            log.warning("remote_connection_broke", num_tokens=answer.num_tokens)
            if num_breaks >= MAX_BREAKS:
                raise EngineLostError("The model server breaks off again and again.")

    async def _read(self, answer: _Answer) -> FinishReason | None:
        """Read one connection to its end; return the finish reason, None if unfinished."""
        ended: FinishReason | None = None
        async with await self._ask(answer) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    delta = getattr(choice, "delta", None)
                    if piece := (delta.content if delta else getattr(choice, "text", None)):
                        answer.text += piece
                        answer.num_tokens += 1
                        answer.inbox.put(_Event(piece))
                    if reason := choice.finish_reason:
                        ended = REASONS.get(reason, FinishReason.STOP)
        return ended

    async def _ask(self, answer: _Answer) -> Any:  # noqa: ANN401 - a stream of either kind
        request = answer.request
        asked = asked_by(request.prompt_ids)
        asked = dataclasses.replace(asked, begun=asked.begun + answer.text)
        sampling = request.sampling
        words: dict[str, Any] = {
            "model": self._server.model,
            "max_tokens": max(1, request.max_new_tokens - answer.num_tokens),
            "stream": True,
        }
        for name in ("temperature", "top_p"):
            if (value := getattr(sampling, name)) is not None:
                words[name] = value
        if sampling.seed is not None:
            words["seed"] = sampling.seed
        if extras := self._server.extras(asked, self._salts.salt(request.salt)):
            words["extra_body"] = extras
        if not asked.messages:
            return await self._client.completions.create(prompt=asked.begun, **words)
        messages: Any = self._server.messages(asked, request.pictures)
        return await self._client.chat.completions.create(messages=messages, **words)


def _fault(error: openai.APIError, request: Request, limits: RequestLimits) -> ParleyError:
    """Translate an error of the server into one of ours."""
    if not isinstance(error, openai.APIStatusError):
        return EngineLostError("The model server does not answer.")
    status = error.status_code
    if isinstance(error, openai.RateLimitError | openai.InternalServerError):
        return EngineLostError(f"The model server answers {status}.")
    if "context" in str(error.message).lower():
        return PromptTooLongError(len(request.prompt_ids), limits.max_prompt_tokens)
    return EngineError(f"The model server {FAULTS.get(status, f'answers {status}')}.")
