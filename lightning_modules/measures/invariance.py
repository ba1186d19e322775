"""How much the prediction depends on the order of the tokens before the last one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lightning_modules.measures.number import ROUNDING, number, precise


def invariance(
    logits_fn: Callable[[Tensor], Tensor],
    tokens: Tensor,
    generator: torch.Generator,
    *,
    permutations: int = 4,
) -> float | None:
    """Largest |change of a logit| at the last position, over the s.d. of those logits, when all
    tokens but the last are permuted.

    logits_fn: tokens [B, T] -> logits [B, V] at the last position; float64, for about 1e-15 to
    mean "exactly invariant". Each row is permuted by itself, `permutations` times. None where
    there is nothing to permute, or where all logits are the same.
    """
    free = tokens.shape[1] - 1
    if free < 2:
        return None
    logits = precise(logits_fn(tokens))
    spread = logits.std(correction=0)
    if not spread > ROUNDING * logits.abs().max():
        return None
    change = torch.zeros((), dtype=logits.dtype, device=logits.device)
    for _ in range(permutations):
        noise = torch.rand(len(tokens), free, generator=generator, device=generator.device)
        order = noise.argsort(dim=1).to(tokens.device)
        permuted = torch.cat([tokens[:, :free].gather(1, order), tokens[:, free:]], dim=1)
        change = torch.maximum(change, (precise(logits_fn(permuted)) - logits).abs().max())
    return number(change / spread)
