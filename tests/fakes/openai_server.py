"""A fake model server: it speaks OpenAI's protocol, keeps every prompt, and repeats the question.

    async with FakeModelServer() as server:
        settings = {"PARLEY_ENGINE": "openai", "PARLEY_OPENAI_BASE_URL": server.url}

An answer is ``You said: `` and the beginning of the last message, word by word. It knows nothing of
any particular client.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

MODEL = "parrot"
MAX_WORDS = 40


@dataclass(eq=False)
class FakeModelServer:
    """One server with one model. Use it as an async context manager."""

    prompts: list[list[dict[str, Any]]] = field(default_factory=list)
    """The messages of each conversation that was sent, the oldest first."""
    url: str = ""
    """With the version, as clients want it."""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._complete)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    def asked(self, words: str) -> list[list[dict[str, Any]]]:
        """The prompts whose last message has these words."""
        return [prompt for prompt in self.prompts if words in str(prompt[-1]["content"])]

    async def _list_models(self, _request: web.Request) -> web.Response:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}
        return web.json_response({"object": "list", "data": [model]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        messages = (await request.json())["messages"]
        self.prompts.append(messages)
        return await self._write(request, str(messages[-1]["content"]), "delta", "content")

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        prompt = (await request.json())["prompt"]
        self.prompts.append([{"role": "text", "content": prompt}])
        return await self._write(request, str(prompt), "text", "")

    async def _write(
        self, request: web.Request, question: str, name: str, inner: str
    ) -> web.StreamResponse:
        """Stream an answer as server-sent events."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        words = ["You", "said:", *question.split()[:MAX_WORDS]]
        for word in words:
            piece = {inner: f"{word} "} if inner else f"{word} "
            await _send(response, {name: piece, "finish_reason": None})
        await _send(response, {name: {} if inner else "", "finish_reason": "stop"})
        await response.write(b"data: [DONE]\n\n")
        return response


async def _send(response: web.StreamResponse, choice: dict[str, Any]) -> None:
    kind = "chat.completion.chunk" if "delta" in choice else "text_completion"
    chunk = {
        "id": "answer",
        "object": kind,
        "created": 0,
        "model": MODEL,
        "choices": [{"index": 0, **choice}],
    }
    await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
