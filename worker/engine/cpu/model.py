"""One forward step of a Llama-like model over tokens of many sequences at once.

Weights are int8 with a scale a row (or plain floats), inputs int8 with a scale a token, so that no
sequence's numbers depend on its neighbours'. The step is one TorchScript call: no interpreter
between its operators, and other threads run meanwhile. It needs no compiler on the machine.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from worker.engine.cpu.block_allocator import CacheBlock
from worker.engine.int8 import Int8Product

FAMILIES: Final = ("llama", "mistral", "qwen2")
SMALLEST_COLUMN: Final = 1e-5
SMOOTHING: Final = 0.4
MINUS_INFINITY: Final = float("-inf")
ROPE_TYPES: Final = ("default", "linear", "llama3", None)
Cache = tuple[Tensor, Tensor]
"""Keys and values; (num_layers, cache_tokens * token_numbers) each."""
Places = tuple[Tensor, Tensor, Tensor]
"""Cosines and signed sines of the tokens' positions, (num_tokens, 1, head_dim) each, and the
positions, (num_tokens,)."""
Part = tuple[list[int], Tensor]
"""A ``AttentionSpan``'s five numbers, and what its tokens may not see; TorchScript takes no
classes."""


@dataclass(frozen=True, slots=True)
class AttentionSpan:
    """Some tokens of a step that attend together.

    Either one token of each of several sequences whose blocks lie side by side, or several tokens
    of one sequence.
    """

    offset: int
    """Where the first block begins, in tokens."""
    block_size: int
    num_blocks: int
    num_tokens: int
    """Of each sequence."""
    num_seen: int
    """The most tokens that one of them attends to."""


@dataclass(frozen=True, slots=True)
class CpuModelShape:
    """Sizes of a model."""

    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int

    @property
    def token_numbers(self) -> int:
        """Numbers of keys, and as many of values, that a token keeps in a layer."""
        return self.num_kv_heads * self.head_dim


class Int8Linear(nn.Module):
    """``y = (x * scale) W^T`` with weights and inputs in int8."""

    def __init__(self, weight: Tensor, scale: Tensor, largest: Tensor) -> None:
        """Pack float weights.

        Args:
            weight: (num_outputs, num_inputs).
            scale: what an input is multiplied by, such as a norm's weights; (num_inputs,).
            largest: the largest numbers that were seen in each input; (num_inputs,).
        """
        super().__init__()
        weight = weight.float()
        share = _moved(weight, largest.float())
        self.scale = scale.float() / share
        self.product = Int8Product(weight * share)

    def forward(self, x: Tensor) -> Tensor:
        """(num_tokens, num_inputs) to (num_tokens, num_outputs), float32."""
        y: Tensor = self.product(x * self.scale)
        return y


def _moved(weight: Tensor, largest: Tensor) -> Tensor:
    """How much of each input's size goes into the weights, so that both are rounded little.

    The smoothing of SmoothQuant (Xiao et al., 2023): ``largest^a / weights^(1 - a)``. With a = 0.4
    the default model's perplexity rises by 1.1 %, without by 3.6 %.
    """
    columns = weight.abs().amax(0).clamp_min(SMALLEST_COLUMN)
    share = largest.clamp_min(SMALLEST_COLUMN) ** SMOOTHING / columns ** (1 - SMOOTHING)
    return share / share.log().mean().exp()


class Linear(nn.Module):
    """The same in the model's own number format."""

    def __init__(self, weight: Tensor, scale: Tensor, largest: Tensor) -> None:
        super().__init__()
        del largest
        self.weight, self.scale = weight.detach(), scale

    def forward(self, x: Tensor) -> Tensor:
        """(num_tokens, num_inputs) to (num_tokens, num_outputs)."""
        return nn.functional.linear(x * self.scale, self.weight)


Kind = type[Int8Linear] | type[Linear]


