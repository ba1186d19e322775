"""Whether single units follow the column index, against what chance gives to the best of many."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lightning_modules.measures.number import number, precise, varies


class IndexCorrelation(NamedTuple):
    """Largest |correlation| over units; and its 95 % quantile when order is permuted."""

    largest: float | None
    null: float | None


def index_correlation(
    hidden: Tensor, generator: torch.Generator, *, permutations: int = 100
) -> IndexCorrelation:
    """Correlation of each unit of hidden [B, T, D] with the index, over all tokens.

    The maximum over D units is large by chance; the null permutes the index within each sequence
    and takes the same maximum. Constant units are left out; None where all are.
    """
    num_sequences, length, size = hidden.shape
    units = precise(hidden).reshape(-1, size)
    if length < 2 or not units.isfinite().all():
        return IndexCorrelation(None, None)
    units = units[:, varies(units, dim=0).squeeze(0)]
    if units.shape[1] == 0:
        return IndexCorrelation(None, None)
    units = units - units.mean(dim=0)
    units = units / units.norm(dim=0)
    noise = torch.rand(
        permutations, num_sequences, length, generator=generator, device=generator.device
    )
    true = torch.arange(length).expand(1, num_sequences, length)
    index = torch.cat([true.to(noise.device), noise.argsort(dim=2)]).to(units).flatten(1)
    index = index - (length - 1) / 2
    largest = (index @ units).abs().amax(dim=1) / index[0].norm()
    return IndexCorrelation(number(largest[0]), number(largest[1:].quantile(0.95)))
