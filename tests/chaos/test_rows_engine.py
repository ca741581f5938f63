"""Rows 17 to 21 of the table of faults in docs/reliability.md: what both engines survive, and how.

A real small model; its forward passes are made to fail, to hang or to wait by torch's own hooks.
"""

import contextlib
import inspect
import logging
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
import torch

from shared.errors import EngineError, EngineLostError, PromptTooLongError
from tests.chaos.forward_passes import (
    ForwardPasses,
    Gate,
    Pass,
    Reader,
    ids_of,
    load,
    make_engine,
    wait_until,
    written_alone,
)
from tests.patience import PATIENCE_S
from worker.engine.batch import Batch
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import around
from worker.engine.fault_isolation import TRIAL_TOKENS
from worker.engine.protocol import Request
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.manager_batch import TransformersBatch as ManagerBatch

NEW_TOKENS = 40
NOTICED_S = 2
POISON = "#"
NUM_NEIGHBOURS = 5


@pytest.fixture(scope="module")
def loaded(endless_model: Path) -> LoadedModel:
    return load(endless_model)


@pytest.fixture
def engine(loaded: LoadedModel) -> Iterator[BatchingEngine]:
    engine = make_engine(loaded)
    engine.open()
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def quiet_library() -> None:
    """As in a worker; and a log record would keep a traceback, and so a dead batch, alive."""
    logging.getLogger("ContinuousBatchingLogger").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and what the model answers when nothing goes wrong."""

    request: Request
    answer: str

    @property
    def id(self) -> str:
        return self.request.id


def ask(loaded: LoadedModel, name: str, text: str = "", length: int = NEW_TOKENS) -> Question:
    """To be called while no batch is at work: ``generate`` and it disturb each other."""
    prompt_ids = ids_of(loaded, text or f"question {name}")
    answer = written_alone(loaded, prompt_ids, length)
    return Question(Request(name, prompt_ids, length), answer)


def neighbours(loaded: LoadedModel) -> list[Question]:
    return [ask(loaded, str(number)) for number in range(NUM_NEIGHBOURS)]


def read(engine: BatchingEngine, asked: Question) -> Reader:
    return Reader(engine.submit(asked.request))


def assert_all_answered(asked: list[Question], readers: list[Reader]) -> None:
    for each in readers:
        each.wait()
    assert [each.error for each in readers] == [None] * len(readers)
    assert [each.text for each in readers] == [each.answer for each in asked]


def raise_for(token_id: int, error: BaseException) -> Callable[[Pass], None]:
    """A fault that strikes any pass with this token in it, as a poisonous prompt does."""

    def strike(seen: Pass) -> None:
        if token_id in seen.token_ids:
            raise error

    return strike


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("no memory"), MemoryError(), RuntimeError("a kernel"), SystemExit(1)],
    ids=lambda error: type(error).__name__,
)
def test_row_18_only_the_request_that_ends_the_batch_alone_is_given_up(
    loaded: LoadedModel, engine: BatchingEngine, error: BaseException
) -> None:
    poison = ask(loaded, "poison", f"what is {POISON}")
    asked, after = neighbours(loaded), ask(loaded, "after")
    strike = raise_for(ids_of(loaded, POISON)[-1], error)
    gate = Gate()
    with ForwardPasses(engine, gate) as passes:
        readers = [read(engine, asked[0])]
        gate.wait_reached()
        readers += [read(engine, each) for each in asked[1:]]
        poisoned = read(engine, poison)
        passes.fault = strike
        gate.open()

        assert_all_answered(asked, readers)
        assert isinstance(poisoned.wait().error, EngineError)
        assert not isinstance(poisoned.error, EngineLostError)

        token_id = poison.request.prompt_ids[-1]
        struck = [at for at, seen in enumerate(passes.seen) if token_id in seen.token_ids]
        assert len(struck) == 2, "once beside the others, once alone"
        assert passes.seen[struck[0]].num_sequences > 1
        num_trials = NUM_NEIGHBOURS * TRIAL_TOKENS + 1
        trials = passes.seen[struck[0] + 1 :][:num_trials]
        assert {seen.num_sequences for seen in trials} == {1}
        assert max(seen.num_sequences for seen in passes.seen[struck[0] + 1 + num_trials :]) == (
            NUM_NEIGHBOURS
        )

        # and the engine serves the next
        assert_all_answered([after], [read(engine, after)])
    assert engine.num_running == 0


def test_row_18_a_batch_that_is_too_large_as_a_whole_blames_nobody(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    def strike(seen: Pass) -> None:
        if seen.num_sequences > 1:
            raise torch.OutOfMemoryError

    asked = neighbours(loaded)
    gate = Gate()
    with ForwardPasses(engine, gate) as passes:
        readers = [read(engine, asked[0])]
        gate.wait_reached()
        readers += [read(engine, each) for each in asked[1:]]
        passes.fault = strike
        gate.open()

        assert_all_answered(asked, readers)
        # together, after the trials together again, and then never more
        assert sum(seen.num_sequences > 1 for seen in passes.seen) == 2


def test_row_18_a_fault_that_comes_late_finds_its_culprit(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    """By its length: it has been acquitted of an earlier death when it strikes."""
    asked = neighbours(loaded)
    culprit = ask(loaded, "culprit", "long " * 30, length=NEW_TOKENS)
    end = len(culprit.request.prompt_ids) + NEW_TOKENS // 2
    once = [True]

    def strike(seen: Pass) -> None:
        if seen.num_sequences > 1 and once:
            once.clear()
            raise torch.OutOfMemoryError
        if seen.last_position >= end:
            raise torch.OutOfMemoryError

    with ForwardPasses(engine, strike):
        readers = [read(engine, each) for each in asked]
        guilty = read(engine, culprit)

        assert_all_answered(asked, readers)
        assert isinstance(guilty.wait().error, EngineError)
    # what it wrote before is the beginning of what it would have written
    assert guilty.text
    assert culprit.answer.startswith(guilty.text)


def test_row_18_a_suspect_can_be_cancelled_and_a_newcomer_waits(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    asked, newcomer = neighbours(loaded), ask(loaded, "newcomer")
    poison = ask(loaded, "poison", POISON)
    strike = raise_for(ids_of(loaded, POISON)[-1], torch.OutOfMemoryError())
    together, trial = Gate(), Gate()
    with ForwardPasses(engine, together) as passes:

        def strike_then_hold(_seen: Pass) -> None:
            passes.fault = trial
            raise torch.OutOfMemoryError

        readers = [read(engine, asked[0])]
        together.wait_reached()
        readers += [read(engine, each) for each in asked[1:]]
        poisoned = read(engine, poison)
        passes.fault = strike_then_hold
        together.open()
        trial.wait_reached()
        on_trial = next(iter(engine._in_batch))

        waiting = next(each for each in asked if each.id != on_trial)
        engine.cancel(waiting.id)
        new = read(engine, newcomer)
        assert readers[asked.index(waiting)].wait().error is None
        assert engine._in_batch == {on_trial}

        engine.cancel(on_trial)  # whose pass is being held
        passes.fault = strike
        trial.open()

        left = [each for each in asked if each.id not in {on_trial, waiting.id}]
        assert_all_answered(left, [readers[asked.index(each)] for each in left])
        assert_all_answered([newcomer], [new])
        assert isinstance(poisoned.wait().error, EngineError)
    assert engine.num_running == 0


def test_row_18_a_suspect_that_is_cancelled_in_its_fatal_step_leaves_no_blame_behind(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    asked = neighbours(loaded)
    reached, released = threading.Event(), threading.Event()
    gate = Gate()
    with ForwardPasses(engine, gate) as passes:

        def hold_then_strike(_seen: Pass) -> None:
            passes.fault = lambda _: None
            reached.set()
            released.wait()
            raise torch.OutOfMemoryError

        def strike(_seen: Pass) -> None:
            passes.fault = hold_then_strike
            raise torch.OutOfMemoryError

        readers = [read(engine, asked[0])]
        gate.wait_reached()
        readers += [read(engine, each) for each in asked[1:]]
        passes.fault = strike
        gate.open()
        assert reached.wait(PATIENCE_S)
        (on_trial,) = engine._in_batch
        engine.cancel(on_trial)
        released.set()

        left = [each for each in asked if each.id != on_trial]
        assert_all_answered(left, [readers[asked.index(each)] for each in left])
        assert readers[[each.id for each in asked].index(on_trial)].wait().error is None


def cache_of(engine: BatchingEngine) -> object:
    """What the batch keeps its tokens in; to be called within a forward pass of it."""
    if isinstance(engine._batch, ManagerBatch):
        assert engine._batch.batch_processor is not None
        return engine._batch.batch_processor.cache
    frame = inspect.currentframe()
    while frame is not None and "cache" not in frame.f_locals:
        frame = frame.f_back
    assert frame is not None
    keys, _ = frame.f_locals["cache"]
    return keys


def test_row_18_the_memory_of_a_dead_batch_is_free_before_the_next_one_runs(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    asked = ask(loaded, "one")
    caches: list[Callable[[], object]] = []
    is_free: list[bool] = []

    def strike(_seen: Pass) -> None:
        if not caches:
            caches.append(weakref.ref(cache_of(engine)))
            raise torch.OutOfMemoryError
        is_free.append(caches[0]() is None)

    with ForwardPasses(engine, strike):
        assert_all_answered([asked], [read(engine, asked)])

    assert is_free
    assert all(is_free)


def test_row_19_a_request_larger_than_the_cache_is_refused_and_the_batch_lives(
    engine: BatchingEngine,
) -> None:
    total = engine.limits.max_total_tokens
    batch = engine._batch
    with ForwardPasses(engine) as passes:
        with pytest.raises(PromptTooLongError, match=f"{total - 9:,} tokens"):
            engine.submit(Request("larger", (65,) * (total - 9), 10))
        assert passes.seen == []

        # as large as can be, two of them at once: together they do not fit
        texts = [(65 + n,) * (total - 10) for n in range(2)]
        for reader in [
            Reader(engine.submit(Request(str(at), each, 10))) for at, each in enumerate(texts)
        ]:
            reader.wait()
            assert reader.error is None
            assert len(reader.text) == 10

    assert engine._batch is batch, "it died"


def end_idle_by_exception(batch: Batch) -> None:
    """What no request can be, which the loop finds out."""
    batch.cancel_request(cast("str", []))


def end_by_stop(batch: Batch) -> None:
    """Returns before the loop has ended."""
    assert isinstance(batch, ManagerBatch)
    batch.background_thread_status.request_stop(2, 0)


@pytest.mark.parametrize("end", [end_idle_by_exception, end_by_stop])
def test_row_20_a_batch_that_dies_idle_is_noticed_and_replaced(
    loaded: LoadedModel, engine: BatchingEngine, end: Callable[[Batch], None]
) -> None:
    dead = engine._batch
    assert dead is not None
    wait_until(lambda: dead.num_moves > 0, "its loop runs")

    end(dead)

    wait_until(lambda: engine._batch is not dead, "its death is noticed", NOTICED_S)
    asked = ask(loaded, "next")
    assert_all_answered([asked], [read(engine, asked)])


def test_row_20_a_request_that_comes_before_the_death_is_noticed_is_answered(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    """The dead batch takes it for nothing: ``add_request`` returns None, or never looks at it."""
    dead = engine._batch
    assert dead is not None
    wait_until(lambda: dead.num_moves > 0, "its loop runs")
    asked = ask(loaded, "next")

    end_by_stop(dead)
    reader = read(engine, asked)

    assert_all_answered([asked], [reader])
    assert engine._batch is not dead


def test_row_20_an_engine_that_cannot_be_rebuilt_says_so_and_blames_nobody(
    loaded: LoadedModel,
) -> None:
    too_large = EngineOptions(NEW_TOKENS, 8, cache_tokens=10**10)  # more than any machine's memory
    engine = around(loaded, too_large)
    is_lost = threading.Event()
    asked = neighbours(loaded)
    engine.open(on_lost=is_lost.set)
    readers: list[Reader] = []
    with contextlib.suppress(EngineLostError):  # lost before all were asked
        readers.extend(read(engine, each) for each in asked)

    wait_until(is_lost.is_set, "the engine is lost")
    for reader in readers:
        assert isinstance(reader.wait().error, EngineLostError)
    with pytest.raises(EngineLostError):
        engine.submit(asked[0].request)
    engine.close()


def test_row_21_no_thread_is_stuck_in_a_full_queue(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    """Eight times as many as the batch takes, while it takes none."""
    asked = [ask(loaded, str(number), length=4) for number in range(64)]
    ahead = ask(loaded, "ahead")
    gate = Gate()
    with ForwardPasses(engine, gate):
        first = read(engine, ahead)
        gate.wait_reached()

        readers: list[Reader] = []
        submitter = threading.Thread(
            target=lambda: readers.extend(read(engine, each) for each in asked), daemon=True
        )
        submitter.start()
        # a bounded queue of the manager's would hold this thread, and with it the engine's lock
        wait_until(lambda: len(readers) == len(asked), "all are submitted")
        engine.cancel("63")
        assert readers.pop().wait().error is None
        gate.open()

        assert_all_answered(asked[:-1], readers)
        assert first.wait().error is None
    assert engine.num_running == 0


def test_row_17_engine_whose_step_never_returns_is_lost_and_lets_everybody_go(
    loaded: LoadedModel,
) -> None:
    asked, late = neighbours(loaded), ask(loaded, "late")
    engine = make_engine(loaded, stall_timeout_s=0.5)
    is_lost = threading.Event()
    engine.open(on_lost=is_lost.set)
    # being idle for longer than that is no fault
    batch = engine._batch
    assert batch is not None
    wait_until(lambda: batch.num_moves > 10, "an idle second")
    assert not is_lost.is_set()

    gate = Gate()
    with ForwardPasses(engine, gate):
        readers = [read(engine, each) for each in asked]
        gate.wait_reached()
        engine.cancel("0")  # as a deadline does; the step is stuck all the same

        wait_until(is_lost.is_set, "the engine is lost")
        assert readers[0].wait().error is None
        # one of them is to blame, so an attempt of each counts
        assert [type(each.wait().error) for each in readers[1:]] == [EngineError] * 4
        with pytest.raises(EngineLostError):
            engine.submit(late.request)
        engine.close()
        gate.open()


STUCK_PROCESS = """
import pathlib, sys, threading
from tests.chaos.forward_passes import ForwardPasses, Gate, ids_of, load, make_engine
from worker.engine.protocol import Request

