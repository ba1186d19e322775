"""Ridge regression, fitted on one half of the sequences and scored on the other."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_modules.measures.number import varies


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sequences [B, ...] to fit on and to score on: every other one, so that an order among them
    (sorted problems, say) does not tell the halves apart."""
    return x[0::2], x[1::2]


def ridge_predictions(x: Tensor, y: Tensor, x_new: Tensor, *, ridge: float) -> Tensor:
    """Fits y [..., N, K] on x [..., N, D]; the predictions [..., M, K] at x_new [..., M, D].

    Features are standardised by the N rows, and constant ones left out; the intercept is free.
    Minimises |y - xw|^2 + ridge N |w|^2.
    """
    mean, y_mean = x.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    deviation = x.std(-2, correction=0, keepdim=True)
    scale = torch.where(varies(x, dim=-2), 1 / deviation, 0.0)
    z = (x - mean) * scale
    gram = z.mT @ z + ridge * x.shape[-2] * torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    weights = torch.linalg.solve(gram, z.mT @ (y - y_mean))
    return (x_new - mean) * scale @ weights + y_mean
