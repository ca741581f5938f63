"""The body of a request to a model server: messages, and what each kind of server knows besides.

Only what the operator set is sent, so that the server's and the model's own defaults hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.jobs import Effort
from worker.engine.protocol import Request
from worker.engine.remote.adaptation import Adaptation
from worker.engine.remote.server import LLAMACPP, OLLAMA, SGLANG, VLLM, Server
from worker.engine.remote.tokenizer import Message, ServerPrompt
from worker.engine.thinking.notation import SWITCHES

GO_ON: Final = (
    "Your answer was cut off. Go on from exactly where it ends: repeat nothing of it, and say "
    "nothing about having been cut off."
)
CONTINUING: Final[Mapping[str, Any]] = {
    "continue_final_message": True,
    "add_generation_prompt": False,
}
"""vLLM and SGLang (their protocols of the chat API) and llama.cpp's server, which repeats the
beginning in its answer without them."""
CONTINUE_WHEN_TOLD: Final = frozenset({VLLM, SGLANG, LLAMACPP})
CONTINUE: Final = CONTINUE_WHEN_TOLD | {OLLAMA}
"""Ollama continues an assistant's message that comes last."""
WITH_TEMPLATE_ARGUMENTS: Final = frozenset({VLLM, SGLANG, LLAMACPP})
WITH_SALT: Final = frozenset({VLLM, SGLANG})
WITH_USAGE_A_CHUNK: Final = frozenset({VLLM, SGLANG})
EFFORTS: Final = {Effort.OFF: "none", Effort.ON: "medium", Effort.HARD: "high"}
"""Values of ``reasoning_effort`` in OpenAI's protocol."""


@dataclass(frozen=True, slots=True)
class CacheTerms:
    """With whom a server may share the cached prefixes of a request."""

    salt: str
    """The tenant's: they are shared only where it is equal."""
    keeps_prompts: bool
    """Whether a server without salts may keep prompts: while only one tenant uses it."""


def body_of(
    server: Server,
    request: Request,
    asked: ServerPrompt,
    adaptation: Adaptation,
    *,
    max_tokens: int,
    cache: CacheTerms,
) -> dict[str, Any]:
    """The body of a request for a stream.

    Args:
        server: the server and its model.
        request: the answer to write.
        asked: its conversation, and the answer so far.
        adaptation: what the server was found not to take.
        max_tokens: of thought and text together.
        cache: with whom cached prefixes are shared.
    """
    body: dict[str, Any] = {"model": server.model, "stream": True, "max_tokens": max_tokens}
    if asked.messages:
        body["messages"] = messages_of(server, asked, adaptation, request.pictures)
        body |= _thinking(server, request, asked)
        if asked.begun and server.owner in CONTINUE_WHEN_TOLD and not adaptation.asks_to_go_on:
            body |= CONTINUING
    else:
        body["prompt"] = asked.begun
    body |= _sampling(server, request)
    body["stream_options"] = {"include_usage": True}
    if server.owner in WITH_USAGE_A_CHUNK:
        body["stream_options"]["continuous_usage_stats"] = True
    if server.owner in WITH_SALT:
        body["cache_salt"] = cache.salt
    if server.owner == LLAMACPP and not cache.keeps_prompts:
        body["cache_prompt"] = False
    return adaptation.apply(body)


def messages_of(
    server: Server,
    asked: ServerPrompt,
    adaptation: Adaptation,
    pictures: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The messages to send for a conversation.

    Args:
        server: the server and its model.
        asked: the conversation; its last message is the question.
        adaptation: whether turns are merged.
        pictures: ``data:`` URLs of the pictures beside the question.
    """
    merged = _merged(asked.messages) if adaptation.merges_turns else list(asked.messages)
    *before, question = merged
    messages = [*before, _with_pictures(question, pictures) if pictures else question]
    if not asked.begun:
        return messages
    begun = {"role": "assistant", "content": asked.begun}
    if server.owner in CONTINUE and not adaptation.asks_to_go_on:
        return [*messages, begun]
    return [*messages, begun, {"role": "user", "content": GO_ON}]


def _merged(messages: Sequence[Message]) -> list[Message]:
    """The messages without system turns, and without two turns of one role in a row."""
    merged: list[Message] = []
    for message in messages:
        role = "user" if message["role"] == "system" else message["role"]
        if merged and merged[-1]["role"] == role:
            both = f"{merged[-1]['content']}\n\n{message['content']}".strip()
            merged[-1] = {"role": role, "content": both}
        else:
            merged.append({"role": role, "content": message["content"]})
    return merged


def _with_pictures(question: Message, pictures: Sequence[str]) -> dict[str, Any]:
    """A message whose content has parts, as the protocol requires beside pictures."""
    text = question["content"]
    words = [{"type": "text", "text": text}] if text else []
    seen = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
    return {**question, "content": [*words, *seen]}


def _sampling(server: Server, request: Request) -> dict[str, Any]:
    sampling = request.sampling
    penalty = "repeat_penalty" if server.owner == LLAMACPP else "repetition_penalty"
    values = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        penalty: sampling.repetition_penalty,
        "seed": sampling.seed,
    }
    return {name: value for name, value in values.items() if value is not None}


def _thinking(server: Server, request: Request, asked: ServerPrompt) -> dict[str, Any]:
    """Whether to think; never once the answer has begun, whose thought is over.

    llama.cpp's server refuses to think about an answer that has begun, and a reasoning parser
    would take its rest for a thought.
    """
    effort = Effort.OFF if asked.begun else request.thinking.effort
    if effort is Effort.AUTO:
        return {}
    said: dict[str, Any] = {"reasoning_effort": EFFORTS[effort]}
    if server.owner in WITH_TEMPLATE_ARGUMENTS:
        said["chat_template_kwargs"] = dict.fromkeys(SWITCHES, effort is not Effort.OFF)
    return said
