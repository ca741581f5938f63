"""A real causal language model that writes a script: each token has one successor.

A Llama model whose layers add nothing: a token's embedding goes through to the logits, and the
head's row of its successor is that embedding. Engines compute it like any other model.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import LlamaConfig, LlamaForCausalLM

from tests.fakes.tiny_model import BOS, EOS, make_tokenizer

WIDTH = 512
"""At least as many as tokens, so that no two embeddings have anything in common."""
CONTEXT_TOKENS = 4096


def save_scripted_model(
    folder: Path,
    template: str,
    successors: Mapping[str, str],
    *,
    special: Sequence[str] = (),
) -> Path:
    """Make the model in this folder.

    Args:
        folder: where to put it.
        template: the chat template; its last character or word decides what is written first.
        successors: word -> what is written behind it; each is one token. All else is followed by
            the end.
        special: the words that are control tokens.
    """
    tokenizer = make_tokenizer(has_template=True)
    tokenizer.chat_template = template
    words = dict.fromkeys((*successors, *successors.values()))
    added = [word for word in words if len(word) > 1 and word not in (BOS, EOS)]
    tokenizer.add_tokens(
        [AddedToken(word, special=word in special, normalized=False) for word in added]
    )
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    _write_script(model, tokenizer, successors)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def _write_script(model: Any, tokenizer: Any, successors: Mapping[str, str]) -> None:  # noqa: ANN401 - of transformers
    def id_of(word: str) -> int:
        (number,) = tokenizer.encode(word, add_special_tokens=False)
        return int(number)

    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(len(tokenizer), WIDTH))
        head = model.lm_head.weight.zero_()
        head[tokenizer.eos_token_id] = 0.1
        for word, following in successors.items():
            head[id_of(following), id_of(word)] = 1.0
