"""Initial values: each parameter from a generator of its own, so that arms share what they share.

With one global generator a model with a position table would start from other values in every
layer behind it than the model without. Here a value depends on (seed, parameter name) alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

SeedFor = Callable[[str, int], int]


@torch.no_grad()
def initialise(
    model: nn.Module,
    *,
    seed_for: SeedFor,
    std: float,
    rescale_residual: bool = False,
    num_layers: int = 1,
    prefix: str = "",
) -> None:
    """Matrices and tables N(0, std^2), biases 0, norm weights 1, in place.

    `prefix` is what stands before each parameter's name in its stream, such as "pooler." for a
    head that is initialised by itself.

    `rescale_residual` divides the projections that end a residual sublayer (`*.out.weight`) by
    sqrt(2L), as GPT-2 does. Values are drawn in float32 on the CPU, so that neither the device nor
    the precision of a model changes them.
    """
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            # An LSTM names its biases bias_ih_l0, bias_hh_l0, ...
            is_bias = name.rpartition(".")[2].startswith("bias")
            parameter.fill_(0.0 if is_bias else 1.0)
            continue
        scale = std
        if rescale_residual and name.endswith(".out.weight"):
            scale /= math.sqrt(2 * num_layers)
        generator = torch.Generator().manual_seed(seed_for(f"init/{prefix}{name}", 0))
        values = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
        parameter.copy_(values * scale)
