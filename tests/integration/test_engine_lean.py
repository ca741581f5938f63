"""The engine for processors on real, small models: it writes what the model writes alone."""

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Qwen2Config, Qwen2ForCausalLM

from shared.errors import EngineError, ModelUnavailableError
from shared.replies import FinishReason
from tests.chaos.forward_passes import Reader, ids_of, load, texts, wait_until, written_alone
from tests.fakes.tiny_model import make_tokenizer, save_tiny_model
from worker.engine.cpu.batch import LeanBatch
from worker.engine.cpu.load import observe
from worker.engine.cpu.model import Int8Linear, Linear, Stepper
from worker.engine.cpu.scheduler import LARGEST_CHUNK
from worker.engine.engine import BatchingEngine, EngineOptions, kind_for
from worker.engine.loader import LoadedModel, ModelChoice, load_model
from worker.engine.protocol import Request, Sampling

NEW_TOKENS = 60
OPTIONS = EngineOptions(NEW_TOKENS, 8, cache_tokens=16_384)
A, B = "slack:T1", "slack:T2"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(save_tiny_model(tmp_path_factory.mktemp("models") / "float64"))


@pytest.fixture
def engine(loaded: LoadedModel) -> Iterator[BatchingEngine]:
    yield from opened(loaded)


def opened(loaded: LoadedModel, options: EngineOptions = OPTIONS) -> Iterator[BatchingEngine]:
    engine = BatchingEngine(loaded, options, "lean")
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def wait_until_empty(engine: BatchingEngine) -> None:
    batch = engine._batch
    assert isinstance(batch, LeanBatch)
    wait_until(lambda: not batch._active, "it has left")


