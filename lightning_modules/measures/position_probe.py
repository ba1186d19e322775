"""How well a linear probe reads the column index from a hidden state."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lightning_modules.measures.number import number, precise
from lightning_modules.measures.ridge import halves, ridge_predictions


class PositionProbe(NamedTuple):
    """R^2 (0: as good as the mean index, negative: worse), mean absolute error in columns."""

    r2: float | None
    mae: float | None


def position_probe(hidden: Tensor, *, ridge: float = 1e-6) -> PositionProbe:
    """Ridge regression of the index 0..T-1 on hidden states [B, T, D], fitted on half of the
    sequences and scored on the other half.

    Tokens that always stand in the same column ('+', '=') give their index away at the embedding
    already: subtract that layer's R^2, and look at inputs of random tokens too.
    """
    num_sequences, length, size = hidden.shape
    if num_sequences < 2 or length < 2 or not hidden.isfinite().all():
        return PositionProbe(None, None)
    fit, score = (half.reshape(-1, size) for half in halves(precise(hidden)))
    index = torch.arange(length, dtype=fit.dtype, device=fit.device)
    y, y_new = (index.repeat(len(x) // length)[:, None] for x in (fit, score))
    error = ridge_predictions(fit, y, score, ridge=ridge) - y_new
    r2 = 1 - error.square().sum() / (y_new - y_new.mean()).square().sum()
    return PositionProbe(number(r2), number(error.abs().mean()))
