"""The sentiment model: a low-rank adapter and a small head on the first layers of a text encoder.

Trained by ``encoders.lora_training`` and used by ``encoders.classifier``; the trained part fits
into a file of less than 2 MB, the encoder below it is unchanged (Hu et al., "LoRA", 2021).
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import logging as transformers_logging

from shared.errors import ModelUnavailableError
from worker.engine.encoders.tensors import load_tokenizer, mean_pooled

SCALING = 2.0
"""The adapter's output is doubled, as is usual: alpha is twice the rank."""
HEAD_WIDTH = 64
NUM_CLASSES = 3
"""Below, at and above the middle of the scale."""
NUM_OUTPUTS = 1 + NUM_CLASSES
"""The score, and a logit for each class, which only training uses."""
DROPOUT = 0.1


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """The shape that is needed to load the file."""

    num_layers: int
    """How many of the encoder's layers are used, from below."""
    rank: int
    num_cues: int
    """The number of inputs of the head beside the encoder's."""


class LowRank(nn.Module):
    """A frozen linear layer with a low-rank adapter."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        scale = 1 / math.sqrt(linear.in_features)
        self.down = nn.Parameter(torch.randn(rank, linear.in_features) * scale)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """(…, in) to (…, out)."""
        added = nn.functional.linear(nn.functional.linear(states, self.down), self.up)
        frozen: torch.Tensor = self.linear(states)
        return frozen + SCALING * added

    def merged(self) -> nn.Linear:
        """One linear layer that computes the same."""
        with torch.no_grad():
            self.linear.weight += SCALING * (self.up @ self.down)
        return self.linear


class AdaptedEncoder(nn.Module):
    """Tokens and cues in; for each text the score and the class logits out."""

    def __init__(self, encoder: PreTrainedModel, shape: AdapterShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = encoder
        width = int(encoder.config.hidden_size)
        encoder.requires_grad_(requires_grad=False)
        layers = encoder.get_submodule("encoder")
        _replace(layers, lambda linear: LowRank(linear, shape.rank))
        for module in layers.modules():
            if isinstance(module, nn.LayerNorm):
                module.requires_grad_(requires_grad=True)
        self.hidden = nn.Linear(width + shape.num_cues, HEAD_WIDTH)
        self.output = nn.Linear(HEAD_WIDTH, NUM_OUTPUTS)

    def forward(
        self, token_ids: torch.Tensor, mask: torch.Tensor, cues: torch.Tensor
    ) -> torch.Tensor:
        """Rate texts.

        Args:
            token_ids: (batch, time), int64.
            mask: (batch, time), 1 for real tokens.
            cues: (batch, num_cues), float32.

        Returns:
            (batch, NUM_OUTPUTS), float32: the score, then the logits of the classes.
        """
        states = self.encoder(input_ids=token_ids, attention_mask=mask).last_hidden_state
        return self.rated(mean_pooled(states, mask), cues)

    def rated(self, pooled: torch.Tensor, cues: torch.Tensor) -> torch.Tensor:
        """The head: (batch, width) and (batch, num_cues) to (batch, NUM_OUTPUTS), float32."""
        read = torch.cat([pooled, cues], dim=1)  # (batch, width + num_cues)
        read = nn.functional.dropout(read, DROPOUT, self.training)
        rated: torch.Tensor = self.output(nn.functional.gelu(self.hidden(read)))
        return rated

    def merge(self) -> None:
        """Merge the adapter into its layers."""
        _replace(self.encoder.get_submodule("encoder"), LowRank.merged)

    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters that training changes."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def trained(self) -> dict[str, torch.Tensor]:
        """The trained parameters by name."""
        return {name: p.detach() for name, p in self.named_parameters() if p.requires_grad}


def _replace(module: nn.Module, change: Any) -> None:  # noqa: ANN401 - a layer to a layer
    """Replace each linear layer below a module, with or without an adapter."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear | LowRank):
            setattr(module, name, change(child))
        else:
            _replace(child, change)


def load_encoder(place: str, num_layers: int) -> PreTrainedModel:
    """The first layers of an encoder, in float32; raises transformers' exceptions."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no stubs
    config = AutoConfig.from_pretrained(place, trust_remote_code=False)
    config.num_hidden_layers = num_layers
    verbosity = transformers_logging.get_verbosity()
    # The layers above are left out on purpose; transformers warns of each of their weights.
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # no stubs
    try:
        encoder: PreTrainedModel = AutoModel.from_pretrained(
            place,
            config=config,
            add_pooling_layer=False,
            use_safetensors=True,
            trust_remote_code=False,
        )
    finally:
        transformers_logging.set_verbosity(verbosity)
    return encoder


def new_adapted(place: str, shape: AdapterShape, seed: int = 0) -> tuple[AdaptedEncoder, Any]:
    """A model to train, and its tokenizer."""
    encoder = load_encoder(place, shape.num_layers)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AdaptedEncoder(encoder, shape), load_tokenizer(place)


def save_adapter(model: AdaptedEncoder, notes: dict[str, str], file: Path) -> None:
    """Save the trained parameters in half precision, with notes on the training."""
    shape = {name: str(value) for name, value in asdict(model.shape).items()}
    tensors = {name: p.half().contiguous() for name, p in model.trained().items()}
    save_file(tensors, file, metadata={**notes, **shape})


def load_adapted(place: str, file: Path) -> tuple[AdaptedEncoder, Any, dict[str, str]]:
    """A trained model that is ready to be used, its tokenizer, and the notes.

    Raises:
        ModelUnavailableError: the file does not belong to this encoder.
    """
    with safe_open(file, framework="pt") as opened:
        notes: dict[str, str] = opened.metadata()
        names = opened.keys()
        tensors = {name: opened.get_tensor(name).float() for name in names}
    shape = AdapterShape(*(int(notes[name]) for name in ("num_layers", "rank", "num_cues")))
    model, tokenizer = new_adapted(place, shape)
    try:
        unknown = model.load_state_dict(tensors, strict=False).unexpected_keys
    except RuntimeError as error:  # a tensor of another size
        raise ModelUnavailableError(_foreign(file)) from error
    if unknown or set(model.trained()) - set(tensors):
        raise ModelUnavailableError(_foreign(file))
    return model.eval(), tokenizer, notes


def _foreign(file: Path) -> str:
    return (
        f"{file} does not belong to all-MiniLM-L6-v2: train it anew with `parley train sentiment`."
    )
