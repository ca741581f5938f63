"""A server that speaks OpenAI's protocol: its model, its context length, its kind.

The kind of server is ``owned_by`` in its list of models; see ``request_body`` for what differs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from shared.errors import ModelServerSilentError, ModelUnavailableError
from shared.settings import Settings
from worker.engine.protocol import DEFAULT
from worker.engine.remote.refusal import BUSY, Refusal, refusal_of

NO_KEY: Final = "none"
"""Servers without keys ignore it."""
TAKEN_FOR_PARAMETERS: Final = 10_000_000_000
"""Few servers report the number of their model's weights; an operator who serves one trusts it to
write."""
DEFAULT_CONTEXT_TOKENS: Final = 8192
"""Where neither the server nor the operator says; small for the models served in 2026."""
CHECK_TIMEOUT_S: Final = 10.0
NUM_NAMED: Final = 5
VERSION: Final = "/v1"
CONTEXT_NAMES: Final = (
    "max_model_len",
    "loaded_context_length",
    "context_length",
    "context_window",
    "max_context_length",
)
"""Fields of a listed model: vLLM and SGLang; LM Studio; then hosted APIs and routers."""
VLLM: Final = "vllm"
SGLANG: Final = "sglang"
LLAMACPP: Final = "llamacpp"
OLLAMA: Final = "library"
NOT_READY: Final = BUSY - {500}
Listed = Mapping[str, Any]
"""A model in a server's list."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answered, and its model."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    context_tokens: int
    owner: str = ""
    num_parameters: int = TAKEN_FOR_PARAMETERS


NO_JSON = (ValueError, RecursionError)
"""What reading an answer raises that is no JSON, or JSON that is nested for ever."""


