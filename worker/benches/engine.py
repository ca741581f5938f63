"""``parley bench engine``: tokens a second of each engine, beside its peers.

The peers are OpenVINO's pipeline alone, llama.cpp's server with as many slots as requests, and
``generate()``. Everything is measured in one run, warmed up, in turns; the median of some repeats
counts, so that a machine that is slow for a while is slow for all. A second measure sends a long
prompt among running answers: how much longer they wait for pieces meanwhile.
"""

import itertools
import secrets
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from shared.errors import ModelUnavailableError
from shared.settings import Settings
from worker.benches.peers import Peer, bare_pipeline, llama_server
from worker.console import say
from worker.engine.devices import read_rate
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import OPENVINO, TRANSFORMERS, build, choice_of
from worker.engine.protocol import ModelChoice, Request
from worker.engine.transformers_engine.baseline import generate_rate
from worker.engine.transformers_engine.loader import LoadedModel, load_model
from worker.evaluation.report import Evaluation, Figure, ReportTable

NUM_RUNNING = 16
LONG_TOKENS = 1500
NEW_TOKENS = 600
"""Of a running answer; another follows it."""


SETTLE_S = 2.0
"""All prompts are processed by then."""
BEFORE_S = 3.0
"""The time over which the pieces before the long prompt are counted."""


