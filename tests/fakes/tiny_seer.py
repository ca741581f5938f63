"""A real model that reads text and sees pictures, and is small: LLaVA's parts with seeded weights.

It writes nonsense in ASCII letters that depends on what it is shown. Saved as a folder for a model
server.
"""

import io
from pathlib import Path

import torch
from PIL import Image
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tests.fakes.tiny_model import SEED, make_tokenizer, speak_ascii

PICTURE = "<image>"
SIDE, PATCH = 32, 16
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}"
    "{% endfor %}{% endif %}{{ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def picture(color: str) -> bytes:
    """A PNG of one color."""
    file = io.BytesIO()
    Image.new("RGB", (40, 40), color).save(file, "PNG")
    return file.getvalue()


def save_tiny_seer(folder: Path) -> Path:
    """Make the model in this folder."""
    tokenizer = make_tokenizer(has_template=False)
    tokenizer.add_special_tokens({"additional_special_tokens": [PICTURE]})
    torch.manual_seed(SEED)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=32,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    (picture_id,) = tokenizer.encode(PICTURE, add_special_tokens=False)
    model = LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=text, image_token_index=picture_id)
    )
    speak_ascii(model.lm_head, tokenizer, ends=False)
    model.save_pretrained(folder, safe_serialization=True)
    LlavaProcessor(  # type: ignore[no-untyped-call]  # no types
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
    return folder
