"""Small random models of the real architectures that see, with their processors.

As ``family_models``; their weights are so large that a picture changes what they write.
"""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from worker.engine.transformers_engine.family_models import SMALL, byte_tokenizer, fields_of

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}PICTURE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LISTS_ALONE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}PICTURE{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""As SmolVLM's: a content that is a text is left out."""
SIDE, PATCH = 56, 14
SMALL_VISION: Mapping[str, Any] = {
    "initializer_range": 0.4,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "depth": 2,
    "num_heads": 2,
    "embed_dim": 32,
    "image_size": SIDE,
    "patch_size": PATCH,
}
"""Set where a configuration has the field."""
LARGE_WEIGHTS = ("embedding_projection", "mm_input_projection")
"""Parts that are zero in a new model; their standard deviation is set."""
DEVIATION = 0.2


@dataclass(frozen=True, slots=True)
class VisionFamily:
    """A family of models that see, and how its small one is made."""

    name: str
    config: str
    """The class of its configuration in transformers."""
    processor: str
    """The class of its processor."""
    images: tuple[str, Mapping[str, Any]]
    """The folder in transformers with its image processor, and that one's fields."""
    mark: str
    """What stands for a picture in its chat template."""
    tokens: Mapping[str, str]
    """Its control tokens, by the names that its processor knows them by."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the configuration; a text that begins with ``=`` is a token's id."""
    text: Mapping[str, Any] = field(default_factory=dict)
    vision: Mapping[str, Any] = field(default_factory=dict)
    vision_config: str = ""
    """Another class than the configuration's own."""
    layout: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the processor."""
    template: str = TEMPLATE
    missing: str = ""
    """A package that its processor needs and that Parley does not bring."""


QWEN_TOKENS = {
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
}
QWEN_IDS = {
    "image_token_id": "=<|image_pad|>",
    "video_token_id": "=<|video_pad|>",
    "vision_start_token_id": "=<|vision_start|>",
    "vision_end_token_id": "=<|vision_end|>",
}
QWEN_MARK = "<|vision_start|><|image_pad|><|vision_end|>"
QWEN_ROPE = {
    "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
}
QWEN_IMAGES = ("qwen2_vl", {"min_pixels": 28**2, "max_pixels": 64 * 28**2})
QWEN3_IMAGES = ("qwen2_vl", {"min_pixels": 32**2, "max_pixels": 64 * 32**2, "patch_size": 16})
QWEN3_VISION = {"out_hidden_size": 64, "patch_size": 16, "num_position_embeddings": 256}
SQUARE = {"height": SIDE, "width": SIDE}
CLIP_IMAGES = ("clip", {"size": {"shortest_edge": SIDE}, "crop_size": SQUARE})
PINPOINTS = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE]]
IDEFICS_TOKENS = {
    "image_token": "<image>",
    "fake_image_token": "<fake_token_around_image>",
    "global_image_token": "<global-img>",
    "end_of_utterance_token": "<end_of_utterance>",
}
IDEFICS_SIZES = {"size": {"longest_edge": 2 * SIDE}, "max_image_size": {"longest_edge": SIDE}}

VISION_FAMILIES = (
    VisionFamily(
        "Qwen2-VL",
        "Qwen2VLConfig",
        "Qwen2VLProcessor",
        QWEN_IMAGES,
        QWEN_MARK,
        QWEN_TOKENS,
        QWEN_IDS,
        QWEN_ROPE,
        {"hidden_size": 64},
    ),
    VisionFamily(
        "Qwen2.5-VL",
        "Qwen2_5_VLConfig",
        "Qwen2_5_VLProcessor",
        QWEN_IMAGES,
        QWEN_MARK,
        QWEN_TOKENS,
        QWEN_IDS,
        QWEN_ROPE,
        {"out_hidden_size": 64, "fullatt_block_indexes": [1]},
    ),
    VisionFamily(
        "Qwen3-VL",
        "Qwen3VLConfig",
        "Qwen3VLProcessor",
        QWEN3_IMAGES,
        QWEN_MARK,
        QWEN_TOKENS,
        QWEN_IDS,
        QWEN_ROPE,
        {**QWEN3_VISION, "deepstack_visual_indexes": [0, 1]},
    ),
    VisionFamily(
        "Qwen3.5 with pictures",
        "Qwen3_5Config",
        "Qwen3VLProcessor",
        QWEN3_IMAGES,
        QWEN_MARK,
        QWEN_TOKENS,
        QWEN_IDS,
        {},
        QWEN3_VISION,
    ),
    VisionFamily(
        "Gemma 3 with pictures",
        "Gemma3Config",
        "Gemma3Processor",
        ("gemma3", {"size": SQUARE, "image_seq_length": 4}),
        "<start_of_image>",
        {
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
        {
            "mm_tokens_per_image": 4,
            "image_token_index": "=<image_soft_token>",
            "boi_token_index": "=<start_of_image>",
            "eoi_token_index": "=<end_of_image>",
        },
        {"num_hidden_layers": 6},
        {"vision_use_head": False},
        layout={"image_seq_length": 4},
    ),
    VisionFamily(
        "Gemma 4 with pictures",
        "Gemma4Config",
        "Gemma4Processor",
        ("gemma4", {"max_soft_tokens": 70}),
        "<|image|>",
        {
            "image_token": "<|image|>",
            "boi_token": "<|image>",
            "eoi_token": "<image|>",
            "video_token": "<|video|>",
            "audio_token": "<|audio|>",
            "boa_token": "<|audio>",
            "eoa_token": "<audio|>",
        },
        {"image_token_id": "=<|image|>"},
        {"num_hidden_layers": 6, "global_head_dim": 32, "hidden_size_per_layer_input": 8},
        {"num_key_value_heads": 2, "head_dim": 16, "patch_size": 16},
        vision_config="Gemma4VisionConfig",
    ),
    VisionFamily(
        "Idefics3, SmolVLM",
        "Idefics3Config",
        "Idefics3Processor",
        ("idefics3", IDEFICS_SIZES),
        "<image>",
        IDEFICS_TOKENS,
        {"image_token_id": "=<image>", "scale_factor": 2},
        layout={"image_seq_len": 4},
        template=LISTS_ALONE,
    ),
    VisionFamily(
        "SmolVLM2",
        "SmolVLMConfig",
        "SmolVLMProcessor",
        ("smolvlm", IDEFICS_SIZES),
        "<image>",
        IDEFICS_TOKENS,
        {"image_token_id": "=<image>", "scale_factor": 2},
        layout={"image_seq_len": 4},
        template=LISTS_ALONE,
        missing="num2words",
    ),
    VisionFamily(
        "LLaVA",
        "LlavaConfig",
        "LlavaProcessor",
        CLIP_IMAGES,
        "<image>\n",
        {"image_token": "<image>"},
        {"image_token_index": "=<image>", "vision_feature_layer": -1},
        vision={"initializer_range": 1.0},
        layout={
            "patch_size": PATCH,
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        },
    ),
    VisionFamily(
        "LLaVA-NeXT",
        "LlavaNextConfig",
        "LlavaNextProcessor",
        (
            "llava_next",
            {
                "size": {"shortest_edge": SIDE},
                "crop_size": SQUARE,
                "image_grid_pinpoints": PINPOINTS,
            },
        ),
        "<image>\n",
        {"image_token": "<image>"},
        {"image_token_index": "=<image>", "image_grid_pinpoints": PINPOINTS},
        layout={
            "patch_size": PATCH,
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        },
    ),
    VisionFamily(
        "LLaVA-OneVision",
        "LlavaOnevisionConfig",
        "LlavaOnevisionProcessor",
        ("llava_onevision", {"size": SQUARE, "image_grid_pinpoints": PINPOINTS}),
        "<image>\n",
        {"image_token": "<image>", "video_token": "<video>"},
        {
            "image_token_index": "=<image>",
            "video_token_index": "=<video>",
            "image_grid_pinpoints": PINPOINTS,
        },
        vision={"vision_use_head": False},
        layout={"num_image_tokens": 16, "vision_feature_select_strategy": "full"},
    ),
    VisionFamily(
        "InternVL 3",
        "InternVLConfig",
        "InternVLProcessor",
        ("got_ocr2", {"size": SQUARE, "max_patches": 2}),
        "<IMG_CONTEXT>\n",
        {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
        {"image_token_id": "=<IMG_CONTEXT>"},
        vision={"image_size": [SIDE, SIDE], "patch_size": [PATCH, PATCH]},
        layout={"image_seq_length": 4},
    ),
    VisionFamily(
        "GLM-4.1V",
        "Glm4vConfig",
        "Glm4vProcessor",
        ("glm4v", {"size": {"shortest_edge": 2 * 28**2, "longest_edge": 128 * 28**2}}),
        "<|begin_of_image|><|image|><|end_of_image|>",
        {
            "image_token": "<|image|>",
            "video_token": "<|video|>",
            "begin_of_image_token": "<|begin_of_image|>",
            "end_of_image_token": "<|end_of_image|>",
        },
        {
            "image_token_id": "=<|image|>",
            "video_token_id": "=<|video|>",
            "image_start_token_id": "=<|begin_of_image|>",
            "image_end_token_id": "=<|end_of_image|>",
        },
        QWEN_ROPE,
        {"out_hidden_size": 64},
    ),
    VisionFamily(
        "Llama 3.2 Vision",
        "MllamaConfig",
        "MllamaProcessor",
        ("mllama", {"size": SQUARE, "max_image_tiles": 2}),
        "<|image|>",
        {"image_token": "<|image|>", "python_token": "<|python_tag|>"},
        {"image_token_index": "=<|image|>"},
        {"cross_attention_layers": [1, 3], "vocab_size": 258},
        {
            "num_global_layers": 1,
            "vision_output_dim": 64,
            "intermediate_layers_indices": [0],
            "attention_heads": 2,
            "max_num_tiles": 2,
            "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
        },
    ),
    VisionFamily(
        "Mistral Small 3, Ministral 3",
        "Mistral3Config",
        "PixtralProcessor",
        (
            "pixtral",
            {"size": {"longest_edge": 2 * SIDE}, "patch_size": {"height": 28, "width": 28}},
        ),
        "[IMG]",
        {
            "image_token": "[IMG]",
            "image_break_token": "[IMG_BREAK]",
            "image_end_token": "[IMG_END]",
        },
        {"image_token_index": "=[IMG]", "spatial_merge_size": 2, "vision_feature_layer": -1},
        vision={"image_size": 2 * SIDE, "head_dim": 16},
        layout={"patch_size": PATCH, "spatial_merge_size": 2},
        missing="torchvision",
    ),
)


def save_vision_model(family: VisionFamily, folder: Path) -> Path:
    """Make the family's small model and its processor in a folder."""
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # no stubs
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no stubs
    tokenizer = byte_tokenizer(family.template.replace("PICTURE", family.mark), family.tokens)
    tokenizer.save_pretrained(folder)
    _image_processor(family).save_pretrained(folder)
    named = {"processor_class": family.processor, **family.layout}
    (folder / "processor_config.json").write_text(json.dumps(named))
    config = _config(family, tokenizer)
    torch.manual_seed(len(family.name))
    auto: Any = AutoModelForImageTextToText
    model = auto.from_config(config)
    for name, weights in model.named_parameters():
        if name.endswith("_gate"):  # of layers that would let no picture through
            weights.data.fill_(1.0)
        elif any(part in name for part in LARGE_WEIGHTS):
            weights.data.normal_(0, DEVIATION)
    model.save_pretrained(folder)
    return folder


def _image_processor(family: VisionFamily) -> Any:  # noqa: ANN401 - of any family
    name, fields = family.images
    module = importlib.import_module(f"transformers.models.{name}.image_processing_pil_{name}")
    made = next(
        value
        for key, value in vars(module).items()
        if key.endswith("ImageProcessorPil") and value.__module__ == module.__name__
    )
    return made(**fields)


def _config(family: VisionFamily, tokenizer: PreTrainedTokenizerFast) -> Any:  # noqa: ANN401 - untyped
    made: Any = getattr(transformers, family.config)
    known = made()
    ends = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    text = type(known.get_text_config())
    seeing: Any = (
        getattr(transformers, family.vision_config)
        if family.vision_config
        else type(known.vision_config)
    )
    return made(
        text_config=text(**{**fields_of(text(), {**SMALL, **ends}), **family.text}).to_dict(),
        vision_config=seeing(**{**fields_of(seeing(), SMALL_VISION), **family.vision}).to_dict(),
        **{name: _id_of(value, tokenizer) for name, value in family.extra.items()},
    )


def _id_of(value: Any, tokenizer: PreTrainedTokenizerFast) -> Any:  # noqa: ANN401 - a field
    if isinstance(value, str) and value.startswith("="):
        return tokenizer.convert_tokens_to_ids(value[1:])
    return value