def stretch(engine: BatchingEngine, prompts: Sequence[tuple[int, ...]]) -> float:
    """The time between pieces while the long prompt is processed, over that before.

    Args:
        engine: with room for ``NUM_RUNNING`` answers and one more.
        prompts: short ones; used in turns.
    """
    tenant = secrets.token_hex(4)
    times_s: list[float] = []
    is_over = threading.Event()

    def keep_writing(number: int) -> None:
        for turn in itertools.count():
            name = f"{tenant}-{number}-{turn}"
            prompt = prompts[number % len(prompts)]
            for _ in engine.submit(Request(name, prompt, NEW_TOKENS, salt=name)):
                times_s.append(time.perf_counter())
                if is_over.is_set():
                    engine.cancel(name)
                    return

    writers = [threading.Thread(target=keep_writing, args=(at,)) for at in range(NUM_RUNNING)]
    for writer in writers:
        writer.start()
    try:
        time.sleep(SETTLE_S)
        begun_s, num_begun = time.perf_counter(), len(times_s)
        time.sleep(BEFORE_S)
        before = (len(times_s) - num_begun) / (time.perf_counter() - begun_s)
        num_tokens = min(LONG_TOKENS, engine.limits.max_total_tokens // 2)
        prompt = (prompts[0] * (num_tokens // len(prompts[0]) + 1))[:num_tokens]
        begun_s, num_begun = time.perf_counter(), len(times_s)
        reading = engine.submit(Request(f"{tenant}-long", prompt, 1, salt=f"{tenant}-long"))
        next(iter(reading), None)
        num_meanwhile = max(1, len(times_s) - num_begun)
        return before * (time.perf_counter() - begun_s) / num_meanwhile
    finally:
        is_over.set()
        for writer in writers:
            writer.join()


TOPICS = ("a lighthouse", "bread", "the moon", "a small town", "rain", "an old ship", "tea", "snow")
HISTORY_TOKENS = 1500
NUM_SHORT = 16
"""Tokens of the second turn's question, and of its answer."""
ONE_AT_A_TIME = "one_at_a_time"
COMPARED = ("second_turn", "long_prompt", "bandwidth_share")

Figures = dict[str, float]
"""Values by their measures' names."""


def bench_engine(
    settings: Settings,
    *,
    counts: Sequence[int],
    num_new: int,
    repeats: int,
) -> Evaluation:
    """Measure each engine that can compute the model.

    Args:
        settings: model, device and number format.
        counts: numbers of concurrent requests.
        num_new: tokens of each answer.
        repeats: the median of so many counts.
    """
    choice = choice_of(settings)
    loaded = load_model(choice, say)
    prompts = [_prompt(loaded, number) for number in range(max(counts))]
    with ExitStack() as stack:
        engines: dict[str, BatchingEngine] = {}
        options = EngineOptions(num_new, max(*counts, NUM_RUNNING + 1), settings.cache_tokens)
        for name in (TRANSFORMERS, OPENVINO):
            try:
                engines[name] = stack.enter_context(_opened(name, choice, options))
            except ModelUnavailableError as error:
                say(str(error))
        ways: dict[str, Callable[[], Figures]] = {
            ONE_AT_A_TIME: lambda: {"1": generate_rate(loaded, prompts[:1], num_new)},
            "static_batches": lambda: {
                str(count): generate_rate(loaded, prompts[:count], num_new)
                for count in counts
                if count > 1
            },
        }
        for name, peer in (
            ("openvino_bare", stack.enter_context(bare_pipeline(settings, max(counts)))),
            ("llama_server", stack.enter_context(llama_server(settings, max(counts)))),
        ):
            if peer is not None:
                ways[name] = _rates(peer, prompts, counts, num_new)
        own_bytes = loaded.num_linear_weights * loaded.model.dtype.itemsize
        weight_bytes = {ONE_AT_A_TIME: own_bytes}
        for name, engine in engines.items():
            ways[name] = _measures(engine, prompts, counts, num_new)
            weight_bytes[name] = engine.weight_bytes
        rounds = []
        for number in range(repeats + 1):
            say(f"Round {number} of {repeats}" if number else "Warming up")
            rounds.append({name: way() for name, way in ways.items()})
    read_bytes_per_s = statistics.median(read_rate(loaded.model.device) for _ in range(repeats))
    return _evaluation(loaded.name, rounds[1:], weight_bytes, read_bytes_per_s)


def _rates(
    peer: Peer, prompts: Sequence[tuple[int, ...]], counts: Sequence[int], num_new: int
) -> Callable[[], Figures]:
    return lambda: {str(count): peer.rate(prompts[:count], num_new) for count in counts}


def _measures(
    engine: BatchingEngine,
    prompts: Sequence[tuple[int, ...]],
    counts: Sequence[int],
    num_new: int,
) -> Callable[[], Figures]:
    def measure() -> Figures:
        rates = {str(count): _rate(engine, prompts[:count], num_new) for count in counts}
        second_turn = _second_turn(engine, prompts[0])
        long_prompt = stretch(engine, prompts)
        return {**rates, "second_turn": second_turn, "long_prompt": long_prompt}

    return measure


@contextmanager
def _opened(name: str, choice: ModelChoice, options: EngineOptions) -> Iterator[BatchingEngine]:
    engine = build(name, choice, options, say).batching
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def _prompt(loaded: LoadedModel, number: int) -> tuple[int, ...]:
    text = f"{number}. Here is a long story about {TOPICS[number % len(TOPICS)]}, told slowly:"
    return tuple(loaded.tokenizer.encode(text, add_special_tokens=True))


def _rate(engine: BatchingEngine, prompts: Sequence[tuple[int, ...]], num_new: int) -> float:
    """Tokens a second of all answers together; the time includes their prompts.

    Each run is a tenant of its own, so that no prefix is found in the cache.
    """
    begun_s = time.perf_counter()
    tenant = secrets.token_hex(4)
    generations = [
        engine.submit(Request(f"{tenant}-{number}", prompt, num_new, salt=f"{tenant}-{number}"))
        for number, prompt in enumerate(prompts)
    ]
    for generation in generations:
        "".join(generation)
    num_tokens = sum(generation.num_tokens for generation in generations)
    return num_tokens / (time.perf_counter() - begun_s)


def _second_turn(engine: BatchingEngine, prompt: tuple[int, ...]) -> float:
    """Time to the first text of a second turn, over that of the first."""
    salt = secrets.token_hex(4)
    num_history = min(HISTORY_TOKENS, engine.limits.max_total_tokens - 4 * NUM_SHORT)
    history = (prompt * (num_history // len(prompt) + 1))[:num_history]
    first_s = _first_text_s(engine, Request(f"{salt}-1", history, NUM_SHORT, salt=salt))
    more = (*history, *prompt[:NUM_SHORT])
    return _first_text_s(engine, Request(f"{salt}-2", more, NUM_SHORT, salt=salt)) / first_s


def _first_text_s(engine: BatchingEngine, request: Request) -> float:
    begun_s = time.perf_counter()
    pieces = iter(engine.submit(request))
    next(pieces, None)
    first_s = time.perf_counter() - begun_s
    for _ in pieces:
        pass
    return first_s


def _evaluation(
    model: str,
    rounds: Sequence[dict[str, Figures]],
    weight_bytes: dict[str, int],
    read_bytes_per_s: float,
) -> Evaluation:
    medians = {
        name: {key: round(statistics.median(one[name][key] for one in rounds), 3) for key in keys}
        for name, keys in rounds[0].items()
    }
    alone = medians[ONE_AT_A_TIME]["1"]
    ratios = {
        name: {key: round(rate / alone, 2) for key, rate in rates.items() if key.isdigit()}
        for name, rates in medians.items()
    }
    for name, rates in medians.items():
        if "1" in rates and name in weight_bytes:
            rates["bandwidth_share"] = round(rates["1"] * weight_bytes[name] / read_bytes_per_s, 3)
    columns = [key for key in max(medians.values(), key=len) if key.isdigit()]
    rows = tuple(
        (
            name,
            *(_cell(rates.get(key), ratios[name].get(key)) for key in columns),
            *(f"{rates[key]:.2f}" if key in rates else "" for key in COMPARED),
        )
        for name, rates in medians.items()
    )
    headings = (
        "tokens/s (ratio), requests at once",
        *columns,
        "second turn",
        "long prompt",
        "of memory",
    )
    table = ReportTable(model, headings, rows)
    gb_per_s = round(read_bytes_per_s / 1e9, 1)
    figures: dict[str, Figure] = {
        "model": model,
        **medians,
        "ratios": ratios,
        "bandwidth_gb_per_s": gb_per_s,
    }
    remarks = (
        f"Medians of {len(rounds)}; ratios to generate() one at a time.",
        "Second turn: time to its first text over the first turn's, 1,500 tokens or what fits.",
        f"Long prompt: time between pieces of {NUM_RUNNING} answers while it is read, over before.",
        f"Of memory: the weights that 1 request reads, of the {gb_per_s} GB/s to be had here.",
    )
    return Evaluation("engine", figures, (table,), remarks)


def _cell(rate: float | None, ratio: float | None) -> str:
    return "" if rate is None else f"{rate:.1f} ({ratio:.1f})"
