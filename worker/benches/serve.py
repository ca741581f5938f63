"""``parley bench serve``: the end-to-end rate beside that of the bare engine, in the same run.

Also beside OpenVINO's pipeline alone, llama.cpp's server with as many slots as conversations, and
``generate()`` one at a time, with the same prompts.
"""

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.settings import Settings
from worker.benches.peers import Peer, bare_pipeline, llama_server
from worker.benches.rates import percentile, rate_of
from worker.chat_model import sampling_of
from worker.console import say
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import build, choice_of
from worker.engine.protocol import Request
from worker.engine.transformers_engine.baseline import generate_rate
from worker.engine.transformers_engine.loader import LoadedModel, load_model
from worker.evaluation.report import Evaluation, Figure, ReportTable
from worker.prompts.chat import PromptInput, make_prompt


@dataclass(frozen=True, slots=True)
class Beside:
    """The measurements of the baselines; tokens a second, or ms."""

    engine: float
    engine_alone: float
    one_at_a_time: float
    peers: dict[str, tuple[float, float] | None]
    """Of all conversations at once, and of one; None for a peer that is not installed or cannot
    compute the model."""
    first_text_alone_ms: float
    """Of the bare engine."""
    kind: str
    """The library of the bare engine."""


def bench_serve(settings: Settings, measured: Path) -> Evaluation:
    """Compare the results of ``python -m bots load`` with the baselines.

    Args:
        settings: the worker's.
        measured: the file with the results.
    """
    load = json.loads(measured.read_text())
    loaded = load_model(choice_of(settings), say)
    rates = [rate_of(loaded.tokenizer, each) for each in load["rounds"]]
    alone = [rate_of(loaded.tokenizer, each) for each in load["alone"]]
    asked = [each for one in load["rounds"] for each in one["asked"]]
    first_ms = sorted(each["first_text_ms"] for each in asked)
    last_ms = sorted(each["last_text_ms"] for each in asked)
    first_alone_ms = statistics.median(
        each["first_text_ms"] for one in load["alone"] for each in one["asked"]
    )
    beside = _beside(settings, loaded, load["rounds"])
    rate, rate_alone = statistics.median(rates), statistics.median(alone)
    figures: dict[str, Figure] = {
        "tokens_per_s": round(rate, 1),
        "ratios": {
            "engine": round(rate / beside.engine, 3),
            "one_at_a_time": round(rate / beside.one_at_a_time, 2),
            **{
                name: round(rate / rates[0], 3) if rates else None
                for name, rates in beside.peers.items()
            },
        },
        "first_text_ms": {"p50": percentile(first_ms, 50), "p95": percentile(first_ms, 95)},
        "last_text_ms": {"p50": percentile(last_ms, 50), "p95": percentile(last_ms, 95)},
        "memory_mb": load["memory_mb"],
        "concurrency": len(load["rounds"][0]["asked"]),
        "alone": {
            "tokens_per_s": round(rate_alone, 1),
            "ratio_one_at_a_time": round(rate_alone / beside.one_at_a_time, 2),
            **{
                f"ratio_{name}": round(rate_alone / rates[1], 2) if rates else None
                for name, rates in beside.peers.items()
            },
            "first_text_ms": round(first_alone_ms, 1),
            "engine_first_text_ms": round(beside.first_text_alone_ms, 1),
            "added_ms": round(first_alone_ms - beside.first_text_alone_ms, 1),
        },
        "engine": beside.kind,
        "model": loaded.name,
    }
    return Evaluation("serve", figures, (_table(figures, beside),), _remarks(figures, len(rates)))


def _beside(settings: Settings, loaded: LoadedModel, rounds: Sequence[dict[str, Any]]) -> Beside:
    asked = [[each["question"] for each in one["asked"]] for one in rounds]
    options = EngineOptions(settings.max_new_tokens, len(asked[0]), settings.cache_tokens)
    own = build(settings.engine, choice_of(settings), options, say)
    engine = own.batching
    engine.open()
    try:
        bare = _Bare(engine, loaded, settings)
        bare.write(["Tell me something."])  # warms up
        many, alone, first_ms = [], [], []
        for number, questions in enumerate(asked, start=1):
            say(f"The bare engine, round {number} of {len(asked)}")
            many.append(bare.write(questions)[0])
            rate, ms = bare.write([f"Once more. {questions[0]}"])
            alone.append(rate)
            first_ms.append(ms)
        prompts = [[bare.prompt(question) for question in questions] for questions in asked]
    finally:
        engine.close()
    say("One at a time")
    num_new, times = engine.limits.max_new_tokens, range(len(asked) + 1)
    slow = [generate_rate(loaded, [prompts[0][0]], num_new) for _ in times][1:]
    return Beside(
        engine=statistics.median(many),
        engine_alone=statistics.median(alone),
        one_at_a_time=statistics.median(slow),
        peers=_peers(settings, prompts, num_new),
        first_text_alone_ms=statistics.median(first_ms),
        kind=own.kind,
    )


