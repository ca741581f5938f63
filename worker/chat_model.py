"""The chat model of a worker: in its own process, or on a remote server."""

import contextlib
import dataclasses
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from shared.errors import EngineError, RefusedError
from shared.jobs import Effort
from shared.logs import get_logger
from shared.settings import Settings
from worker.console import say
from worker.engine.pictures import SAMPLE_URL
from worker.engine.protocol import GREEDY, Request, Sampling, Thinking
from worker.engine.thinking.notation import server_notation
from worker.prompts.chat import PromptInput, make_prompt
from worker.tasks.generate import ChatModel, chat_model_around

if TYPE_CHECKING:
    from worker.engine.factory import OwnEngine

log = get_logger("worker")
ChatModels = Callable[
    [Settings, float, Callable[[], None]], AbstractContextManager[tuple[str, ChatModel]]
]
"""The factory of a worker's chat model; see ``chat_model_of``."""


def chat_model_of(
    settings: Settings, stall_timeout_s: float, abandon: Callable[[], None]
) -> AbstractContextManager[tuple[str, ChatModel]]:
    """The model's name and the model, while the block runs.

    Args:
        settings: the worker's.
        stall_timeout_s: how long a step of the engine may take.
        abandon: called once if the engine cannot be repaired.

    Raises:
        ModelUnavailableError: there is no such model.
    """
    if settings.engine == "openai":
        return _served(settings)
    return _own(settings, stall_timeout_s, abandon)


def sampling_of(settings: Settings) -> Sampling:
    """What the operator set; the model's own settings hold for the rest."""
    return Sampling(
        settings.temperature,
        settings.top_p,
        settings.top_k,
        settings.min_p,
        settings.repetition_penalty,
    )


def thinking_of(settings: Settings) -> Thinking:
    """Whether the model thinks, where neither a message nor its channel says."""
    return Thinking(Effort(settings.thinking), settings.max_thinking_tokens)


@contextlib.contextmanager
def _own(
    settings: Settings, stall_timeout_s: float, abandon: Callable[[], None]
) -> Iterator[tuple[str, ChatModel]]:
    from worker.engine.engine import EngineOptions  # noqa: PLC0415 - seconds of import
    from worker.engine.factory import LLAMACPP, build, choice_of  # noqa: PLC0415 - the same
    from worker.engine.probe import open_proven  # noqa: PLC0415 - the same

    options = EngineOptions(
        settings.max_new_tokens,
        settings.concurrency,
        settings.cache_tokens,
        stall_timeout_s,
        sampling_of(settings),
    )
    own = build(settings.engine, choice_of(settings), options, say)
    try:
        open_proven(own, on_lost=abandon)
        log.info("model_loaded", model=own.info.name, device=own.device, engine=own.kind)
        chat_model = chat_model_around(
            own.engine, own.info, own.engine.limits, thinking_of(settings)
        )
        if own.kind == LLAMACPP:  # it lays prompts out by itself, as a server elsewhere does
            chat_model = dataclasses.replace(chat_model, notation=server_notation())
        if settings.read_pictures:
            chat_model, reason = seeing(own, chat_model)
            if reason:
                log.warning(
                    "pictures_not_seen", model=own.info.name, engine=own.kind, reason=reason
                )
        yield own.info.name, chat_model
    finally:
        own.engine.close()


def seeing(own: "OwnEngine", chat_model: ChatModel) -> tuple[ChatModel, str]:
    """The chat model, which sees if it writes a token about a picture; else the reason why not.

    Args:
        own: its engine, which is open.
        chat_model: the chat model, without its sight.
    """
    sighted = dataclasses.replace(chat_model, can_see=True, reader=own.reader)
    reason = own.why_blind or _why_blind(sighted)
    return (chat_model, reason) if reason else (sighted, "")


def _why_blind(chat_model: ChatModel) -> str:
    """Why a model writes nothing about a picture; empty if it does."""
    question = PromptInput("", (), "What is it?", pictures=(SAMPLE_URL,))
    try:
        prompt = make_prompt(
            question, chat_model.tokenizer, chat_model.limits, reader=chat_model.reader
        )
        request = Request(
            f"probe-{secrets.token_hex(8)}",
            prompt.token_ids,
            1,
            GREEDY,
            pictures=prompt.pictures,
            inputs=prompt.inputs,
        )
        generation = chat_model.engine.submit(request)
        for _ in generation:
            pass
    except (RefusedError, EngineError) as error:
        return str(error)
    return "" if generation.num_tokens else "no token came"


@contextlib.contextmanager
def _served(settings: Settings) -> Iterator[tuple[str, ChatModel]]:
    from worker.engine.remote.engine import RemoteEngine  # noqa: PLC0415 - a second of import
    from worker.engine.remote.server import find_server  # noqa: PLC0415 - the same
    from worker.engine.remote.tokenizer import PlainTokenizer  # noqa: PLC0415 - the same

    server = find_server(settings)
    engine = RemoteEngine(server, settings.max_new_tokens, settings.concurrency)
    try:
        engine.open()
        log.info("model_served", model=server.model, server=server.base_url)
        chat_model = ChatModel(
            engine,
            PlainTokenizer(),
            engine.limits,
            server.num_parameters,
            settings.read_pictures,
            server_notation(),
            thinking_of(settings),
        )
        yield server.model, chat_model
    finally:
        engine.close()