class Layer(nn.Module):
    """Attention and the projections around it.

    A norm's scale a token comes after its projection, where it changes no rounding.
    """

    def __init__(
        self,
        layer: Any,  # noqa: ANN401 - transformers' layers share no type
        shape: CpuModelShape,
        eps: float,
        kind: Kind,
        largest: dict[nn.Module, Tensor],
    ) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        into = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.attend_in = kind(
            torch.cat([part.weight for part in into]),
            layer.input_layernorm.weight,
            largest[attention.q_proj],
        )
        self.has_bias: Final = into[0].bias is not None
        self.bias = torch.cat([part.bias for part in into] if self.has_bias else [torch.zeros(0)])
        self.attend_out = _plain(kind, attention.o_proj, largest)
        self.mlp_in = kind(
            torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
            layer.post_attention_layernorm.weight,
            largest[mlp.gate_proj],
        )
        self.mlp_out = _plain(kind, mlp.down_proj, largest)
        self.num_heads: Final = shape.num_heads
        self.num_kv_heads: Final = shape.num_kv_heads
        self.num_shared: Final = shape.num_heads // shape.num_kv_heads
        self.head_dim: Final = shape.head_dim
        self.num_hidden: Final = mlp.gate_proj.weight.shape[0]
        self.scale: Final = shape.head_dim**-0.5
        self.eps: Final = eps

    def forward(self, x: Tensor, places: Places, cache: Cache, parts: list[Part]) -> Tensor:
        """One layer; (num_tokens, width) to the same. The cache is this layer's."""
        num_tokens = x.size(0)
        qkv = self.attend_in(x).mul_(_inverse_rms(x, self.eps))
        if self.has_bias:
            qkv = qkv + self.bias
        qkv = qkv.view(num_tokens, self.num_heads + 2 * self.num_kv_heads, self.head_dim)
        turned = qkv[:, : self.num_heads + self.num_kv_heads]
        other_half = torch.roll(turned, self.head_dim // 2, -1)
        turned = torch.addcmul(turned * places[0], other_half, places[1])
        q, k = turned[:, : self.num_heads], turned[:, self.num_heads :]
        v = qkv[:, self.num_heads + self.num_kv_heads :]
        seen: list[Tensor] = []
        at = 0
        for part in parts:
            until = at + part[0][2] * part[0][3]
            of_part = (q[at:until], k[at:until], v[at:until])
            seen.append(self.attend(of_part, places[2][at:until], cache, part))
            at = until
        attended = seen[0] if len(seen) == 1 else torch.cat(seen)
        x = x + self.attend_out(attended)
        hidden = self.mlp_in(x).mul_(_inverse_rms(x, self.eps))
        gate = nn.functional.silu(hidden[:, : self.num_hidden])
        result: Tensor = x + self.mlp_out(gate * hidden[:, self.num_hidden :])
        return result

    def attend(
        self, qkv: tuple[Tensor, Tensor, Tensor], positions: Tensor, cache: Cache, part: Part
    ) -> Tensor:
        """Put a part's keys and values into the cache and attend; (num_tokens, width)."""
        q, k, v = qkv
        numbers, mask = part
        offset, size, num_blocks, num_tokens, num_seen = (
            numbers[0], numbers[1], numbers[2], numbers[3], numbers[4],
        )  # fmt: skip
        num_each = self.num_kv_heads * self.head_dim
        start, end = offset * num_each, (offset + num_blocks * size) * num_each
        keys = cache[0][start:end].view(num_blocks, self.num_kv_heads, size, self.head_dim)
        values = cache[1][start:end].view(num_blocks, self.num_kv_heads, size, self.head_dim)
        if num_tokens == 1:
            rows = torch.arange(num_blocks)
            keys[rows, :, positions] = k
            values[rows, :, positions] = v
            read_k = keys.flatten(0, 1)[:, :num_seen]
            read_v = values.flatten(0, 1)[:, :num_seen]
            # the heads that share keys are rows of one product
            grouped = q.reshape(num_blocks * self.num_kv_heads, self.num_shared, self.head_dim)
            scores = torch.baddbmm(mask, grouped, read_k.transpose(1, 2), alpha=self.scale)
            return torch.bmm(torch.softmax(scores, -1), read_v).view(num_blocks, -1)
        keys[0, :, num_seen - num_tokens : num_seen] = k.transpose(0, 1)
        values[0, :, num_seen - num_tokens : num_seen] = v.transpose(0, 1)
        grouped = q.reshape(num_tokens, self.num_kv_heads, self.num_shared, self.head_dim)
        grouped = grouped.permute(1, 2, 0, 3).flatten(1, 2).unsqueeze(0)
        found = nn.functional.scaled_dot_product_attention(
            grouped, keys[:, :, :num_seen], values[:, :, :num_seen], attn_mask=mask
        )
        found = found[0].view(self.num_kv_heads, self.num_shared, num_tokens, self.head_dim)
        return found.permute(2, 0, 1, 3).reshape(num_tokens, -1)


class Network(nn.Module):
    """All layers and the choice among the vocabulary."""

    def __init__(
        self, model: PreTrainedModel, kind: Kind, largest: dict[nn.Module, Tensor]
    ) -> None:
        """Take the weights of a model of one of ``FAMILIES``."""
        super().__init__()
        inner: Any = model.model
        config = model.config.get_text_config()
        eps = float(config.rms_norm_eps)
        shape = shape_of(model)
        self.layers = nn.ModuleList(
            Layer(layer, shape, eps, kind, largest) for layer in inner.layers
        )
        head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # no stubs
        self.head = kind(head.weight, inner.norm.weight, largest[head])
        self.eps: Final = eps

    def forward(
        self, x: Tensor, places: Places, cache: Cache, parts: list[Part], wanted: Tensor
    ) -> Tensor:
        """Compute a step.

        Args:
            x: the tokens' embeddings, part by part; (num_tokens, width).
            places: the tokens' positions, see ``Places``.
            cache: keys and values of all; written to.
            parts: the spans in which tokens attend.
            wanted: of which tokens the next is to be chosen; (num_wanted,).

        Returns:
            Logits; (num_wanted, num_vocabulary).
        """
        for index, layer in enumerate(self.layers):
            x = layer(x, places, (cache[0][index], cache[1][index]), parts)
        last = x[wanted]
        logits: Tensor = self.head(last).mul_(_inverse_rms(last, self.eps))
        return logits


def _plain(kind: Kind, linear: nn.Linear, largest: dict[nn.Module, Tensor]) -> nn.Module:
    """A projection with no norm before it."""
    ones = torch.ones(linear.in_features, dtype=linear.weight.dtype)
    return kind(linear.weight, ones, largest[linear])


def _inverse_rms(x: Tensor, eps: float) -> Tensor:
    """One over the root mean square of each row; (num_tokens, 1)."""
    return x.square().mean(1, keepdim=True).add_(eps).rsqrt_()


class Stepper:
    """A network with what is around it: embeddings, positions, masks."""

    def __init__(
        self,
        model: PreTrainedModel,
        kind: Kind,
        num_positions: int,
        largest: dict[nn.Module, Tensor],
    ) -> None:
        """Pack the weights.

        Args:
            model: of one of ``FAMILIES``, on the CPU.
            kind: in which numbers.
            num_positions: the longest sequence.
            largest: the largest input of each linear layer, see ``quality.observe``.
        """
        self.shape = shape_of(model)
        inner: Any = model.model
        self._embed: Any = inner.embed_tokens
        positions = torch.arange(num_positions).unsqueeze(0)
        cos, sin = inner.rotary_emb(self._embed.weight[:1].unsqueeze(0), positions)
        half = self.shape.head_dim // 2
        self._cos = cos[0].unsqueeze(1)
        self._sin = torch.cat([-sin[0, :, :half], sin[0, :, half:]], 1).unsqueeze(1)
        self.dtype = torch.float32 if kind is Int8Linear else model.dtype
        self.weight_itemsize = 1 if kind is Int8Linear else model.dtype.itemsize
        """Bytes of a weight."""
        self._network = _scripted(Network(model, kind, largest))

    def new_cache(self, num_tokens: int) -> Cache:
        """A cache for so many tokens; memory that nobody writes to is not taken.

        Zeros: what a mask hides is multiplied by nothing, and nothing times NaN is NaN.
        """
        num_bytes = num_tokens * self.shape.token_numbers * self.dtype.itemsize

        def zeros() -> Tensor:
            lazy = np.zeros((self.shape.num_layers, num_bytes), np.uint8)
            return torch.from_numpy(lazy).view(self.dtype)

        return zeros(), zeros()

    def copy(self, cache: Cache, source: CacheBlock, target: CacheBlock, num_tokens: int) -> None:
        """Copy the first tokens of one block into another."""
        for numbers in cache:
            whole = self._view(numbers, target)
            whole[:, :, :num_tokens] = self._view(numbers, source)[:, :, :num_tokens]

    def _view(self, numbers: Tensor, block: CacheBlock) -> Tensor:
        """A block of the cache; (num_layers, num_kv_heads, block.size, head_dim)."""
        each = self.shape.token_numbers
        part = numbers[:, block.offset * each : (block.offset + block.size) * each]
        return part.view(len(numbers), -1, block.size, self.shape.head_dim)

    def step(
        self,
        token_ids: list[int],
        positions: list[int],
        spans: list[AttentionSpan],
        wanted: list[int],
        cache: Cache,
    ) -> Tensor:
        """Logits after the wanted tokens; (num_wanted, num_vocabulary). Fills the cache."""
        ids, at_positions = torch.tensor(token_ids), torch.tensor(positions)
        parts: list[Part] = []
        at = 0
        for span in spans:
            until = at + span.num_blocks * span.num_tokens
            numbers = [
                span.offset, span.block_size, span.num_blocks, span.num_tokens, span.num_seen,
            ]  # fmt: skip
            parts.append((numbers, self._mask(span, at_positions[at:until])))
            at = until
        places = (self._cos[at_positions], self._sin[at_positions], at_positions)
        embedded = self._embed(ids).to(self.dtype)
        logits: Tensor = self._network(embedded, places, cache, parts, torch.tensor(wanted))
        return logits

    def _mask(self, span: AttentionSpan, positions: Tensor) -> Tensor:
        """0 where a token may look and minus infinity elsewhere, in the layout of its attention.

        Returns:
            (num_blocks * num_kv_heads, 1, num_seen) for a token of each of several sequences,
            (heads a key is shared by * num_tokens, num_seen) for several tokens of one.
        """
        hidden = torch.arange(span.num_seen) > positions.unsqueeze(1)  # (num_tokens, num_seen)
        mask = torch.zeros(hidden.shape, dtype=self.dtype).masked_fill_(hidden, MINUS_INFINITY)
        if span.num_tokens == 1:
            return mask.repeat_interleave(self.shape.num_kv_heads, 0).unsqueeze(1)
        return mask.repeat(self.shape.num_heads // self.shape.num_kv_heads, 1)


def supports(model: PreTrainedModel) -> bool:
    """Whether this engine can compute a model of this kind."""
    config: Any = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        config.model_type in FAMILIES
        and model.device.type == "cpu"
        and getattr(config, "hidden_act", None) == "silu"
        and not getattr(config, "mlp_bias", False)
        and not getattr(config, "attention_bias", False)
        and not _has_window(config)
        and rope.get("rope_type") in ROPE_TYPES
    )


def _has_window(config: Any) -> bool:  # noqa: ANN401 - configurations share no fields
    types = getattr(config, "layer_types", None) or ()
    if types:
        return any(kind != "full_attention" for kind in types)
    return bool(getattr(config, "sliding_window", None))


def shape_of(model: PreTrainedModel) -> CpuModelShape:
    """The sizes that a model's configuration names."""
    config: Any = model.config.get_text_config()
    num_heads = int(config.num_attention_heads)
    return CpuModelShape(
        num_layers=int(config.num_hidden_layers),
        num_heads=num_heads,
        num_kv_heads=int(getattr(config, "num_key_value_heads", None) or num_heads),
        head_dim=int(getattr(config, "head_dim", None) or config.hidden_size // num_heads),
    )


def _scripted(network: Network) -> Any:  # noqa: ANN401 - torch names no type for what it makes
    with warnings.catch_warnings():
        # Announced to be replaced by ways that need a C++ compiler on the machine.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.script(network.eval())
