"""A small projector for pictures as a GGUF file (mmproj): CLIP's parts with seeded weights.

Laid out as llama.cpp's converter does for LLaVA: a vision tower, and two layers into a text model.
"""

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

SIDE, PATCH, WIDTH, HIDDEN, NUM_LAYERS, NUM_HEADS = 32, 16, 32, 64, 2, 2
SEED = 7


def save_tiny_projector(file: Path, text_width: int = 64) -> Path:
    """Write the projector.

    Args:
        file: where to.
        text_width: of the text model's embeddings.
    """
    writer = gguf.GGUFWriter(file, "clip")
    writer.add_clip_has_vision_encoder(value=True)
    writer.add_clip_projector_type("mlp")
    writer.add_bool("clip.use_gelu", False)  # noqa: FBT003 - a value
    writer.add_vision_image_size(SIDE)
    writer.add_vision_patch_size(PATCH)
    writer.add_vision_embedding_length(WIDTH)
    writer.add_vision_feed_forward_length(HIDDEN)
    writer.add_vision_projection_dim(WIDTH)
    writer.add_vision_block_count(NUM_LAYERS)
    writer.add_vision_head_count(NUM_HEADS)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    random = np.random.default_rng(SEED)
    for name, shape in _shapes(text_width).items():
        writer.add_tensor(name, _values(name, shape, random))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _values(
    name: str, shape: tuple[int, ...], random: np.random.Generator
) -> NDArray[np.float32 | np.float16]:
    if "ln" in name:
        scale = 1.0 if name.endswith("weight") else 0.0
        return np.full(shape, scale, dtype=np.float32)
    values = random.normal(0, 0.5, shape)
    return values.astype(np.float16 if len(shape) > 1 and name != "v.class_embd" else np.float32)


def _shapes(text_width: int) -> dict[str, tuple[int, ...]]:
    num_places = (SIDE // PATCH) ** 2 + 1
    shapes: dict[str, tuple[int, ...]] = {
        "v.class_embd": (WIDTH,),
        "v.patch_embd.weight": (WIDTH, 3, PATCH, PATCH),
        "v.position_embd.weight": (num_places, WIDTH),
        "v.pre_ln.weight": (WIDTH,),
        "v.pre_ln.bias": (WIDTH,),
        "v.post_ln.weight": (WIDTH,),
        "v.post_ln.bias": (WIDTH,),
        "mm.0.weight": (text_width, WIDTH),
        "mm.0.bias": (text_width,),
        "mm.2.weight": (text_width, text_width),
        "mm.2.bias": (text_width,),
    }
    for layer in range(NUM_LAYERS):
        block = f"v.blk.{layer}."
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            shapes |= {f"{block}{part}.weight": (WIDTH, WIDTH), f"{block}{part}.bias": (WIDTH,)}
        for part in ("ln1", "ln2"):
            shapes |= {f"{block}{part}.weight": (WIDTH,), f"{block}{part}.bias": (WIDTH,)}
        shapes |= {
            f"{block}ffn_up.weight": (HIDDEN, WIDTH),
            f"{block}ffn_up.bias": (HIDDEN,),
            f"{block}ffn_down.weight": (WIDTH, HIDDEN),
            f"{block}ffn_down.bias": (WIDTH,),
        }
    return shapes
