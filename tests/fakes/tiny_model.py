"""A real causal language model that is small: two layers, a byte tokenizer, seeded weights.

It writes nonsense in ASCII letters, the same for the same prompt, some hundred times faster than
a useful model. Saved as a folder that ``PARLEY_MODEL`` can name.
"""

import string
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SEED = 7
CONTEXT_TOKENS = 4096
BOS, EOS = "<|begin|>", "<|end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
SPOKEN = string.ascii_letters + " "
"""Nothing that is markup anywhere, so that answers look the same on every platform."""


def save_tiny_model(folder: Path, *, has_template: bool = True, ends: bool = True) -> Path:
    """Make the model in this folder.

    Args:
        folder: where to put it.
        has_template: whether the tokenizer has a chat template, as chat models have.
        ends: whether it ever writes its end-of-text token; if not, answers have full length.
    """
    tokenizer = make_tokenizer(has_template=has_template)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    speak_ascii(model.lm_head, tokenizer, ends=ends)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def make_tokenizer(*, has_template: bool) -> PreTrainedTokenizerFast:
    """A tokenizer with a token for each byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {char: number for number, char in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # no types
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, clean_up_tokenization_spaces=False
    )
    if has_template:
        fast.chat_template = CHAT_TEMPLATE
    return fast


def speak_ascii(head: torch.nn.Linear, tokenizer: PreTrainedTokenizerFast, *, ends: bool) -> None:
    """Give only letters, and perhaps the end, a chance of being the likeliest."""
    spoken = {tokenizer.encode(char, add_special_tokens=False)[0] for char in SPOKEN}
    if ends:
        spoken.add(tokenizer.eos_token_id)
    silent = [number for number in range(len(tokenizer)) if number not in spoken]
    with torch.no_grad():
        head.weight.normal_(std=1.0)
        head.weight[silent] = 0.0
