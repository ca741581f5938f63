"""Matrix products in int8 on a processor, the base of both of our own CPU paths.

Weights have a scale per row and inputs a scale per token, so that no token's numbers depend on
which others are computed with it.
"""

import warnings
from typing import Final

import torch
from torch import Tensor, nn

INT8_MAX: Final = 127
INT7_MAX: Final = 63
TINY: Final = 1e-8


class Int8Product(nn.Module):
    """``y = x W^T`` with weights and inputs in int8."""

    def __init__(self, weight: Tensor) -> None:
        """Pack float weights, (num_outputs, num_inputs)."""
        super().__init__()
        weight = weight.detach().float()
        steps = (weight.abs().amax(1) / largest_weight()).clamp_min(TINY)
        zeros = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():
            # Deprecated in torch; nothing else in it computes this without a compiler.
            warnings.simplefilter("ignore", UserWarning)
            rounded = torch.quantize_per_channel(weight, steps.double(), zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(rounded, None)

    def forward(self, x: Tensor) -> Tensor:
        """(num_tokens, num_inputs) to (num_tokens, num_outputs), float32."""
        largest = torch.maximum(x.amax(1, keepdim=True), -x.amin(1, keepdim=True))
        largest = largest.clamp_(min=1e-8)
        y = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x / largest, 1 / 127, 128, self.packed
        )
        scaled: Tensor = y.mul_(largest)
        return scaled


def largest_weight() -> int:
    """The int8 value that the largest weight of a row is rounded to.

    Processors without instructions for it (VNNI) add two products in 16 bits, which overflow where
    both numbers have eight bits; a weight of seven always fits.
    """
    return INT8_MAX if torch.cpu._is_vnni_supported() else INT7_MAX  # noqa: SLF001 - no other way
