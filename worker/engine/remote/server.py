"""A server that speaks OpenAI's protocol: its address, its model, its context length.

The protocol cannot continue an answer that has begun, so servers differ. The kind of server is
``owned_by`` in its list of models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from shared.errors import ModelServerSilentError, ModelUnavailableError
from shared.settings import Settings

DEFAULT: Final = "default"
NO_KEY: Final = "none"
"""The client requires a key; servers without keys ignore it."""
TAKEN_FOR_PARAMETERS: Final = 10_000_000_000
"""Few servers report the number of their model's weights; an operator who serves one trusts it to
write."""
DEFAULT_CONTEXT_TOKENS: Final = 8192
"""Where neither the server nor the operator says; small for the models served in 2026."""
CHECK_TIMEOUT_S: Final = 10.0
TRIAL_TIMEOUT_S: Final = 300.0
"""A server may load a model that it is asked for."""
NUM_NAMED: Final = 5
GO_ON: Final = (
    "Your answer was cut off. Go on from exactly where it ends: repeat nothing of it, and say "
    "nothing about having been cut off."
)
VLLM: Final = "vllm"
SGLANG: Final = "sglang"
LLAMACPP: Final = "llamacpp"
OLLAMA: Final = "library"
CONTINUES_A_MESSAGE: Final = frozenset({VLLM, SGLANG, LLAMACPP})
"""They continue an assistant's message that comes last if they are told to: docs.vllm.ai and
docs.sglang.ai, extra parameters of the chat API; llama.cpp's server repeats it otherwise."""
GO_ON_BY_THEMSELVES: Final = frozenset({OLLAMA})
"""Ollama continues an assistant's message that comes last."""
CONTEXT_FIELDS: Final = ("max_model_len", "context_length", "max_context_length", "context_window")
"""vLLM and SGLang; others."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answered, and its model."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    context_tokens: int
    owner: str = ""
    num_parameters: int = TAKEN_FOR_PARAMETERS


Listed = Mapping[str, Any]
"""What a server says of one model."""


def find_server(settings: Settings) -> Server:
    """Ask the server of the settings for its model.

    Raises:
        ModelServerSilentError: the server does not answer.
        ModelUnavailableError: it refuses the key, or does not have the model.
    """
    url = str(settings.openai_base_url).rstrip("/")
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else NO_KEY
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(headers=headers, timeout=CHECK_TIMEOUT_S, follow_redirects=True) as client:
        try:
            models = _models_at(client, url)
            wanted = next(iter(models), "") if settings.model == DEFAULT else settings.model
            if wanted not in models:
                _try(client, url, wanted, models)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ModelServerSilentError(url) from error
    return _server_of(settings, (url, key), wanted, models)


def _models_at(client: httpx2.Client, url: str) -> dict[str, Listed]:
    """The models that a server lists, by name.

    Raises:
        ModelUnavailableError: it refuses the key, or this is no such address.
        httpx2.HTTPError: it does not answer.
    """
    reply = client.get(f"{url}/models")
    if reply.status_code in (401, 403):
        raise ModelUnavailableError(
            f"The model server at {url} does not accept PARLEY_OPENAI_API_KEY."
        )
    models = _listed(reply)
    if models is not None:
        return models
    hint = "PARLEY_OPENAI_BASE_URL ends in /v1 for most servers."
    if not url.endswith("/v1") and _listed(client.get(f"{url}/v1/models")) is not None:
        hint = f"set PARLEY_OPENAI_BASE_URL to {url}/v1, where it answers."
    said = "something else than JSON" if reply.is_success else str(reply.status_code)
    raise ModelUnavailableError(
        f"The model server at {url} answers {said} when it is asked for its models: {hint}"
    )


def _listed(reply: httpx2.Response) -> dict[str, Listed] | None:
    """The models in a reply; None if it is no list of models."""
    try:
        said = reply.json() if reply.is_success else None
    except ValueError:
        return None
    if isinstance(said, dict):
        said = said.get("data", said.get("models"))
        said = [] if said is None else said
    if not isinstance(said, list):
        return None
    return {
        str(name): each
        for each in said
        if isinstance(each, dict) and (name := each.get("id") or each.get("name"))
    }


def _try(client: httpx2.Client, url: str, model: str, listed: Mapping[str, Listed]) -> None:
    """Request one token of a model that is not listed: not every server lists all its models."""
    names = ", ".join(list(listed)[:NUM_NAMED]) or "none"
    if not model:
        raise ModelUnavailableError(
            "The model server lists no model: name the one that it runs in PARLEY_MODEL."
        )
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    reply = client.post(f"{url}/chat/completions", json=body, timeout=TRIAL_TIMEOUT_S)
    is_other_fault = "max_tokens" in reply.text  # the model is there, and wants another name of it
    if reply.status_code in (400, 404, 422) and not is_other_fault:
        raise ModelUnavailableError(
            f"PARLEY_MODEL is {model}, which the model server does not have. It lists {names}."
        )


def _server_of(
    settings: Settings, address: tuple[str, str], name: str, models: Mapping[str, Listed]
) -> Server:
    url, key = address
    listed = models.get(name, {})
    parent = models.get(str(listed.get("parent") or ""), {})  # of a LoRA adapter at vLLM
    context = _context_of(listed) or _context_of(parent) or DEFAULT_CONTEXT_TOKENS
    return Server(
        base_url=url,
        api_key=key,
        model=name,
        context_tokens=settings.openai_context_tokens or context,
        owner=str(listed.get("owned_by") or ""),
        num_parameters=_number(_meta(listed).get("n_params")) or TAKEN_FOR_PARAMETERS,
    )


def _context_of(listed: Listed) -> int | None:
    """Tokens of the context, as servers say it; llama.cpp's has it among other facts."""
    known = [listed.get(name) for name in CONTEXT_FIELDS]
    meta = _meta(listed)
    return next(
        filter(None, map(_number, [*known, meta.get("n_ctx"), meta.get("n_ctx_train")])), None
    )


def _meta(listed: Listed) -> Mapping[str, Any]:
    meta = listed.get("meta")
    return meta if isinstance(meta, dict) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