class Seen:
    """Counts the tokens that the model is given, and fails when it is told to."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.num_tokens = 0
        self.most = 0
        self.fails_with = -1
        module: Any = loaded.model.get_input_embeddings()
        self._handle = module.register_forward_pre_hook(self._see)

    def _see(self, _module: object, given: tuple[torch.Tensor, ...]) -> None:
        tokens = given[0].flatten().tolist()
        if self.fails_with in tokens:
            raise RuntimeError("planted")
        self.num_tokens += len(tokens)
        self.most = max(self.most, len(tokens))

    def close(self) -> None:
        self._handle.remove()


@pytest.fixture
def seen(loaded: LoadedModel) -> Iterator[Seen]:
    seen = Seen(loaded)
    yield seen
    seen.close()


def test_batched_greedy_output_equals_one_at_a_time(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompts = [ids_of(loaded, text) for text in [*texts(12), "once more " * 70]]
    assert max(len(prompt) for prompt in prompts) > LARGEST_CHUNK
    alone = [written_alone(loaded, prompt, NEW_TOKENS) for prompt in prompts]

    noise = engine.submit(Request("noise", prompts[3], NEW_TOKENS, Sampling(1.5, 1.0)))
    gone = engine.submit(Request("gone", prompts[5], NEW_TOKENS))
    together = [
        engine.submit(Request(str(number), prompt, NEW_TOKENS))
        for number, prompt in enumerate(prompts)
    ]
    next(iter(gone))
    engine.cancel("gone")

    assert ["".join(generation) for generation in together] == alone
    assert "".join(noise) != alone[3]
    assert gone.finish_reason is None


def test_biases_of_projections_are_computed(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(has_template=False)
    torch.manual_seed(3)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = Qwen2ForCausalLM(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    prompt = ids_of(loaded, "a question")
    for engine in opened(loaded):
        answer = "".join(engine.submit(Request("1", prompt, 30)))

        assert written_alone(loaded, prompt, 30).rstrip("\ufffd") == answer


@pytest.fixture(scope="module")
def of_another_family(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = make_tokenizer(has_template=False)
    GPT2LMHeadModel(
        GPT2Config(vocab_size=len(tokenizer), n_embd=64, n_layer=1, n_head=2)
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load(folder)


def test_a_model_of_another_family_is_refused_with_a_sentence(
    of_another_family: LoadedModel,
) -> None:
    with pytest.raises(ModelUnavailableError, match="PARLEY_ENGINE is lean"):
        BatchingEngine(of_another_family, OPTIONS, "lean")


def test_it_is_chosen_for_the_models_that_it_computes(
    loaded: LoadedModel, of_another_family: LoadedModel
) -> None:
    assert kind_for("auto", loaded) == "lean"
    assert kind_for("auto", of_another_family) == "transformers"
    assert kind_for("transformers", loaded) == "transformers"


def test_it_writes_the_same_without_the_models_own_weights(tmp_path: Path) -> None:
    loaded = load(save_tiny_model(tmp_path))
    prompt = ids_of(loaded, "a question")
    alone = written_alone(loaded, prompt, 30)
    layer: Any = loaded.model.get_submodule("model.layers.0.mlp.gate_proj")
    weight = weakref.ref(layer.weight)
    num_parameters = loaded.num_parameters
    for engine in opened(loaded):
        loaded.release_weights()

        assert weight() is None
        assert loaded.num_parameters < num_parameters
        assert "".join(engine.submit(Request("1", prompt, 30))) == alone


def test_a_conversation_goes_on_without_computing_it_again_and_only_its_own(
    loaded: LoadedModel, engine: BatchingEngine, seen: Seen
) -> None:
    prompt = ids_of(loaded, "we had been talking about this " * 30)
    answer = "".join(engine.submit(Request("a1", prompt, 20, salt=A)))
    more = (*prompt, *ids_of(loaded, answer), *ids_of(loaded, "and now?"))

    before = seen.num_tokens
    "".join(engine.submit(Request("a2", more, 1, salt=A)))
    own = seen.num_tokens - before
    "".join(engine.submit(Request("b", more, 1, salt=B)))

    assert own < len(more) - len(prompt) + 20
    assert seen.num_tokens - before - own == len(more)


def test_the_same_is_written_from_a_shared_beginning(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    begin = ids_of(loaded, "you are helpful and brief " * 20)
    prompts = [(*begin, *ids_of(loaded, text)) for text in ("one", "another", "a third")]
    "".join(engine.submit(Request("first", begin, 5, salt=A)))

    together = [engine.submit(Request(str(i), p, 30, salt=A)) for i, p in enumerate(prompts)]

    alone = [written_alone(loaded, prompt, 30) for prompt in prompts]
    assert ["".join(generation) for generation in together] == alone


def test_a_batch_that_dies_is_built_anew_and_only_the_culprit_fails(
    loaded: LoadedModel, engine: BatchingEngine, seen: Seen
) -> None:
    (poison,) = loaded.tokenizer.encode("~", add_special_tokens=False)
    prompts = [ids_of(loaded, text) for text in texts(3)]
    alone = [written_alone(loaded, prompt, NEW_TOKENS) for prompt in prompts]
    readers = [
        Reader(engine.submit(Request(str(i), prompt, NEW_TOKENS)))
        for i, prompt in enumerate(prompts)
    ]
    seen.fails_with = poison
    culprit = Reader(engine.submit(Request("culprit", ids_of(loaded, "a ~ b"), 5)))

    assert isinstance(culprit.wait().error, EngineError)
    assert [reader.wait().text for reader in readers] == alone


def test_who_has_no_room_waits_and_is_answered(loaded: LoadedModel) -> None:
    options = EngineOptions(NEW_TOKENS, 8, cache_tokens=256)
    for engine in opened(loaded, options):
        prompt = ids_of(loaded, "a question of some length, for which there is room")
        together = [engine.submit(Request(str(i), prompt, NEW_TOKENS)) for i in range(6)]

        alone = written_alone(loaded, prompt, NEW_TOKENS)
        assert ["".join(generation) for generation in together] == [alone] * 6
        assert {generation.finish_reason for generation in together} <= {
            FinishReason.STOP,
            FinishReason.LENGTH,
        }


def test_a_cancelled_answer_ends_and_its_room_is_free(endless_model: Path) -> None:
    loaded = load(endless_model)
    seen = Seen(loaded)
    for engine in opened(loaded, EngineOptions(3000, 8, cache_tokens=16_384)):
        generation = engine.submit(Request("gone", ids_of(loaded, "a question"), 1500))
        next(iter(generation))
        engine.cancel("gone")

        wait_until_empty(engine)
        assert engine.num_running == 0
        assert seen.num_tokens < 1500
    seen.close()


def test_a_seed_writes_the_same_alone_and_among_others(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompt = ids_of(loaded, "once upon a time")
    request = Request("1", prompt, 40, Sampling(1.0, 0.95, seed=5))
    alone = "".join(engine.submit(request))
    noise = [
        engine.submit(Request(f"n{i}", ids_of(loaded, text), 40, Sampling(1.0)))
        for i, text in enumerate(texts(5))
    ]

    again = "".join(engine.submit(Request("2", prompt, 40, Sampling(1.0, 0.95, seed=5))))

    assert again == alone
    assert any("".join(generation) != alone for generation in noise)


def test_int8_is_close_to_the_weights_and_its_rows_do_not_depend_on_each_other() -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(96, 64, generator=generator)
    x = torch.randn(7, 64, generator=generator)
    x[:, 5] *= 40  # an input that is always large, as models have them
    scale = torch.rand(64, generator=generator) + 0.5
    linear = Int8Linear(weight, scale, (x * scale).abs().amax(0))
    exact = (x * scale) @ weight.T

    rounded = linear(x)

    assert float((rounded - exact).norm() / exact.norm()) < 0.02
    assert torch.equal(rounded[2:3], linear(x[2:3]))


def test_rounded_weights_are_used_in_float32_if_they_cost_little(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "tiny")
    loaded = load_model(ModelChoice(str(folder), "cpu", "float32", folder), lambda _: None)
    assert len(observe(loaded, [1, 2, 3])[1]) == 2 * 7 + 1
    for engine in opened(loaded):
        assert "".join(engine.submit(Request("1", ids_of(loaded, "hello"), 20)))


def test_a_new_cache_holds_nothing_of_what_was_in_memory_before(loaded: LoadedModel) -> None:
    """A mask hides numbers by multiplying with zero, and NaN times zero is NaN."""
    largest = observe(loaded, [1, 2, 3])[1]
    stepper = Stepper(loaded.model, Linear, 64, largest)
    (like, _) = stepper.new_cache(64)
    used = [torch.full_like(like, torch.nan) for _ in range(20)]
    del used

    assert all(not bool(part.any()) for part in stepper.new_cache(64))
