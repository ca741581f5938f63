"""A chat model for evaluations: without Redis or Celery, for many prompts at once."""

import contextlib
from collections.abc import Iterator, Sequence

from shared.settings import Settings
from worker.console import say
from worker.engine.engine import BatchingEngine, EngineOptions, kind_for
from worker.engine.loader import LoadedModel, ModelChoice, load_model
from worker.engine.protocol import Request, Sampling
from worker.prompts.chat import Prompt
from worker.tasks.generate import ChatModel

SLOTS = 32
"""Texts written at once: an evaluation has many, and no person waits for the first."""
CACHE_TOKENS = 16_384
LIKELIEST = Sampling()


@contextlib.contextmanager
def open_chat_model(model: str, settings: Settings) -> Iterator[ChatModel]:
    """Load a model and open an engine around it.

    Raises:
        ModelUnavailableError: it cannot be found or read.
    """
    loaded = load_model(choice_of(model, settings), say)
    with engine_around(loaded, settings) as engine:
        yield ChatModel(engine, loaded.tokenizer, engine.limits, loaded.num_parameters)


def choice_of(model: str, settings: Settings) -> ModelChoice:
    """The model for a value of ``PARLEY_MODEL``, on the settings' device."""
    return ModelChoice(model, settings.device, settings.dtype, settings.cache_dir)


@contextlib.contextmanager
def engine_around(loaded: LoadedModel, settings: Settings) -> Iterator[BatchingEngine]:
    """An engine that is open while the block runs."""
    options = EngineOptions(settings.max_new_tokens, SLOTS, CACHE_TOKENS)
    engine = BatchingEngine(loaded, options, kind_for(settings.engine, loaded))
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def write_all(
    chat_model: ChatModel, prompts: Sequence[Prompt], sampling: Sampling = LIKELIEST
) -> list[str]:
    """The model's text for each prompt; as many at once as the engine has slots."""
    requests = [
        Request(f"eval-{number}", prompt.token_ids, prompt.max_new_tokens, sampling, prompt.stop)
        for number, prompt in enumerate(prompts)
    ]
    generations = [
        chat_model.engine.submit(request) for request in requests
    ]  # all before any is read
    return ["".join(generation) for generation in generations]
