"""The remote engine: a server that speaks OpenAI's protocol writes the answers.

One event loop on a thread of its own speaks to the server; each answer is read by the thread that
asked for it.
"""

import asyncio
import contextlib
import dataclasses
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from shared.errors import EngineError, ModelServerRefusesError, ParleyError, PromptTooLongError
from shared.logs import get_logger
from shared.replies import FinishReason
from worker.engine.detokenize import Arrival, pieces_of
from worker.engine.protocol import Request, RequestLimits, Thought
from worker.engine.remote.adaptation import UNADAPTED, Adaptation
from worker.engine.remote.connection import Connection, RefusedRequestError
from worker.engine.remote.refusal import BUSY, SERVER_FAULT, Refusal
from worker.engine.remote.repetition import RepetitionFilter
from worker.engine.remote.request_body import CacheTerms, body_of
from worker.engine.remote.retries import (
    SERVER_PATIENCE,
    BrokenStreamError,
    Retries,
    ServerAwayError,
    ServerPatience,
)
from worker.engine.remote.server import Server
from worker.engine.remote.stream import StreamError
from worker.engine.remote.tokenizer import ServerPrompt, asked_by
from worker.engine.tenant_salt import Salts

log = get_logger(__name__)

STOP_TIMEOUT_S: Final = 10.0
LENGTHS: Final = frozenset({"length", "max_tokens", "model_length"})
"""Finish reasons of OpenAI's protocol, Anthropic's and Mistral's for a full length."""
BREAKS: Final = frozenset({"abort", "aborted", "error", "cancelled"})
"""Finish reasons of vLLM and SGLang for a request that they gave up; all others are an end."""


@dataclass(frozen=True, slots=True)
class _Event:
    """A piece of text; the last event has the finish reason or the error."""

    text: str = ""
    num_tokens: int = 0
    """All tokens so far."""
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
    """Of thoughts and text, over all connections."""
    adaptation: Adaptation = UNADAPTED
    """What is tried for it; kept for all others once it was accepted."""
    num_silent_ends: int = 0
    """Streams that ended without a finish reason or an end mark."""
    task: "asyncio.Task[None] | None" = None

    @property
    def num_left(self) -> int:
        """How many tokens may still be written."""
        return self.request.max_written_tokens - self.num_tokens

    def put(self, piece: str) -> None:
        """Hand a piece to the reader."""
        if piece:
            if not isinstance(piece, Thought):
                self.text += piece
            self.inbox.put(_Event(piece, self.num_tokens))


