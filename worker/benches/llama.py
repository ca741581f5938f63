"""llama.cpp, one answer at a time: what people run instead, measured where it is installed."""

import importlib
import importlib.util
import time
from typing import Any

from shared.settings import Settings
from worker.console import say
from worker.engine.gguf import DEFAULT_MODEL, find_source
from worker.engine.loader import DEFAULT


class LlamaCpp:
    """llama.cpp through llama-cpp-python with the default model's own file."""

    def __init__(self) -> None:
        llama: Any = importlib.import_module("llama_cpp")  # nobody needs to have it
        self._model = llama.Llama(str(find_source(DEFAULT_MODEL)), n_ctx=2048, verbose=False)

    def rate(self, prompt: tuple[int, ...], num_new: int) -> float:
        """Tokens a second of one answer, its prompt included in the time."""
        begun_s = time.perf_counter()
        self._model.reset()
        num_tokens = 0
        for _token in self._model.generate(list(prompt), temp=0.0):
            num_tokens += 1
            if num_tokens == num_new:
                break
        return num_tokens / (time.perf_counter() - begun_s)


def open_llama(settings: Settings) -> LlamaCpp | None:
    """None if it is not installed, or the model is none whose file is there."""
    if settings.model != DEFAULT or importlib.util.find_spec("llama_cpp") is None:
        return None
    say("Loading llama.cpp")
    return LlamaCpp()
