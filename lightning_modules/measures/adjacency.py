"""Whether neighbouring positions resemble each other more than distant ones (arXiv 2501.00073)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.measures.number import number, precise

FAR = 3  # columns apart


def adjacency_cosine(hidden: Tensor) -> float | None:
    """Mean cosine of neighbours minus mean cosine at distance 3 and more, for hidden [B, T, D].

    0 without order in the states. None for fewer than 4 columns, or where a state is 0.
    """
    length = hidden.shape[1]
    states = precise(hidden)
    if length <= FAR or not states.norm(dim=-1).all():
        return None
    # eps=0: the default would call states shorter than 1e-12 orthogonal to everything.
    unit = F.normalize(states, dim=-1, eps=0.0)
    cosine = (unit @ unit.mT).mean(dim=0)
    index = torch.arange(length, device=cosine.device)
    distance = (index[:, None] - index).abs()
    return number(cosine[distance == 1].mean() - cosine[distance >= FAR].mean())