loaded = load(pathlib.Path(sys.argv[1]))
engine = make_engine(loaded, stall_timeout_s=0.5)
is_lost = threading.Event()
engine.open(on_lost=is_lost.set)
gate = Gate()
with ForwardPasses(engine, gate):
    engine.submit(Request("stuck", ids_of(loaded, "hello"), 9))
    is_lost.wait()
    engine.close()
    print("closed", flush=True)
    sys.exit(75)
"""


def test_row_17_engine_that_is_stuck_does_not_keep_its_process_alive(
    endless_model: Path,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STUCK_PROCESS, str(endless_model)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert "closed" in ended.stdout, ended.stderr
    assert ended.returncode == 75, ended.stderr


def test_row_17_engine_that_is_slow_but_moves_is_not_lost(loaded: LoadedModel) -> None:
    """Steps that together take longer than the bound."""
    engine = make_engine(loaded, stall_timeout_s=2)
    is_lost = threading.Event()
    engine.open(on_lost=is_lost.set)
    asked = ask(loaded, "slow", length=8)

    def dawdle(_seen: Pass) -> None:
        is_lost.wait(0.5)

    with ForwardPasses(engine, dawdle):
        reader = read(engine, asked)

        assert_all_answered([asked], [reader])
    assert not is_lost.is_set()
    engine.close()


def test_row_17_engine_is_closed_while_suspects_wait(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    asked = neighbours(loaded)
    trial = Gate()
    with ForwardPasses(engine) as passes:

        def strike_then_hold(_seen: Pass) -> None:
            passes.fault = trial
            raise torch.OutOfMemoryError

        passes.fault = strike_then_hold
        generations = [engine.submit(each.request) for each in asked]
        readers = [Reader(each) for each in generations]
        trial.wait_reached()
        closer = threading.Thread(target=engine.close)
        closer.start()

        for reader in readers:
            assert reader.wait().error is None
        assert {each.finish_reason for each in generations} == {None}
        trial.open()
        closer.join()
