"""The smallest base of rotary positions for a length (Men et al. 2024, arXiv:2405.14591).

    smallest_base(128, 1024)     # 4.3e3

A query prefers a similar key to a random one at distance m where the sum over pairs of
cos(m theta_p) is positive. The bound is the smallest base that keeps this at every distance within
the length. Larger bases may break it again: the condition is not monotone in the base.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

STEP = 1.001  # of the scan from below; 1.02 steps over the first bases that hold at d=128, L=1024
BLOCK = 64


def preference(dim: int, base: float, distances: np.ndarray) -> np.ndarray:
    """Sum over the dim / 2 pairs of cos(m theta_p), for each distance m."""
    return np.cos(distances[:, None] * base ** (-np.arange(0, dim, 2) / dim)).sum(axis=1)


def smallest_base(dim: int, length: int) -> float:
    """The bound, to one part in a thousand from above."""
    # Most bases break it at many distances, and a few drawn ones show that at once.
    distances = np.random.default_rng(0).permutation(length)
    blocks = np.array_split(distances, max(length // BLOCK, 1))
    base = 2.0
    while not _holds(dim, base, blocks):
        base *= STEP
    return base


def _holds(dim: int, base: float, blocks: Sequence[np.ndarray]) -> bool:
    return all((preference(dim, base, block) >= 0).all() for block in blocks)
