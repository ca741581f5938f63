"""A chat model for evaluations: without Redis or Celery, for many prompts at once."""

import contextlib
from collections.abc import Iterator, Sequence

from shared.settings import Settings
from worker.console import say
from worker.engine.engine import EngineOptions
from worker.engine.factory import OwnEngine, build, choice_of
from worker.engine.protocol import GREEDY, Request, Sampling
from worker.engine.thinking.splitter import answer_in
from worker.prompts.chat import Prompt
from worker.tasks.generate import ChatModel, chat_model_around

SLOTS = 32
"""Texts written at once: an evaluation has many, and no person waits for the first."""
CACHE_TOKENS = 16_384


@contextlib.contextmanager
def open_chat_model(model: str, settings: Settings) -> Iterator[ChatModel]:
    """Load a model and open an engine around it.

    Raises:
        ModelUnavailableError: it cannot be found or read.
    """
    with open_engine(model, settings) as own:
        yield chat_model_around(own.engine, own.info, own.engine.limits)


@contextlib.contextmanager
def open_engine(model: str, settings: Settings) -> Iterator[OwnEngine]:
    """A model's engine, open while the block runs.

    Raises:
        ModelUnavailableError: it cannot be found or read.
    """
    options = EngineOptions(settings.max_new_tokens, SLOTS, CACHE_TOKENS)
    own = build(settings.engine, choice_of(settings, model), options, say)
    try:
        own.engine.open()
        yield own
    finally:
        own.engine.close()


def write_all(
    chat_model: ChatModel, prompts: Sequence[Prompt], sampling: Sampling = GREEDY
) -> list[str]:
    """The model's answer to each prompt; as many at once as the engine has slots."""
    requests = [
        Request(f"eval-{number}", prompt.token_ids, prompt.max_new_tokens, sampling, prompt.stop)
        for number, prompt in enumerate(prompts)
    ]
    generations = [
        chat_model.engine.submit(request) for request in requests
    ]  # all before any is read
    texts = ["".join(generation) for generation in generations]
    return [
        answer_in(text, prompt.notation, prompt.start)
        for text, prompt in zip(texts, prompts, strict=True)
    ]
