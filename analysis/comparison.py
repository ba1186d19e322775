"""Measured cells compared: a weighted sum of their means, seed by seed where seeds are paired."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .cells import Measured
from .statistics import Contrast, contrast_of


def compare(
    cells: Sequence[Measured], *, weights: Sequence[float], paired: bool = False
) -> Contrast:
    """The contrast of the cells; `paired` takes the seeds that every cell has."""
    groups = pairs(cells) if paired else [cell.groups for cell in cells]
    return contrast_of(groups, weights=weights, paired=paired)


def pairs(cells: Sequence[Measured]) -> list[list[np.ndarray]]:
    """The cells' groups, of the units that every cell has and in one order."""
    common = [unit for unit in cells[0].units if all(unit in cell.units for cell in cells)]
    return [[cell.groups[cell.units.index(unit)] for unit in common] for cell in cells]
