"""Watches the forward passes of a batch on a real model, and disturbs them by torch's hooks."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from tests.patience import PATIENCE_S
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import around
from worker.engine.protocol import Generation, ModelChoice
from worker.engine.transformers_engine.loader import LoadedModel, load_model
from worker.engine.transformers_engine.manager_batch import TransformersBatch, TransformersBatches


@dataclass(frozen=True, slots=True)
class Pass:
    """What a forward pass is about to be given."""

    token_ids: tuple[int, ...]
    num_sequences: int
    last_position: int


class ForwardPasses:
    """Notes every forward pass of an engine's batch, then lets the fault have its way with it."""

    def __init__(
        self, engine: BatchingEngine, fault: Callable[[Pass], None] = lambda _: None
    ) -> None:
        self._engine = engine
        self.fault = fault
        self.seen: list[Pass] = []

    def __enter__(self) -> Self:
        batches = self._engine._batches
        assert isinstance(batches, TransformersBatches)
        model: Any = batches._loaded.model
        self._handle = model.register_forward_pre_hook(self._see, with_kwargs=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    @property
    def num_tokens(self) -> int:
        """How many tokens were computed so far."""
        return sum(len(seen.token_ids) for seen in self.seen)

    def _see(self, _model: object, _arguments: object, given: dict[str, Any]) -> None:
        if "cu_seq_lens_q" not in given:
            return  # not of the batch, but of a test that asks the model itself
        self._note(
            Pass(
                tuple(given["input_ids"][0].tolist()),
                len(given["cu_seq_lens_q"]) - 1,
                int(given["position_ids"].max()),
            )
        )

    def _note(self, seen: Pass) -> None:
        self.seen.append(seen)
        self.fault(seen)


class Gate:
    """A fault that holds every forward pass until it is opened."""

    def __init__(self) -> None:
        self.is_reached = threading.Event()
        self._opened = threading.Event()

    def __call__(self, _seen: Pass) -> None:
        self.is_reached.set()
        self._opened.wait()

    def wait_reached(self) -> None:
        """Wait until a forward pass is held."""
        assert self.is_reached.wait(PATIENCE_S), "no forward pass"

    def open(self) -> None:
        """Let this pass and all later ones go."""
        self._opened.set()


class Reader:
    """Reads an answer on a thread of its own, as a task does."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self.text = ""
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> Self:
        """Wait until the answer, or the fault in its place, is whole."""
        self._thread.join(PATIENCE_S)
        assert self.is_over, f"still being written: {self.text!r}"
        return self

    def _read(self) -> None:
        try:
            for piece in self._generation:
                self.text += piece
        except Exception as error:  # noqa: BLE001 - whatever comes is looked at by the test
            self.error = error


def load(folder: Path) -> LoadedModel:
    """In float64, where rounding decides no tie between two tokens."""
    return load_model(ModelChoice(str(folder), "cpu", "float64", folder), lambda _: None)


def make_engine(loaded: LoadedModel, *, stall_timeout_s: float = 60) -> BatchingEngine:
    """An engine with a cache for some 3,800 tokens, not open yet."""
    options = EngineOptions(200, 8, cache_tokens=4096, stall_timeout_s=stall_timeout_s)
    return around(loaded, options)


def manager_of(engine: BatchingEngine) -> TransformersBatch:
    """The batch that an engine has now, if it is transformers' manager."""
    assert isinstance(engine._batch, TransformersBatch)
    return engine._batch


def ids_of(loaded: LoadedModel, text: str) -> tuple[int, ...]:
    """The tokens of a text."""
    return tuple(loaded.tokenizer.encode(text, add_special_tokens=True))


def texts(count: int) -> list[str]:
    """Prompts of very different lengths."""
    return [f"question {number} " + "and so on " * (7 * number % 31) for number in range(count)]


def written_alone(loaded: LoadedModel, prompt_ids: tuple[int, ...], max_new_tokens: int) -> str:
    """What ``generate`` writes, one request at a time, always the likeliest token."""
    model: Any = loaded.model
    output = model.generate(
        torch.tensor([prompt_ids]),
        attention_mask=torch.ones(1, len(prompt_ids), dtype=torch.long),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        pad_token_id=0,
    )
    written = output[0][len(prompt_ids) :].tolist()
    return loaded.tokenizer.decode(written, skip_special_tokens=True)


def wait_until(is_met: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for a condition; fail if it is not met in time."""
    deadline = time.monotonic() + timeout_s
    while not is_met():
        assert time.monotonic() < deadline, f"not in {timeout_s} s: {what}"
        time.sleep(0.01)