class _NoListError(Exception):
    """What answers is no list of models."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def find_server(settings: Settings) -> Server:
    """Ask the server of the settings for its model.

    Raises:
        ModelServerSilentError: the server does not answer, or is not ready.
        ModelUnavailableError: it refuses the key, does not have the model, or is elsewhere.
    """
    url = str(settings.openai_base_url)
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else NO_KEY
    named = "" if settings.model == DEFAULT else settings.model
    return describe(url, key, named, settings.openai_context_tokens)


def describe(url: str, key: str, named: str = "", context_tokens: int | None = None) -> Server:
    """Ask a server for a model.

    Args:
        url: the address of its API.
        key: its key.
        named: the model; empty: the first that it lists.
        context_tokens: goes before what the server says.

    Raises:
        ModelServerSilentError, ModelUnavailableError: as of ``find_server``.
    """
    if not (key.isascii() and key.isprintable()):
        raise ModelUnavailableError(
            "PARLEY_OPENAI_API_KEY has characters that no key has: copy it once more."
        )
    try:
        with client_of(key) as client:
            models = _models(client, url, named)
            wanted = named or next(iter(models), "")
            if wanted not in models:
                _try(client, url, wanted, models)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ModelServerSilentError(url) from error
    entry = models.get(wanted, {})
    return Server(
        base_url=url,
        api_key=key,
        model=wanted,
        context_tokens=context_tokens or _context_of(entry, models) or DEFAULT_CONTEXT_TOKENS,
        owner=str(entry.get("owned_by") or ""),
        num_parameters=_number(_meta(entry).get("n_params")) or TAKEN_FOR_PARAMETERS,
    )


def client_of(key: str) -> httpx2.Client:
    """A client for questions that are answered at once."""
    return httpx2.Client(
        headers={"Authorization": f"Bearer {key}"}, timeout=CHECK_TIMEOUT_S, follow_redirects=True
    )


def address(url: str, path: str) -> str:
    """The address of a part of the API."""
    return f"{url.rstrip('/')}/{path}"


def _models(client: httpx2.Client, url: str, named: str) -> dict[str, Listed]:
    """The server's models by name; empty if it lists none, but may have the named one.

    Raises:
        ModelUnavailableError: this is no address of an API.
    """
    try:
        return _listed(client, url)
    except _NoListError as error:
        hint = _hint(client, url)
        if not hint and named and _knows(client, url, named):
            return {}
        raise ModelUnavailableError(
            f"The model server at {url} {error.why} when it is asked for its models: "
            + (hint or f"PARLEY_OPENAI_BASE_URL ends in {VERSION} for most servers.")
        ) from error


def _listed(client: httpx2.Client, url: str) -> dict[str, Listed]:
    response = _get(client, address(url, "models"))
    if response.status_code in {401, 403}:
        raise ModelUnavailableError(
            f"The model server at {url} does not accept PARLEY_OPENAI_API_KEY."
        )
    if response.status_code in NOT_READY:
        raise ModelServerSilentError(url, response.status_code)
    if not response.is_success:
        raise _NoListError(f"answers {response.status_code}")
    try:
        told = response.json()
    except NO_JSON as error:
        raise _NoListError("answers something else than JSON of models") from error
    entries = told.get("data", told.get("models")) if isinstance(told, dict) else told
    if entries is None and isinstance(told, dict) and "data" in told:
        entries = []
    if not isinstance(entries, list):
        raise _NoListError("answers something else than JSON of models")
    models = (each if isinstance(each, dict) else {"id": each} for each in entries)
    named = {_name_of(model): model for model in models}
    return {name: model for name, model in named.items() if name}


def _get(client: httpx2.Client, url: str) -> httpx2.Response:
    """Get, and once more if the connection fails."""
    try:
        return client.get(url)
    except httpx2.TransportError:
        return client.get(url)


def _name_of(model: Listed) -> str:
    return str(model.get("id") or model.get("name") or model.get("model") or "")


def _hint(client: httpx2.Client, url: str) -> str:
    """What to do, if the API is where most servers have it."""
    if url.rstrip("/").endswith(VERSION):
        return ""
    better = url.rstrip("/") + VERSION
    try:
        _listed(client, better)
    except (_NoListError, ModelUnavailableError, ModelServerSilentError, httpx2.HTTPError):
        return ""
    return f"set PARLEY_OPENAI_BASE_URL to {better}, where it answers."


def _knows(client: httpx2.Client, url: str, model: str) -> bool:
    """Whether a server without a list has a model: one that answers as a model does."""
    refusal = _refusal(client, url, model, is_strict=True)
    return refusal is None or refusal.names("max_tokens")


def _try(client: httpx2.Client, url: str, model: str, listed: Collection[str]) -> None:
    """Request one token of a model that is not listed: not every server lists all its models."""
    names = ", ".join(list(listed)[:NUM_NAMED]) or "none"
    if not model:
        raise ModelUnavailableError(
            "The model server lists no model: name the one that it runs in PARLEY_MODEL."
        )
    refusal = _refusal(client, url, model)
    if refusal is None or refusal.names("max_tokens"):
        return
    if refusal.status in NOT_READY:
        raise ModelServerSilentError(url, refusal.status)
    raise ModelUnavailableError(
        f"PARLEY_MODEL is {model}, which the model server does not have. It lists {names}."
    )


def _refusal(
    client: httpx2.Client, url: str, model: str, *, is_strict: bool = False
) -> Refusal | None:
    """Why a model writes no token here; None if it does, or is still being loaded.

    ``is_strict``: whether the answer has to have the form of one; else that it is JSON is enough.
    """
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    try:
        response = client.post(address(url, "chat/completions"), json=body)
    except httpx2.ReadTimeout:
        return None
    if not response.is_success:
        return refusal_of(response.status_code, response.text)
    try:
        told = response.json()
    except NO_JSON:
        return Refusal(404)
    is_answer = isinstance(told, dict) and (not is_strict or isinstance(told.get("choices"), list))
    return None if is_answer else Refusal(404)


def _context_of(model: Listed, models: Mapping[str, Listed]) -> int | None:
    """The context length that a server reports; an adapter (LoRA) has its parent's."""
    told = (model.get(name) for name in CONTEXT_NAMES)
    found = next((number for each in told if (number := _number(each))), None)
    parent = models.get(str(model.get("parent")))
    if found or parent is None or parent is model:
        return found or _number(_meta(model).get("n_ctx"))
    return _context_of({**parent, "parent": None}, models)


def _meta(model: Listed) -> Listed:
    meta = model.get("meta")
    return meta if isinstance(meta, dict) else {}


def _number(value: object) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and isinstance(value, int) and value > 0 else None
