"""A worker in whose foreign libraries faults are planted: ``python -m tests.chaos.faulty_worker
FAULT ...``. Nothing of Parley's is replaced.

What a prompt does to the model is asked for by marks in it, which the tiny model never writes.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import kombu.transport.redis
import torch
from celery.worker.consumer import Consumer
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import PreTrainedTokenizerFast

from shared.logs import configure_logs
from shared.settings import read_settings
from tests.fakes.tiny_model import make_tokenizer
from worker.__main__ import Patience, serve

KILLS, HANGS = "#", "~"
"""A prompt with this mark ends the process in a forward pass, or never leaves it."""
OUT_OF_MEMORY, EXITS, INTERRUPTS = "{", "}", "^"
"""A prompt with this mark makes the tokenizer raise."""
BLOCKS = "%"
"""With this one the tokenizer never returns."""
SEGFAULT = 139
STEP_S = 0.02
PATIENT = Patience(stall_timeout_s=5.0, deaf_after_checks=3)
IMPATIENT = Patience(stall_timeout_s=5.0, deaf_after_checks=3, forced_after_s=2.0)
CLOCK_SKEW_S = 3600.0


def replace(owner: type, name: str, by: Callable[..., object]) -> None:
    """Put another function in the place of a foreign library's."""
    setattr(owner, name, by)


def watch_passes(see: Callable[[set[int]], None]) -> None:
    """Call this with the tokens of each forward pass, before it."""

    def hook(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        if isinstance(module, torch.nn.Embedding):
            see(set(given[0].flatten().tolist()))

    register_module_forward_pre_hook(hook)


def token_of(mark: str) -> int:
    (token,) = make_tokenizer(has_template=True).encode(mark)
    return int(token)


def slow() -> None:
    """Every forward pass takes a while."""
    watch_passes(lambda _: time.sleep(STEP_S))


def marks() -> None:
    """Some prompts are more than the model or its tokenizer can bear."""
    kills, hangs = token_of(KILLS), token_of(HANGS)

    def see(tokens: set[int]) -> None:
        if kills in tokens:
            os._exit(SEGFAULT)
        if hangs in tokens:
            threading.Event().wait()

    watch_passes(see)
    faults = {OUT_OF_MEMORY: MemoryError, EXITS: SystemExit, INTERRUPTS: KeyboardInterrupt}
    encode = PreTrainedTokenizerFast.encode

    def encode_or_raise(
        self: PreTrainedTokenizerFast, text: str, *, add_special_tokens: bool
    ) -> list[int]:
        if BLOCKS in text:
            threading.Event().wait()
        for mark, fault in faults.items():
            if mark in text:
                raise fault
        return list(encode(self, text, add_special_tokens=add_special_tokens))

    replace(PreTrainedTokenizerFast, "encode", encode_or_raise)


def celery_ends_once() -> None:
    """The first lost connection ends Celery, as Celery 5.7.0 does with an unacknowledged task."""
    reconnect = Consumer.on_connection_error_after_connected

    def fail_once(_self: Consumer, _error: Exception) -> None:
        replace(Consumer, "on_connection_error_after_connected", reconnect)
        raise AttributeError("'NoneType' object has no attribute 'hostname'")

    replace(Consumer, "on_connection_error_after_connected", fail_once)


def deaf() -> None:
    """kombu listens no more, and nothing says so."""
    replace(kombu.transport.redis.Channel, "_brpop_start", lambda *_, **__: None)


def clock_fast() -> None:
    """This machine's clock is an hour ahead."""
    _shift_clock(CLOCK_SKEW_S)


def clock_slow() -> None:
    """This machine's clock is an hour behind."""
    _shift_clock(-CLOCK_SKEW_S)


def _shift_clock(skew_s: float) -> None:
    true_time, true_time_ns = time.time, time.time_ns
    time.time = lambda: true_time() + skew_s
    time.time_ns = lambda: true_time_ns() + round(skew_s * 1e9)


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault for fault in (slow, marks, celery_ends_once, deaf, clock_fast, clock_slow)
}


def main(names: Sequence[str]) -> int:
    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    for name in names:
        FAULTS[name]()
    return serve(settings, IMPATIENT if marks.__name__ in names else PATIENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
