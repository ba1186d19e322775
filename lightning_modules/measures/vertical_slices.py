"""Whether column k of the network represents token k ("vertical slices")."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.measures.number import number, precise
from lightning_modules.measures.ridge import halves, ridge_predictions


class VerticalSlices(NamedTuple):
    """Held-out accuracy at reading a column's token from the column itself, and from the others."""

    own: float | None
    other: float | None


def vertical_slices(hidden: Tensor, tokens: Tensor, *, ridge: float = 1e-2) -> VerticalSlices:
    """Ridge regression of token k's one-hot vector on column j's hidden state, for every k and j:
    the mean accuracy over j = k and over j != k, fitted and scored on different sequences.

    hidden [B, T, D], tokens [B, T]. Columns whose token is always the same are not predicted: any
    column "knows" them. Needs T * K * V * B / 2 numbers for K predicted columns of V token kinds.
    """
    kinds, classes = tokens.unique(return_inverse=True)
    predicted = (classes != classes[:1]).any(dim=0).nonzero().squeeze(1)
    num_sequences, length, _ = hidden.shape
    if num_sequences < 2 or length < 2 or not len(predicted) or not hidden.isfinite().all():
        return VerticalSlices(None, None)
    fit, score = (half.transpose(0, 1) for half in halves(precise(hidden)))
    y, y_new = halves(classes[:, predicted])
    one_hot = F.one_hot(y, len(kinds)).to(fit.dtype).flatten(1)
    scores = ridge_predictions(fit, one_hot.expand(length, -1, -1), score, ridge=ridge)
    guess = scores.unflatten(2, (len(predicted), len(kinds))).argmax(dim=3)
    accuracy = (guess == y_new).double().mean(dim=1)  # [source column, predicted column]
    source = torch.arange(length, device=predicted.device)
    own = source[:, None] == predicted
    return VerticalSlices(number(accuracy[own].mean()), number(accuracy[~own].mean()))
