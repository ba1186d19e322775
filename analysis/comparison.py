"""Measured cells compared: a weighted sum of their means, seed by seed where seeds are paired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .cells import Measured, planned_unit
from .statistics import Contrast, contrast_of, is_resampled


def compare(
    cells: Sequence[Measured], *, weights: Sequence[float], paired: bool = False
) -> Contrast:
    """The contrast of the cells; `paired` takes the seeds that every cell has."""
    groups = pairs(cells) if paired else [cell.groups for cell in cells]
    return contrast_of(groups, weights=weights, paired=paired)


def interval_name(plan: Mapping[str, Any]) -> str:
    """What a note calls the intervals of the plan's arms: 't-interval' where seeds are few."""
    arms: dict[tuple[Any, ...], Counter[Any]] = {}
    for run in plan["runs"]:
        if run["role"] == "cell":
            arm = arms.setdefault(tuple(sorted(run["factors"].items())), Counter())
            arm[planned_unit(run)] += 1
    kinds = {is_resampled(len(arm), nested=max(arm.values()) > 1) for arm in arms.values()}
    if kinds == {True}:
        return "bootstrap interval"
    return "t- or, where seeds suffice, bootstrap interval" if True in kinds else "t-interval"


def pairs(cells: Sequence[Measured]) -> list[list[np.ndarray]]:
    """The cells' groups, of the units that every cell has and in one order."""
    common = [unit for unit in cells[0].units if all(unit in cell.units for cell in cells)]
    return [[cell.groups[cell.units.index(unit)] for unit in common] for cell in cells]
