"""What a server accepts: learned from its refusals, once for each parameter, and remembered.

Servers that are nearly OpenAI's refuse parameters that others need. A refusal names the parameter;
it is then left out, or sent by its other name, in all requests of this process.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import openai

from shared.jobs import Effort
from shared.logs import get_logger
from worker.engine.protocol import Request
from worker.engine.remote.server import (
    CONTINUES_A_MESSAGE,
    GO_ON,
    GO_ON_BY_THEMSELVES,
    LLAMACPP,
    OLLAMA,
    SGLANG,
    VLLM,
    Server,
)
from worker.engine.remote.tokenizer import Message, ServerPrompt

log = get_logger(__name__)

MAX_TOKENS: Final = "max_tokens"
RENAMED: Final = {MAX_TOKENS: "max_completion_tokens"}
NEEDED: Final = frozenset({"model", "messages", "prompt", "stream"})
REFUSALS: Final = frozenset({400, 404, 415, 422, 501})
TEMPLATE_OWNERS: Final = frozenset({VLLM, SGLANG, LLAMACPP})
"""They pass ``chat_template_kwargs`` on to the model's template."""
EFFORTS: Final = {Effort.OFF: "low", Effort.HARD: "high"}
REFUSES_SYSTEM: Final = ("system role", "system message", "role system", "'system'", '"system"')
REFUSES_ORDER: Final = ("must alternate", "alternate user", "conversation roles", "role order")


class ServerDialect:
    """How a server wants to be asked. Thread-safe."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._left_out: set[str] = set()
        self._renamed: set[str] = set()
        self._merges_system = False

    def words(
        self, request: Request, asked: ServerPrompt, salt: str, num_left: int
    ) -> dict[str, Any]:
        """The body of a request: what the operator set, and nothing that the server refuses.

        Args:
            request: the request.
            asked: its conversation, or the text to continue.
            salt: the tenant's; vLLM and SGLang share cached prefixes only where it is equal.
            num_left: the most tokens that may still be written.
        """
        sampling, owner = request.sampling, self._server.owner
        penalty = "repeat_penalty" if owner == LLAMACPP else "repetition_penalty"
        wanted: dict[str, Any] = {
            MAX_TOKENS: num_left,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            penalty: sampling.repetition_penalty,
            "seed": sampling.seed,
            "cache_salt": salt if owner in (VLLM, SGLANG) else None,
        }
        if asked.messages:
            wanted |= self._thinking(request.thinking.effort)
            wanted["messages"] = self._messages(asked, request.pictures)
            if asked.begun and owner in CONTINUES_A_MESSAGE:
                wanted |= {"continue_final_message": True, "add_generation_prompt": False}
        else:
            wanted["prompt"] = asked.begun
        body: dict[str, Any] = {"model": self._server.model, "stream": True}
        for name, value in wanted.items():
            sent = RENAMED[name] if name in self._renamed else name
            if value is not None and sent not in self._left_out:
                body[sent] = value
        return body

    def adapt(self, body: Mapping[str, Any], error: openai.APIStatusError) -> bool:
        """Learn from a refusal of this body; whether it is worth asking again."""
        if error.status_code not in REFUSALS:
            return False
        said = f"{error.message} {_text_of(error.body)}".lower()
        with self._lock:
            return self._adapt(body, said)

    def _adapt(self, body: Mapping[str, Any], said: str) -> bool:
        for name, other in RENAMED.items():
            if name in body and other in said and other not in self._left_out:
                self._renamed.add(name)
                log.info("remote_parameter_renamed", parameter=name, sent=other)
                return True
        # The longest first: "top_k" is no part of another name, but "seed" may be.
        for name in sorted(set(body) - NEEDED, key=len, reverse=True):
            if name in said:
                return self._leave_out(name)
        if not self._merges_system and _has_system(body):
            is_refused = any(words in said for words in (*REFUSES_SYSTEM, *REFUSES_ORDER))
            if is_refused or ("system" in said and "role" in said):
                self._merges_system = True
                log.info("remote_system_turn_merged")
                return True
        return False

    def _leave_out(self, name: str) -> bool:
        if name in self._left_out:
            return False
        self._left_out.add(name)
        log.info("remote_parameter_left_out", parameter=name)
        return True

    def _thinking(self, effort: Effort) -> dict[str, Any]:
        """The parameters about thoughts; none where the model is to do as it does by itself."""
        if effort is Effort.AUTO:
            return {}
        said: dict[str, Any] = {}
        if self._server.owner in TEMPLATE_OWNERS:
            said["chat_template_kwargs"] = {"enable_thinking": effort is not Effort.OFF}
        if effort in EFFORTS:
            is_none = effort is Effort.OFF and self._server.owner == OLLAMA
            said["reasoning_effort"] = "none" if is_none else EFFORTS[effort]
        return said

    def _messages(self, asked: ServerPrompt, pictures: Sequence[str]) -> list[dict[str, Any]]:
        *before, question = asked.messages
        messages = [*before, _with_pictures(question, pictures) if pictures else question]
        if self._merges_system and len(messages) > 1 and messages[0]["role"] == "system":
            system, first, *others = messages
            messages = [_after(system["content"], first), *others]
        if not asked.begun:
            return messages
        begun = {"role": "assistant", "content": asked.begun}
        owner = self._server.owner
        if owner in CONTINUES_A_MESSAGE or owner in GO_ON_BY_THEMSELVES:
            return [*messages, begun]
        return [*messages, begun, {"role": "user", "content": GO_ON}]


def _after(system: str, first: dict[str, Any]) -> dict[str, Any]:
    """The first message, behind the system's text."""
    content = first["content"]
    if isinstance(content, str):
        return {**first, "content": f"{system}\n\n{content}"}
    return {**first, "content": [{"type": "text", "text": f"{system}\n\n"}, *content]}


def _with_pictures(question: Message, pictures: Sequence[str]) -> dict[str, Any]:
    """A message whose content has parts, as the protocol requires beside pictures."""
    text = question["content"]
    words = [{"type": "text", "text": text}] if text else []
    seen = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
    return {**question, "content": [*words, *seen]}


def _has_system(body: Mapping[str, Any]) -> bool:
    messages = body.get("messages") or ()
    return any(message.get("role") == "system" for message in messages)


def _text_of(body: object) -> str:
    return json.dumps(body, default=str, ensure_ascii=False) if body is not None else ""