class RemoteGeneration:
    """One answer being written; read by one thread."""

    def __init__(self, engine: "RemoteEngine", answer: _Answer) -> None:
        self._engine = engine
        self._answer = answer
        self._num_tokens = 0
        self.finish_reason: FinishReason | None = None

    @property
    def num_tokens(self) -> int:
        """The number of tokens so far, by the server's count or else its chunks."""
        return self._num_tokens

    def __iter__(self) -> Iterator[str]:
        """Pieces of text as they come. See ``protocol.Generation``."""
        request = self._answer.request
        cancel = partial(self._engine.cancel, request.id)
        self.finish_reason = yield from pieces_of(self._arrivals(), request.stop, cancel)

    def _arrivals(self) -> Iterator[Arrival]:
        while True:
            event = self._answer.inbox.get()
            self._num_tokens = max(self._num_tokens, event.num_tokens)
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
        patience_s: float = SERVER_PATIENCE.away_s,
        silent_s: float = SERVER_PATIENCE.silent_s,
    ) -> None:
        """Prepare the engine; nothing is sent yet.

        Args:
            server: the server and its model.
            max_new_tokens: the longest answer; None: what is left.
            max_requests: the most concurrent requests to the server.
            patience_s: how long a server that is away is waited for, in each outage.
            silent_s: how long it may be silent within an answer.
        """
        self._server = server
        self.limits = RequestLimits.of(server.context_tokens, max_new_tokens)
        self._patience = ServerPatience(patience_s, silent_s=silent_s)
        self._salts = Salts()
        self._tenants: set[str] = set()
        self._adaptation = UNADAPTED
        self._says_nothing_at_end = False
        self._lock = threading.Lock()
        self._running: dict[str, _Answer] = {}
        self._turns = asyncio.Semaphore(max_requests)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote", daemon=True)
        self._connection = Connection(server, silent_s)

    def open(self, on_lost: Callable[[], None] = lambda: None) -> None:
        """Start the thread that speaks to the server; a server that is away is no reason to end."""
        del on_lost
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
        await self._connection.close()

    async def _write(self, answer: _Answer) -> None:
        """Have the server write an answer to its end, and forward it."""
        last = _Event(is_last=True)
        try:
            async with self._turns:
                reason = await self._read_all(answer)
                last = _Event("", answer.num_tokens, is_last=True, finish_reason=reason)
        except ParleyError as error:
            last = _Event("", answer.num_tokens, is_last=True, error=error)
        except Exception as error:
            log.exception("remote_failed", error=type(error).__name__)
            last = _Event(is_last=True, error=EngineError("The model server answers nonsense."))
        finally:
            self._leave(answer.request.id)
            with self._lock:
                self._running.pop(answer.request.id, None)
            answer.inbox.put(last)

    async def _read_all(self, answer: _Answer) -> FinishReason:
        """Read an answer over as many connections as it needs."""
        retries = Retries(self._patience)
        answer.adaptation = self._adaptation
        while answer.num_left > 0:
            try:
                async with self._turn(answer.request.id) as most:
                    end = await self._read(answer, retries, most)
                if most is None or end is not FinishReason.LENGTH:
                    return end
            except RefusedRequestError as error:
                if not self._adapt(answer, error.refusal):
                    away = ServerAwayError(f"answers {error.refusal.status}")
                    await asyncio.sleep(retries.miss(away))
            except StreamError as error:
                if reason := self._handle(answer, error.refusal):
                    return reason
                await asyncio.sleep(retries.break_off())
            except ServerAwayError as away:
                log.warning("remote_away", why=away.why)
                await asyncio.sleep(retries.miss(away))
            except BrokenStreamError:
                log.warning("remote_connection_broke", num_tokens=answer.num_tokens)
                await asyncio.sleep(retries.break_off())
        return FinishReason.LENGTH

    def _handle(self, answer: _Answer, refusal: Refusal) -> FinishReason | None:
        """Handle an error in a stream; return the finish reason if it ends the answer."""
        if answer.text and refusal.is_too_long and refusal.status < SERVER_FAULT:
            return FinishReason.LENGTH
        log.warning("remote_stream_error", status=refusal.status, num_tokens=answer.num_tokens)
        if not answer.num_tokens and not refusal.may_pass:
            self._adapt(answer, refusal)
        return None

    def _adapt(self, answer: _Answer, refusal: Refusal) -> bool:
        """Find out how to ask once more; False if only time can help.

        Raises:
            PromptTooLongError, ModelServerRefusesError: it cannot help.
        """
        if refusal.is_too_long:
            num_prompt = len(answer.request.prompt_ids)
            raise PromptTooLongError(num_prompt, self.limits.max_prompt_tokens)
        asked = self._asked(answer)
        sent = self._body(answer, asked, answer.num_left)
        better = answer.adaptation.after(sent, refusal, is_begun=bool(asked.begun))
        if better is None and refusal.status in BUSY:
            return False
        if better is None:
            log.error("remote_refused", status=refusal.status, parameters=list(refusal.named))
            raise ModelServerRefusesError(refusal.status)
        answer.adaptation = better
        return True

    @contextlib.asynccontextmanager
    async def _turn(self, request_id: str) -> AsyncIterator[int | None]:  # noqa: ARG002 - by name
        """One connection of an answer; the most tokens that it may bring, None for all."""
        yield None

    def _leave(self, request_id: str) -> None:
        """Take note that an answer has ended."""

    async def _read(self, answer: _Answer, retries: Retries, most: int | None) -> FinishReason:
        """Read one connection to its end, or to so many tokens."""
        asked = self._asked(answer)
        num_left = answer.num_left if most is None else min(most, answer.num_left)
        body = self._body(answer, asked, num_left)
        path = "chat/completions" if asked.messages else "completions"
        repetition = RepetitionFilter(asked.begun if asked.messages else answer.text)
        base, num_pieces = answer.num_tokens, 0
        reason: str | None = None
        is_done = False
        async with contextlib.aclosing(self._connection.stream(path, body)) as chunks:
            async for chunk in chunks:
                retries.reach()
                num_pieces += bool(chunk.pieces)
                if num_pieces > num_left and reason is None:
                    reason = "length"  # it does not keep to its limit
                    break
                num_here = max(num_pieces, chunk.num_tokens or 0)
                answer.num_tokens = max(answer.num_tokens, base + num_here)
                if chunk.pieces:
                    self._learn(answer)
                for piece in chunk.pieces:
                    is_thought = isinstance(piece, Thought)
                    answer.put(piece if is_thought else repetition.push(piece))
                reason = reason or chunk.reason
                is_done = is_done or chunk.is_done
        if reason in BREAKS or not self._has_ended(answer, reason, is_done=is_done):
            raise BrokenStreamError
        answer.put(repetition.flush())
        is_full = answer.num_left <= 0 and reason is None
        return FinishReason.LENGTH if is_full or reason in LENGTHS else FinishReason.STOP

    def _has_ended(self, answer: _Answer, reason: str | None, *, is_done: bool) -> bool:
        """Whether a stream that was not cut is a whole answer.

        A server that says nothing at the end is asked to go on once: it may have been cut. If it
        says nothing again, that is its way.
        """
        if reason or is_done:
            self._says_nothing_at_end = False
            return True
        answer.num_silent_ends += 1
        if answer.num_silent_ends > 1 and answer.num_tokens:
            self._says_nothing_at_end = True
        return self._says_nothing_at_end and answer.num_tokens > 0

    def _learn(self, answer: _Answer) -> None:
        """Keep what the server has accepted."""
        known = self._adaptation.joined(answer.adaptation)
        if known != self._adaptation:
            names = known.added_to(self._adaptation)
            log.warning("remote_adapted", parameters=list(names), server=self._server.base_url)
            self._adaptation = known

    def _asked(self, answer: _Answer) -> ServerPrompt:
        asked = asked_by(answer.request.prompt_ids)
        return dataclasses.replace(asked, begun=asked.begun + answer.text)

    def _body(self, answer: _Answer, asked: ServerPrompt, num_left: int) -> dict[str, object]:
        request = answer.request
        self._tenants.add(request.salt)
        return body_of(
            self._server,
            request,
            asked,
            answer.adaptation,
            max_tokens=num_left,
            cache=CacheTerms(self._salts.salt(request.salt), len(self._tenants) == 1),
        )
