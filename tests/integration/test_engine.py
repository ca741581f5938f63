"""The engine on real, small models: what is written in the batch is what is written alone."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.hooks import RemovableHandle
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from shared.errors import EngineError, PromptTooLongError
from shared.replies import FinishReason
from tests.chaos.forward_passes import (
    ForwardPasses,
    ids_of,
    load,
    manager_of,
    texts,
    wait_until,
    written_alone,
)
from tests.fakes.tiny_model import make_tokenizer, save_tiny_model
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import around
from worker.engine.protocol import Request, Sampling
from worker.engine.tenant_salt import Labels
from worker.engine.transformers_engine.loader import LoadedModel
from worker.prompts.chat import PromptInput, make_prompt

NEW_TOKENS = 60
CACHE_TOKENS = 4096


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(save_tiny_model(tmp_path_factory.mktemp("models") / "float64"))


@pytest.fixture
def engine(loaded: LoadedModel) -> Iterator[BatchingEngine]:
    yield from opened(loaded)


def opened(loaded: LoadedModel) -> Iterator[BatchingEngine]:
    engine = around(loaded, EngineOptions(NEW_TOKENS, 8, CACHE_TOKENS))
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def test_batched_greedy_output_equals_one_at_a_time(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompts = [ids_of(loaded, text) for text in texts(12)]
    alone = [written_alone(loaded, prompt, NEW_TOKENS) for prompt in prompts]

    # beside them: one that samples, and one that is cancelled on the way
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


def make_gpt2(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=64,
        n_layer=2,
        n_head=4,
        n_positions=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return GPT2LMHeadModel(config)


def make_gemma3(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """With layers that see the last 64 tokens only, as Gemma 3 has."""
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=64,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=0,
    )
    return Gemma3ForCausalLM(config)


@pytest.mark.parametrize("make", [make_gpt2, make_gemma3])
def test_base_models_without_a_template_answer_a_plain_transcript(
    make: Callable[[PreTrainedTokenizerFast], PreTrainedModel], tmp_path: Path
) -> None:
    tokenizer = make_tokenizer(has_template=False)
    torch.manual_seed(3)
    make(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    for engine in opened(loaded):
        questions = [PromptInput("Be brief.", (), text) for text in texts(4)]
        prompts = [make_prompt(q, loaded.tokenizer, engine.limits) for q in questions]
        assert all(prompt.stop for prompt in prompts)

        together = [
            engine.submit(Request(str(number), prompt.token_ids, NEW_TOKENS))
            for number, prompt in enumerate(prompts)
        ]

        answers = ["".join(generation) for generation in together]
        alone = [written_alone(loaded, prompt.token_ids, NEW_TOKENS) for prompt in prompts]
        # a byte model writes half characters: compare what both show
        assert [a.rstrip("\ufffd") for a in alone] == answers


def test_dead_manager_is_replaced_and_every_answer_goes_on(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompts = [ids_of(loaded, text) for text in texts(4)]
    alone = [written_alone(loaded, prompt, NEW_TOKENS) for prompt in prompts]
    generations = [
        engine.submit(Request(str(number), prompt, NEW_TOKENS))
        for number, prompt in enumerate(prompts)
    ]
    pieces = [iter(generation) for generation in generations]
    begun = [next(piece) for piece in pieces]

    hook = fail_forward_passes(loaded, times=1)

    assert [first + "".join(rest) for first, rest in zip(begun, pieces, strict=True)] == alone
    hook.remove()


def test_engine_that_dies_again_and_again_gives_the_answer_up_and_serves_the_next(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompt = ids_of(loaded, "hello")
    hook = fail_forward_passes(loaded, times=3)
    with pytest.raises(EngineError):
        "".join(engine.submit(Request("bad", prompt, NEW_TOKENS)))
    hook.remove()

    assert "".join(engine.submit(Request("good", prompt, NEW_TOKENS))) == written_alone(
        loaded, prompt, NEW_TOKENS
    )
    assert engine.num_running == 0


def fail_forward_passes(loaded: LoadedModel, times: int) -> RemovableHandle:
    """Let the model's next forward passes fail, as one does that runs out of memory."""
    left = [times]

    def fail(*_: object) -> None:
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("out of memory, says the test")

    return loaded.model.register_forward_pre_hook(fail)


def test_prompt_that_cannot_fit_is_refused_and_nobody_is_harmed(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompt = ids_of(loaded, "hello")
    neighbour = engine.submit(Request("neighbour", prompt, NEW_TOKENS))

    with pytest.raises(PromptTooLongError, match=r"5,000 tokens"):
        engine.submit(Request("huge", (65,) * 5000, NEW_TOKENS))

    assert "".join(neighbour) == written_alone(loaded, prompt, NEW_TOKENS)
    assert engine.num_running == 0


def test_request_that_nobody_waits_for_is_cancelled(engine: BatchingEngine) -> None:
    """As is left when a cancel overtakes its request: the manager forgets such a cancel."""
    batch = manager_of(engine)
    label = Labels().label(Request("stray", (), 1))
    with ForwardPasses(engine) as passes:
        batch.add_request([65] * 3, request_id=label, max_new_tokens=3000, streaming=True)
        wait_until(lambda: len(passes.seen) > 0, "it has begun")
        processor = batch.batch_processor
        assert processor is not None

        wait_until(lambda: not processor.has_pending_requests(), "it is over")

    assert len(passes.seen) < 3000


def test_stop_text_ends_the_answer_before_it(loaded: LoadedModel, engine: BatchingEngine) -> None:
    prompt = ids_of(loaded, "hello")
    whole = written_alone(loaded, prompt, NEW_TOKENS)
    stop = whole[10:13]

    generation = engine.submit(Request("stopped", prompt, NEW_TOKENS, stop=(stop,)))

    assert "".join(generation) == whole[: whole.index(stop)]
    assert generation.finish_reason is FinishReason.STOP


def test_close_ends_answers_that_are_being_written(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    generation = engine.submit(Request("cut", ids_of(loaded, "hello"), NEW_TOKENS))
    reader = threading.Thread(target=lambda: list(generation))
    reader.start()

    engine.close()

    reader.join(10)
    assert not reader.is_alive()
