"""A real encoder that is small: one layer of BERT, five words, seeded weights.

Saved as a folder that ``PARLEY_SENTIMENT_MODEL`` and ``PARLEY_EMBEDDING_MODEL`` can name.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

WORDS = ("[PAD]", "[UNK]", "good", "bad", "day")
LABELS = ("negative", "neutral", "positive")
SEED = 3


def save_tiny_encoder(
    folder: Path, labels: Sequence[str] = LABELS, *, is_safe: bool = True
) -> Path:
    """Make the model in this folder; as a classifier, the first words of a text decide.

    Args:
        folder: where to put it.
        labels: its classes.
        is_safe: whether its weights are safetensors; if not, they are pickled.
    """
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # no types
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(SEED)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=dict(enumerate(labels)),
    )
    model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    if not is_safe:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder
