"""What is read from configurations: context, ends, sampling; which batch can compute them."""

import pytest
from transformers import (
    DeepseekV3Config,
    Gemma3Config,
    Gemma4TextConfig,
    GenerationConfig,
    GPT2Config,
    GptOssConfig,
    Lfm2Config,
    Llama4TextConfig,
    LlamaConfig,
    Mamba2Config,
    Mistral3Config,
    MistralConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3_5Config,
    Qwen3_5TextConfig,
    Qwen3Config,
    T5Config,
)

from worker.engine.protocol import Sampling
from worker.engine.transformers_engine.families import (
    class_of,
    context_of,
    why_no_language_model,
    why_not_managed,
)
from worker.engine.transformers_engine.loader import sampling_of

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        (LlamaConfig(max_position_embeddings=8192), 8192),
        (GPT2Config(n_positions=1024), 1024),
        (Qwen3Config(max_position_embeddings=40960), 40960),
        # Qwen's cards: YaRN is added by hand, max_position_embeddings stays
        (Qwen3Config(max_position_embeddings=40960, rope_parameters=YARN), 131072),
        (Qwen3Config(max_position_embeddings=131072, rope_parameters=YARN), 131072),
        # Llama 3.1's scaling is in its 131,072 already
        (
            LlamaConfig(
                max_position_embeddings=131072,
                rope_parameters={
                    "rope_type": "llama3",
                    "factor": 8.0,
                    "original_max_position_embeddings": 8192,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                },
            ),
            131072,
        ),
        (
            LlamaConfig(
                max_position_embeddings=2048, rope_parameters={"rope_type": "linear", "factor": 4.0}
            ),
            8192,
        ),
        (Gemma3Config(text_config={"max_position_embeddings": 131072}), 131072),
        (Mamba2Config(), 8192),
    ],
    ids=lambda value: getattr(value, "model_type", value),
)
def test_context_is_that_of_the_text_model(config: PretrainedConfig, tokens: int) -> None:
    assert context_of(config) == tokens


def test_context_of_a_model_that_names_none_is_its_tokenizers() -> None:
    assert context_of(Mamba2Config(), 2048) == 2048
    assert context_of(Mamba2Config(), 10**30) == 8192


@pytest.mark.parametrize(
    ("named", "sampling"),
    [
        ({}, Sampling(0.0)),
        ({"do_sample": False, "temperature": 0.6, "top_k": 20}, Sampling(0.0)),
        # Qwen3's
        (
            {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20},
            Sampling(0.6, 0.95, 20),
        ),
        ({"do_sample": True, "min_p": 0.1}, Sampling(1.0, min_p=0.1)),
        (
            {"do_sample": True, "temperature": 0.7, "repetition_penalty": 1.05},
            Sampling(0.7, repetition_penalty=1.05),
        ),
        ({"repetition_penalty": 1.1}, Sampling(0.0, repetition_penalty=1.1)),
    ],
)
def test_sampling_is_what_generation_config_names(
    named: dict[str, float], sampling: Sampling
) -> None:
    assert sampling_of(GenerationConfig(**named)) == sampling  # type: ignore[no-untyped-call]


def test_sampling_of_a_model_without_generation_config_is_greedy() -> None:
    assert sampling_of(None) == Sampling(0.0)


@pytest.mark.parametrize(
    "config", [LlamaConfig(), Qwen2Config(), Qwen3Config(), MistralConfig(), GptOssConfig()]
)
def test_the_manager_computes_attention(config: PretrainedConfig) -> None:
    assert why_no_language_model(config) == why_not_managed(config) == ""


@pytest.mark.parametrize(
    "config",
    [
        Qwen3_5TextConfig(),
        Lfm2Config(num_hidden_layers=2, layer_types=["conv", "full_attention"]),
        Llama4TextConfig(),
        Gemma4TextConfig(),
        DeepseekV3Config(),
        Mamba2Config(),
    ],
    ids=lambda config: config.model_type,
)
def test_other_layers_are_left_to_the_simple_batch(config: PretrainedConfig) -> None:
    assert why_no_language_model(config) == ""
    assert why_not_managed(config)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        # as published: the text model within one that sees
        (
            Qwen3_5Config(architectures=["Qwen3_5ForConditionalGeneration"]),
            "Qwen3_5ForConditionalGeneration",
        ),
        (Qwen3_5TextConfig(architectures=["Qwen3_5ForCausalLM"]), "Qwen3_5ForCausalLM"),
        (
            Mistral3Config(architectures=["Mistral3ForConditionalGeneration"]),
            "Mistral3ForConditionalGeneration",
        ),
        (LlamaConfig(), "LlamaForCausalLM"),
        (LlamaConfig(architectures=["OwnForCausalLM"]), "LlamaForCausalLM"),
        (LlamaConfig(architectures=["LlamaForSequenceClassification"]), "LlamaForCausalLM"),
    ],
)
def test_the_class_is_the_one_that_the_weights_are_named_after(
    config: PretrainedConfig, name: str
) -> None:
    found = class_of(config)
    assert found is not None
    assert found.__name__ == name


def test_an_encoder_with_a_decoder_is_no_chat_model() -> None:
    assert "encoder" in why_no_language_model(T5Config())
