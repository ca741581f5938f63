"""A server that speaks OpenAI's protocol: its model, its context length, its way to continue.

The protocol cannot continue an answer that has begun, so servers differ. The kind of server is
``owned_by`` in its list of models.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import openai

from shared.errors import ModelServerSilentError, ModelUnavailableError
from shared.settings import Settings
from worker.engine.remote.tokenizer import Message, ServerPrompt

DEFAULT: Final = "default"
NO_KEY: Final = "none"
"""The client requires a key; servers without keys ignore it."""
TAKEN_FOR_PARAMETERS: Final = 10_000_000_000
"""No server reports the number of its model's weights; an operator who serves one trusts it to
write."""
DEFAULT_CONTEXT_TOKENS: Final = 8192
"""Where neither the server nor the operator says; small for the models served in 2026."""
CHECK_TIMEOUT_S: Final = 10.0
NUM_NAMED: Final = 5
GO_ON: Final = (
    "Your answer was cut off. Go on from exactly where it ends: repeat nothing of it, and say "
    "nothing about having been cut off."
)
VLLM: Final = "vllm"
LLAMACPP: Final = "llamacpp"
# docs.vllm.ai, OpenAI-compatible server, extra parameters of the chat API
VLLM_GOES_ON: Final[Mapping[str, Any]] = {
    "continue_final_message": True,
    "add_generation_prompt": False,
}
GO_ON_BY_THEMSELVES: Final = frozenset({LLAMACPP, "library"})
"""llama.cpp's server and Ollama continue an assistant's message that comes last."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answered, and its model."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    context_tokens: int
    owner: str = ""

    def messages(self, asked: ServerPrompt, pictures: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The messages to send for a conversation.

        Args:
            asked: the conversation; its last message is the question.
            pictures: ``data:`` URLs of the pictures beside the question.
        """
        *before, question = asked.messages
        messages = [*before, _with_pictures(question, pictures) if pictures else question]
        if not asked.begun:
            return messages
        begun = {"role": "assistant", "content": asked.begun}
        if self.owner == VLLM or self.owner in GO_ON_BY_THEMSELVES:
            return [*messages, begun]
        return [*messages, begun, {"role": "user", "content": GO_ON}]

    def extras(self, asked: ServerPrompt, salt: str) -> dict[str, Any]:
        """The parameters that only this kind of server understands.

        Args:
            asked: the conversation.
            salt: the tenant's; vLLM shares cached prefixes only where it is equal.
        """
        if self.owner != VLLM:
            return {}
        return {"cache_salt": salt, **(VLLM_GOES_ON if asked.begun else {})}


def _with_pictures(question: Message, pictures: Sequence[str]) -> dict[str, Any]:
    """A message whose content has parts, as the protocol requires beside pictures."""
    text = question["content"]
    words = [{"type": "text", "text": text}] if text else []
    seen = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
    return {**question, "content": [*words, *seen]}


def find_server(settings: Settings) -> Server:
    """Ask the server of the settings for its model.

    Raises:
        ModelServerSilentError: the server does not answer.
        ModelUnavailableError: it refuses the key, or does not have the model.
    """
    url = str(settings.openai_base_url)
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else NO_KEY
    client = openai.OpenAI(base_url=url, api_key=key, timeout=CHECK_TIMEOUT_S, max_retries=1)
    try:
        with client:
            models = {model.id: model for model in client.models.list()}
            wanted = next(iter(models), "") if settings.model == DEFAULT else settings.model
            if wanted not in models:
                _try(client, wanted, models)
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ModelUnavailableError(
            f"The model server at {url} does not accept PARLEY_OPENAI_API_KEY."
        ) from error
    except openai.APIStatusError as error:
        raise ModelUnavailableError(
            f"The model server at {url} answers {error.status_code} when it is asked for its "
            "models: PARLEY_OPENAI_BASE_URL ends in /v1 for most servers."
        ) from error
    except (openai.APIError, ValueError) as error:
        raise ModelServerSilentError(url) from error
    return _server_of(settings, url, key, wanted, models.get(wanted))


def _try(client: openai.OpenAI, model: str, listed: Collection[str]) -> None:
    """Request one token of a model that is not listed: not every server lists all its models."""
    names = ", ".join(list(listed)[:NUM_NAMED]) or "none"
    if not model:
        raise ModelUnavailableError(
            "The model server lists no model: name the one that it runs in PARLEY_MODEL."
        )
    try:
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hello"}], max_tokens=1
        )
    except (openai.BadRequestError, openai.NotFoundError) as error:
        raise ModelUnavailableError(
            f"PARLEY_MODEL is {model}, which the model server does not have. It lists {names}."
        ) from error


def _server_of(
    settings: Settings, url: str, key: str, name: str, listed: openai.types.Model | None
) -> Server:
    told = (listed.model_extra or {}).get("max_model_len") if listed else None  # of vLLM
    context_tokens = told if isinstance(told, int) else DEFAULT_CONTEXT_TOKENS
    return Server(
        base_url=url,
        api_key=key,
        model=name,
        context_tokens=settings.openai_context_tokens or context_tokens,
        owner=str(listed.owned_by or "") if listed else "",
    )
