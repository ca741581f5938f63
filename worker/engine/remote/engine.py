"""The remote engine: a server that speaks OpenAI's protocol writes the answers.

One event loop on a thread of its own speaks to the server; each answer is read by the thread that
asked for it.
"""

import asyncio
import dataclasses
import json
import queue
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import httpx2
import openai

from shared.errors import (
    EngineError,
    EngineLostError,
    ModelServerRefusesError,
    ParleyError,
    PromptTooLongError,
)
from shared.logs import get_logger
from shared.replies import FinishReason
from worker.engine.detokenize import Arrival, pieces_of
from worker.engine.protocol import Request, RequestLimits, Thought
from worker.engine.remote.dialect import ServerDialect
from worker.engine.remote.repeats import Repeats
from worker.engine.remote.server import Server
from worker.engine.remote.stream import Delta, StreamError, deltas_in, events_in
from worker.engine.remote.tokenizer import asked_by
from worker.engine.tenant_salt import Salts

log = get_logger(__name__)

CONNECT_S: Final = 10.0
SILENT_S: Final = 120.0
"""A server that is silent for so long in the middle of an answer counts as gone. Before it, a
server may load a model for minutes: the job's own deadline ends that."""
PATIENCE_S: Final = 60.0
"""How long an answer waits in all for a server that is away."""
LOADING_S: Final = 900.0
"""The same for one that says that it is loading its model or has too much to do."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0
MAX_BREAKS: Final = 5
"""Connections that may break in one answer, however much each has brought."""
STOP_TIMEOUT_S: Final = 10.0
LENGTHS: Final = frozenset({"length", "max_tokens"})
BUSY: Final = frozenset({408, 425, 429, 503, 529})
TOO_LONG: Final = ("context length", "context size", "context window", "maximum context", "n_ctx")
SILENT: Final = "The model server does not answer."


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
    """Of all connections together."""
    num_before: int = 0
    """Of the connections before this one."""
    num_breaks: int = 0
    waited_s: float = 0.0
    task: "asyncio.Task[None] | None" = None

    @property
    def num_left(self) -> int:
        """The most tokens that may still be written."""
        return self.request.max_written_tokens - self.num_tokens

    def take(self, delta: Delta) -> None:
        """Take a piece of it."""
        if delta.text:
            self.num_tokens += 1
            if not isinstance(delta.text, Thought):
                self.text += delta.text
            self.inbox.put(_Event(delta.text))
        if delta.num_written is not None:
            self.num_tokens = max(self.num_tokens, self.num_before + delta.num_written)


class RemoteGeneration:
    """One answer being written; read by one thread."""

    def __init__(self, engine: "RemoteEngine", answer: _Answer) -> None:
        self._engine = engine
        self._answer = answer
        self.finish_reason: FinishReason | None = None

    @property
    def num_tokens(self) -> int:
        """The number of tokens written so far, by the server's count or by its chunks."""
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

    def __init__(
        self,
        server: Server,
        max_new_tokens: int | None,
        max_requests: int,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Prepare the engine; nothing is sent yet.

        Args:
            server: the server and its model.
            max_new_tokens: the longest answer; None: what is left.
            max_requests: the most concurrent requests to the server.
            patience_s: how long an answer waits for a server that is away.
        """
        self._server = server
        self._dialect = ServerDialect(server)
        self._patience_s = patience_s
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
            max_retries=0,  # counted here, over all requests of an answer
            timeout=openai.Timeout(None, connect=CONNECT_S),
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
        if num_prompt + request.max_written_tokens > self.limits.max_total_tokens:
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
        """Read an answer over as many connections as it needs and may have."""
        while answer.num_left > 0:
            answer.num_before = answer.num_tokens
            body = self._body(answer)
            try:
                if reason := await self._read(answer, body):
                    return reason
            except openai.APIStatusError as error:
                if not self._dialect.adapt(body, error):
                    await self._wait_after(answer, error.status_code, error.body)
                continue
            except StreamError as error:
                await self._wait_after(answer, error.status, error.body)
            except openai.APIError:
                await self._wait(answer, self._patience_s)  # it was not reached
            except (httpx2.HTTPError, OSError, TimeoutError):
                await self._break(answer)
            else:
                await self._break(answer)
        return FinishReason.LENGTH

    async def _wait_after(self, answer: _Answer, status: int, body: object) -> None:
        """Wait after an error of the server, if it may pass.

        Raises:
            ModelServerRefusesError: it refuses the request for good.
            PromptTooLongError: because of its length.
            EngineLostError: it has reported errors for too long.
        """
        log.warning("remote_error", status=status)
        if status in BUSY:
            await self._wait(answer, LOADING_S)
        elif status >= 500:  # noqa: PLR2004 - HTTP's own bound: the server's fault, not ours
            await self._break(answer)
        elif any(words in json.dumps(body, default=str).lower() for words in TOO_LONG):
            num_prompt = len(answer.request.prompt_ids)
            raise PromptTooLongError(num_prompt, self.limits.max_prompt_tokens)
        else:
            raise ModelServerRefusesError(status)

    async def _wait(self, answer: _Answer, patience_s: float) -> None:
        """Wait before asking again, longer each time.

        Raises:
            EngineLostError: the answer has waited for too long in all.
        """
        if answer.waited_s >= patience_s:
            raise EngineLostError(SILENT)
        pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, answer.waited_s))
        answer.waited_s += pause_s
        await asyncio.sleep(pause_s)

    async def _break(self, answer: _Answer) -> None:
        """Wait after a connection that broke.

        Raises:
            EngineLostError: too many did, or the answer has waited for too long in all.
        """
        log.warning("remote_connection_broke", num_tokens=answer.num_tokens)
        answer.num_breaks += 1
        if answer.num_breaks > MAX_BREAKS:
            raise EngineLostError("The model server breaks off again and again.")
        await self._wait(answer, self._patience_s)

    def _body(self, answer: _Answer) -> dict[str, Any]:
        request = answer.request
        asked = asked_by(request.prompt_ids)
        asked = dataclasses.replace(asked, begun=asked.begun + answer.text)
        salt = self._salts.salt(request.salt)
        return self._dialect.words(request, asked, salt, answer.num_left)

    async def _read(self, answer: _Answer, body: Mapping[str, Any]) -> FinishReason | None:
        """Read one connection to its end; return the finish reason, None if it broke.

        A stream with an end mark and without a reason is finished: asked again, the server would
        say the same again.
        """
        repeats = Repeats(answer.text if body.get("messages") else "")
        finish = ""
        is_ended = False
        async with self._asked(body) as events:
            async for event in _in_time(events):
                if event is None:
                    is_ended = True
                    break
                for delta in deltas_in(event):
                    finish = delta.finish or finish
                    answer.take(_new_in(delta, repeats))
        if (rest := repeats.flush()) and (finish or is_ended):
            answer.take(Delta(rest))
        if not (finish or is_ended):
            return None
        return FinishReason.LENGTH if finish in LENGTHS else FinishReason.STOP

    def _asked(self, body: Mapping[str, Any]) -> "_Connection":
        return _Connection(self._client, body)


@dataclass(slots=True)
class _Connection:
    """One request to the server, open while the block runs."""

    client: openai.AsyncOpenAI
    body: Mapping[str, Any]
    opened: Any = None

    async def __aenter__(self) -> AsyncIterator[dict[str, Any] | None]:
        chat, raw = self.client.chat.completions, self.client.completions
        known = {"model", "stream", "messages", "prompt"}
        words: dict[str, Any] = {name: self.body[name] for name in known & set(self.body)}
        extras = {name: value for name, value in self.body.items() if name not in known}
        asked = chat if "messages" in words else raw
        create: Any = asked.with_streaming_response.create
        self.opened = create(**words, extra_body=extras)
        response = await self.opened.__aenter__()
        return _events(response)

    async def __aexit__(self, *error: object) -> None:
        await self.opened.__aexit__(*error)


async def _events(response: Any) -> AsyncIterator[dict[str, Any] | None]:  # noqa: ANN401 - of the client
    """The objects of a response: a stream's, or a whole completion."""
    kind = response.headers.get("content-type", "")
    if "json" not in kind and "html" not in kind:
        async for event in events_in(response.iter_bytes()):
            yield event
        return
    text = await response.text()
    try:
        completion = json.loads(text)
    except ValueError:
        completion = None
    if not isinstance(completion, dict):
        raise StreamError(404, "no answer of a model server")
    yield completion
    yield None


async def _in_time(
    events: AsyncIterator[dict[str, Any] | None],
) -> AsyncIterator[dict[str, Any] | None]:
    """The events of a stream, of which only the first may take its time.

    Raises:
        TimeoutError: another one did.
    """
    limit_s = None
    while True:
        try:
            event = await asyncio.wait_for(anext(events), limit_s)
        except StopAsyncIteration:
            return
        limit_s = SILENT_S
        yield event


def _new_in(delta: Delta, repeats: Repeats) -> Delta:
    if isinstance(delta.text, Thought) or not delta.text:
        return delta
    return dataclasses.replace(delta, text=repeats.push(delta.text))
