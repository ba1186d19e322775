"""Positions as an argument: what the Transformer is given instead of 0, 1, 2 ...

    logits = model(tokens, positions=interpolated(consecutive(T, tokens.device), factor=4))

A shift is `positions + c`. Interpolation (Chen et al. 2023, arXiv 2306.15595), and the randomised
positions that show a model the far ones at a short length (Ruoss et al. 2023, arXiv 2305.16843)
are functions of the positions, and so serve every encoding that is defined for them.
"""

from __future__ import annotations

import functools

import torch


def consecutive(length: int, device: torch.device) -> torch.Tensor:
    """0 ... length - 1, the same tensor at each call; never to be changed in place."""
    if torch.compiler.is_compiling():
        return torch.arange(length, device=device)
    return _kept(length, device)


@functools.lru_cache(maxsize=64)
def _kept(length: int, device: torch.device) -> torch.Tensor:
    # One made during an evaluation could not be saved for the backward pass of the next step.
    with torch.inference_mode(False):
        return torch.arange(length, device=device)


def interpolated(positions: torch.Tensor, *, factor: float) -> torch.Tensor:
    """Positions squeezed by `factor`, fractions and all, into the range that was trained on."""
    return positions / factor


def randomised(length: int, *, upper: int, generator: torch.Generator) -> torch.Tensor:
    """`length` different positions below `upper`, ascending, each subset as likely as another.

    Draw them once a batch, from a generator seeded by the run's stream and step.
    """
    if not 0 <= length <= upper:
        raise ValueError(f"{length} different positions cannot be drawn below {upper}")
    return torch.randperm(upper, generator=generator)[:length].sort().values
