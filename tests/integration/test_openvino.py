"""The engine for processors: OpenVINO in a process of its own, around a small real GGUF file."""

import io
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.errors import EngineError, EngineLostError, ModelUnavailableError
from shared.replies import FinishReason
from shared.settings import read_settings
from tests.chaos.forward_passes import Reader, load, texts, wait_until, written_alone
from tests.fakes.tiny_gguf import save_tiny_gguf
from tests.fakes.tiny_model import save_tiny_model
from worker.engine.description.model import describe
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import OwnEngine, build, choice_of
from worker.engine.openvino.batch import OpenVinoBatch, TenantOffsets
from worker.engine.openvino.files import ensure_prepared, find_model
from worker.engine.openvino.process import MAX_BATCHED_TOKENS, EngineProcess
from worker.engine.openvino.wire import (
    ADD,
    BLOCK_TOKENS,
    AddMessage,
    PipelineOptions,
    line_of,
    parsed,
)
from worker.engine.protocol import ModelChoice, Request, RequestLimits, Sampling
from worker.engine.tenant_salt import Labels
from worker.engine.transformers_engine.loader import LoadedModel, load_tokenizer
from worker.evaluation.model_facts import facts_of
from worker.prompts.chat import PromptInput, make_prompt

NEW_TOKENS = 40
LONG = 600
"""Tokens of a prompt that takes several steps to read."""
SEEDED = Sampling(temperature=2.0, top_p=0.95, seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openvino")


@pytest.fixture(scope="module")
def model_folder(folder: Path) -> Path:
    return save_tiny_model(folder / "tiny", ends=False)


@pytest.fixture(scope="module")
def choice(folder: Path, model_folder: Path) -> ModelChoice:
    file = save_tiny_gguf(model_folder, folder / "tiny.gguf")
    return ModelChoice(str(file), "cpu", "float32", folder / "cache")


@pytest.fixture(scope="module")
def loaded(model_folder: Path) -> LoadedModel:
    """With the weights of the GGUF file, which are float16."""
    loaded = load(model_folder)
    model: Any = loaded.model
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.half().double()
    return loaded


def say_nothing(_sentence: str) -> None:
    """Discard progress."""


def opened(choice: ModelChoice, *, stall_timeout_s: float = 60) -> OwnEngine:
    options = EngineOptions(200, 8, 4096, stall_timeout_s)
    return build("openvino", choice, options, say_nothing)


@pytest.fixture(scope="module")
def own(choice: ModelChoice) -> Iterator[OwnEngine]:
    own = opened(choice)
    own.engine.open()
    yield own
    own.engine.close()


def ids(own: OwnEngine, text: str) -> tuple[int, ...]:
    return tuple(own.info.tokenizer.encode(text, add_special_tokens=False))


def process_of(engine: BatchingEngine) -> "subprocess.Popen[bytes]":
    assert isinstance(engine._batch, OpenVinoBatch)
    return engine._batch._process


def test_eight_at_once_are_written_as_each_alone_by_generate(
    own: OwnEngine, loaded: LoadedModel
) -> None:
    prompts = [ids(own, text) for text in texts(8)]

    together = [
        own.engine.submit(Request(str(at), prompt, NEW_TOKENS, salt=f"tenant-{at % 3}"))
        for at, prompt in enumerate(prompts)
    ]

    assert ["".join(each) for each in together] == [
        written_alone(loaded, prompt, NEW_TOKENS) for prompt in prompts
    ]
    assert {each.finish_reason for each in together} == {FinishReason.LENGTH}
    assert own.engine.num_running == 0


def test_what_is_shown_of_the_model_is_what_the_engine_has(
    choice: ModelChoice, own: OwnEngine
) -> None:
    environ = {
        "PARLEY_MODEL": choice.model,
        "PARLEY_DEVICE": choice.device,
        "PARLEY_CACHE_DIR": str(choice.cache_dir),
        "PARLEY_MAX_NEW_TOKENS": "200",
    }
    settings = read_settings(environ, None)

    facts = {each.name: each.value for each in facts_of(settings, describe(settings, say_nothing))}

    assert facts["engine"] == own.kind
    assert facts["model"] == own.info.name
    assert facts["context tokens"] == own.info.context_tokens
    assert facts["parameters"] == own.info.num_parameters
    assert facts["end-of-text ids"] == list(own.info.eos_token_ids)
    assert facts["longest answer"] == own.engine.limits.max_new_tokens
    assert facts["temperature"] == own.info.sampling.temperature


def test_a_long_prompt_among_running_answers_changes_none_of_them(
    own: OwnEngine, loaded: LoadedModel
) -> None:
    short = [ids(own, text) for text in texts(4)]
    long = ids(own, "and so on, until it is long " * 40)
    assert len(long) > 2 * MAX_BATCHED_TOKENS

    running = [own.engine.submit(Request(str(at), each, 100)) for at, each in enumerate(short)]
    answer = "".join(own.engine.submit(Request("long", long, NEW_TOKENS)))

    assert answer == written_alone(loaded, long, NEW_TOKENS)
    assert ["".join(each) for each in running] == [
        written_alone(loaded, each, 100) for each in short
    ]


def test_a_cancelled_answer_ends_at_once_and_its_neighbour_goes_on(own: OwnEngine) -> None:
    dropped = own.engine.submit(Request("dropped", ids(own, "one"), 200))
    pieces = iter(dropped)
    next(pieces)
    neighbour = own.engine.submit(Request("neighbour", ids(own, "two"), NEW_TOKENS))

    own.engine.cancel("dropped")

    assert list(pieces) == [] or dropped.num_tokens < 200
    assert dropped.finish_reason is None
    assert len("".join(neighbour)) == NEW_TOKENS


def test_a_seed_draws_the_same_alone_and_among_others(own: OwnEngine) -> None:
    prompt = ids(own, "once upon a time")
    alone = "".join(own.engine.submit(Request("alone", prompt, NEW_TOKENS, SEEDED)))
    others = [
        own.engine.submit(Request(f"other-{at}", prompt, NEW_TOKENS, Sampling(temperature=2.0)))
        for at in range(3)
    ]

    among = "".join(own.engine.submit(Request("among", prompt, NEW_TOKENS, SEEDED)))

    assert among == alone
    assert len({alone, *("".join(each) for each in others)}) == 4


def test_a_stop_text_ends_an_answer_before_it(own: OwnEngine) -> None:
    prompt = ids(own, "question 1")
    whole = "".join(own.engine.submit(Request("whole", prompt, NEW_TOKENS)))
    stop = whole[10:12]

    stopped = own.engine.submit(Request("stopped", prompt, NEW_TOKENS, stop=(stop,)))

    assert "".join(stopped) == whole[: whole.index(stop)]
    assert stopped.finish_reason is FinishReason.STOP


def num_steps(process: EngineProcess, out: io.BytesIO, label: str, token_ids: list[int]) -> int:
    """How many steps a request of one token takes."""
    calls: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    calls.put(line_of(ADD, AddMessage(label, token_ids, 1, {})))
    runner = threading.Thread(target=process.run, args=(calls,))
    runner.start()
    lines: list[bytes] = []
    wait_until(lambda: b"true" in out.getvalue(), "its token")
    calls.put(None)
    runner.join()
    lines = out.getvalue().splitlines()
    out.seek(0)
    out.truncate()
    assert any(parsed(line)[1] for line in lines)
    return len(lines)


def test_a_tenants_prompt_is_found_again_by_that_tenant_alone(choice: ModelChoice) -> None:
    source = find_model(choice.model)
    assert source is not None
    prepared = ensure_prepared(source, choice.cache_dir, say_nothing)
    options = PipelineOptions(str(prepared.folder), 64, 4, (0,), shares_prefixes=True)
    out = io.BytesIO()
    process = EngineProcess(options, out)
    offsets, labels = TenantOffsets(prepared.vocabulary), Labels()
    prompt = [65 + number % 7 for number in range(LONG)]

    def steps(name: str, salt: str) -> int:
        label = labels.label(Request(name, (1,), 1, salt=salt))
        return num_steps(process, out, label, offsets.salted(label, prompt))

    first, again = steps("1", "slack:T1"), steps("2", "slack:T1")
    stranger, themselves = steps("3", "slack:T2"), steps("4", "slack:T2")

    assert first == stranger > LONG // MAX_BATCHED_TOKENS
    assert again == themselves == 1


def test_questions_of_one_team_share_a_block_of_the_cache_by_the_default_prompt() -> None:
    settings = read_settings({})
    tokenizer = load_tokenizer(choice_of(settings), say_nothing)
    limits = RequestLimits.of(8192, 64, None)

    one, other = (
        make_prompt(PromptInput(settings.system_prompt, (), text), tokenizer, limits).token_ids
        for text in ("What is a queue?", "7 times 6?")
    )

    assert one[:BLOCK_TOKENS] == other[:BLOCK_TOKENS]


def test_tenants_have_numbers_of_their_own_that_leave_no_id_out_of_range() -> None:
    offsets = TenantOffsets(vocabulary=2**28)
    seen = [offsets.salted(f"{number:064}", [5, 6])[0] for number in range(7)]

    assert len(set(seen)) == 7
    assert max(seen) < 2**31
    assert offsets.salted(f"{7:064}", [5, 6]) == [5, 6]  # the eighth has the first's number


def test_a_killed_process_is_replaced_and_its_answers_go_on(
    own: OwnEngine, loaded: LoadedModel
) -> None:
    prompts = [ids(own, text) for text in texts(5)]
    readers = [
        Reader(own.engine.submit(Request(str(at), prompt, 150)))
        for at, prompt in enumerate(prompts)
    ]
    wait_until(lambda: all(reader.text for reader in readers), "all have begun")

    process_of(own.batching).kill()

    assert [reader.wait().error for reader in readers] == [None] * 5
    assert [reader.text for reader in readers] == [
        written_alone(loaded, prompt, 150) for prompt in prompts
    ]


def test_a_process_that_is_stuck_is_reported_and_killed(choice: ModelChoice) -> None:
    own = opened(choice, stall_timeout_s=8)  # a busy machine takes seconds to begin
    is_lost = threading.Event()
    own.engine.open(on_lost=is_lost.set)
    reader = Reader(own.engine.submit(Request("1", ids(own, "hello"), 200)))
    wait_until(lambda: bool(reader.text), "it has begun")
    process = process_of(own.batching)

    os.kill(process.pid, signal.SIGSTOP)
    wait_until(is_lost.is_set, "the engine is lost")

    assert isinstance(reader.wait().error, EngineError)
    with pytest.raises(EngineLostError):
        own.engine.submit(Request("2", (65,), 1))
    own.engine.close()
    assert process.poll() is not None


def children() -> set[psutil.Process]:
    """The processes that this one has started."""
    return set(psutil.Process().children())


def test_an_engine_that_is_never_opened_leaves_no_process(choice: ModelChoice) -> None:
    before = children()
    own = opened(choice)
    (early,) = children() - before

    own.engine.close()

    assert not early.is_running()


def test_a_model_whose_tokenizer_cannot_be_read_leaves_no_process(
    choice: ModelChoice, tmp_path: Path
) -> None:
    broken = ModelChoice(choice.model, "cpu", "float32", tmp_path / "cache")
    source = find_model(broken.model)
    assert source is not None
    prepared = ensure_prepared(source, broken.cache_dir, say_nothing)
    (prepared.folder / "tokenizer.json").write_text("{")
    before = children()

    with pytest.raises(Exception, match=r".+"):
        opened(broken)

    assert children() == before


def test_a_killed_process_is_waited_for_until_it_has_ended(choice: ModelChoice) -> None:
    for _ in range(3):
        own = opened(choice)
        batch = own.batching.batches.start()
        assert isinstance(batch, OpenVinoBatch)

        assert batch.bury(0) == f"exit code {-signal.SIGKILL}"

        assert not batch._reader.is_alive()


KILLED_WORKER = """
import pathlib, sys, time
from worker.engine.engine import EngineOptions
from worker.engine.factory import build
from worker.engine.protocol import ModelChoice, Request

choice = ModelChoice(sys.argv[1], "cpu", "auto", pathlib.Path(sys.argv[2]))
own = build("openvino", choice, EngineOptions(200, 8, 4096), lambda _: None)
own.engine.open()
pieces = iter(own.engine.submit(Request("1", (65, 66), 200)))
next(pieces)
print(own.engine._batch._process.pid, "torch" in sys.modules, flush=True)
time.sleep(60)
"""


def test_the_process_ends_with_its_worker_which_needs_no_torch(choice: ModelChoice) -> None:
    command = [sys.executable, "-c", KILLED_WORKER, choice.model, str(choice.cache_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        pid, has_torch = worker.stdout.readline().split()
        engine = psutil.Process(int(pid))
        worker.kill()

    wait_until(lambda: not engine.is_running(), "the engine's process ends")
    assert has_torch == "False"


def test_what_openvino_cannot_read_is_said_in_a_sentence(
    model_folder: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    falcon = save_tiny_gguf(model_folder, tmp_path / "falcon.gguf", architecture="falcon-h1")
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(falcon.read_bytes()[:3000])
    text = tmp_path / "text.gguf"
    text.write_text("hello")

    for file, sentence in (
        (falcon, r"openvino, which cannot compute this model: .* is of falcon-h1\. Remove"),
        (damaged, r"damaged\.gguf is not a whole GGUF file .*: download it once more"),
        (text, r"names the file text\.gguf, which is not in GGUF"),
        (empty, "neither a GGUF file nor an OpenVINO model, and has no safetensors"),
    ):
        with pytest.raises(ModelUnavailableError, match=sentence):
            build(
                "openvino",
                ModelChoice(str(file), "cpu", "auto", tmp_path),
                EngineOptions(9, 1),
                say_nothing,
            )
