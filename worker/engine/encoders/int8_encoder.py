"""The sentiment model for processors: its layers in int8, many texts in a row without padding.

``AdaptedEncoder`` computes the same in floats; this one is made from it once its adapter is merged,
for inference only. Implements BERT's layers and does not know what is rated.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from worker.engine.encoders.lora import AdaptedEncoder
from worker.engine.int8 import Int8Product


class Int8Encoder:
    """Tokens and cues in; for each text the score and the class logits out."""

    def __init__(self, model: AdaptedEncoder) -> None:
        """Pack the weights of a model on the CPU whose adapter is merged."""
        encoder: Any = model.encoder
        self._model = model
        self._embeddings = encoder.embeddings
        self._layers = [_Layer(layer) for layer in encoder.encoder.layer]

    def __call__(
        self, token_ids: Sequence[Sequence[int]], cues: Sequence[Sequence[float]]
    ) -> Tensor:
        """Rate texts, those of the same length side by side.

        Args:
            token_ids: of each text.
            cues: of each text, ``num_cues`` numbers.

        Returns:
            (texts, NUM_OUTPUTS), float32, as ``AdaptedEncoder`` returns.
        """
        runs = [(length, len(list(same))) for length, same in groupby(map(len, token_ids))]
        states = self._embedded(token_ids)  # (num_tokens, width), all texts' tokens in a row
        for layer in self._layers:
            states = layer(states, runs)
        means = [part.mean(1) for part in _parts(states, runs)]
        return self._model.rated(torch.cat(means), torch.tensor(cues))

    def _embedded(self, token_ids: Sequence[Sequence[int]]) -> Tensor:
        every = torch.tensor([token for ids in token_ids for token in ids])
        places = torch.tensor([place for ids in token_ids for place in range(len(ids))])
        embeddings = self._embeddings
        states: Tensor = embeddings.LayerNorm(
            embeddings.word_embeddings(every)
            + embeddings.position_embeddings(places)
            + embeddings.token_type_embeddings.weight[0]
        )
        return states


class _Layer:
    """One of BERT's layers."""

    def __init__(self, layer: Any) -> None:  # noqa: ANN401 - transformers has no type for it
        attention = layer.attention
        of_self = attention.self
        self._num_heads = int(of_self.num_attention_heads)
        self._asked = _Linear(of_self.query, of_self.key, of_self.value)
        self._told = _Linear(attention.output.dense)
        self._norm: nn.LayerNorm = attention.output.LayerNorm
        self._wide = _Linear(layer.intermediate.dense)
        self._narrow = _Linear(layer.output.dense)
        self._last_norm: nn.LayerNorm = layer.output.LayerNorm

    def __call__(self, states: Tensor, runs: Sequence[tuple[int, int]]) -> Tensor:
        """(num_tokens, width) to the same."""
        asked = self._asked(states)  # (num_tokens, 3 * width)
        heads = torch.cat([self._attended(part) for part in _parts(asked, runs)])
        states = self._norm(self._told(heads).add_(states))
        wide = nn.functional.gelu(self._wide(states))
        normed: Tensor = self._last_norm(self._narrow(wide).add_(states))
        return normed

    def _attended(self, asked: Tensor) -> Tensor:
        """(texts, time, 3 * width) to (texts * time, width)."""
        num_texts, length, _ = asked.shape
        split = asked.view(num_texts, length, 3, self._num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split  # (texts, heads, time, head_dim) each
        heads = nn.functional.scaled_dot_product_attention(query, key, value)
        return heads.transpose(1, 2).reshape(num_texts * length, -1)


class _Linear:
    """Linear layers with the same input, computed as one."""

    def __init__(self, *layers: nn.Linear) -> None:
        self._product = Int8Product(torch.cat([layer.weight for layer in layers]))
        self._bias = torch.cat([layer.bias for layer in layers]).detach()

    def __call__(self, states: Tensor) -> Tensor:
        product: Tensor = self._product(states)
        return product.add_(self._bias)


def _parts(states: Tensor, runs: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
    """Texts of one length together: (texts, time, width), for each (length, texts) of runs."""
    sizes = [length * num_texts for length, num_texts in runs]
    for part, (length, num_texts) in zip(torch.split(states, sizes), runs, strict=True):
        yield part.view(num_texts, length, -1)