class _Bare:
    """An engine with the same prompts as a worker's."""

    def __init__(self, engine: BatchingEngine, loaded: LoadedModel, settings: Settings) -> None:
        self._engine, self._tokenizer = engine, loaded.tokenizer
        self._settings = settings
        self._sampling = sampling_of(settings)
        self._num_written = 0

    def prompt(self, question: str) -> tuple[int, ...]:
        """The tokens of a question's prompt."""
        asked = PromptInput(self._settings.system_prompt, (), question)
        return make_prompt(asked, self._tokenizer, self._engine.limits).token_ids

    def write(self, questions: Sequence[str]) -> tuple[float, float]:
        """Tokens a second of all answers together, and ms to the first text of the first."""
        begun_s = time.perf_counter()
        generations = []
        for question in questions:
            self._num_written += 1
            request = Request(
                str(self._num_written),
                self.prompt(question),
                self._engine.limits.max_new_tokens,
                self._sampling,
                salt="bench",  # one team's, like the questions of the load
            )
            generations.append(self._engine.submit(request))
        pieces = iter(generations[0])
        next(pieces, None)
        first_ms = 1000 * (time.perf_counter() - begun_s)
        "".join(pieces)
        for generation in generations[1:]:
            "".join(generation)
        num_tokens = sum(generation.num_tokens for generation in generations)
        return num_tokens / (time.perf_counter() - begun_s), first_ms


PEERS = {"openvino_bare": bare_pipeline, "llama_server": llama_server}


def _peers(
    settings: Settings, rounds: Sequence[Sequence[tuple[int, ...]]], num_new: int
) -> dict[str, tuple[float, float] | None]:
    rates: dict[str, tuple[float, float] | None] = {}
    for name, opened in PEERS.items():
        say(f"The peer {name}")
        with opened(settings, len(rounds[0])) as peer:
            rates[name] = _peer_rates(peer, rounds, num_new) if peer else None
    return rates


def _peer_rates(
    peer: Peer, rounds: Sequence[Sequence[tuple[int, ...]]], num_new: int
) -> tuple[float, float]:
    peer.rate(rounds[0][:1], num_new)  # warms up
    many = [peer.rate(prompts, num_new) for prompts in rounds]
    alone = [peer.rate(prompts[:1], num_new) for prompts in rounds]
    return statistics.median(many), statistics.median(alone)


def _table(figures: dict[str, Any], beside: Beside) -> ReportTable:
    alone = figures["alone"]
    ways: tuple[tuple[str, float | None, float | None], ...] = (
        ("the whole way", figures["tokens_per_s"], alone["tokens_per_s"]),
        (f"the bare engine ({figures['engine']})", beside.engine, beside.engine_alone),
        ("generate() one at a time", beside.one_at_a_time, beside.one_at_a_time),
        *((name, *(rates or (None, None))) for name, rates in beside.peers.items()),
    )
    rows = tuple((name, *(_cell(rate) for rate in rates)) for name, *rates in ways)
    columns = ("tokens/s", f"{figures['concurrency']} conversations", "1 conversation")
    return ReportTable(figures["model"], columns, rows)


def _cell(rate: float | None) -> str:
    return "not installed" if rate is None else f"{rate:.1f}"


def _remarks(figures: dict[str, Any], repeats: int) -> tuple[str, ...]:
    first, last, alone = figures["first_text_ms"], figures["last_text_ms"], figures["alone"]
    memory = ", ".join(f"{name} {size:,.0f} MB" for name, size in figures["memory_mb"].items())
    texts = (
        f"First text: p50 {first['p50']:,.0f} ms, p95 {first['p95']:,.0f} ms; whole answers: p50 "
        f"{last['p50']:,.0f} ms, p95 {last['p95']:,.0f} ms."
    )
    added = (
        f"Alone the first text takes {alone['first_text_ms']:,.0f} ms, {alone['added_ms']:,.0f} ms "
        "more than that of the bare engine."
    )
    return f"Medians of {repeats}.", texts, added, f"Memory: {memory}."
