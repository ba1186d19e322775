"""The learning curves of a plan's runs, thinned: what the page draws from.

Which metrics there are is what the histories hold. Equal lists of steps are stored once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..frame import history

# Numbers in all curves of a study: about half a megabyte of the page.
BUDGET = 60_000
FEWEST, MOST = 12, 200  # points a curve


def curves_of(folders: Mapping[str, Path], first: list[str]) -> dict[str, Any]:
    """{"metrics": [...], "steps": [[...]], "runs": {run id: {metric: [index of steps, values]}}}.

    `first` names metrics that the page shows before others, as 'validation/exact_match'. `most`
    is the number of points that a curve was thinned to, or None where all were kept.
    """
    read = {run_id: _read(folder) for run_id, folder in folders.items()}
    metrics = dict.fromkeys(name for curves in read.values() for name in curves)
    count = sum(len(curves) for curves in read.values())
    most = int(min(max(BUDGET / max(count, 1), FEWEST), MOST))
    longest = max((len(x) for curves in read.values() for x, _ in curves.values()), default=0)
    index: dict[tuple[int, ...], int] = {}
    runs: dict[str, dict[str, Any]] = {}
    for run_id, curves in read.items():
        runs[run_id] = {}
        for name, (steps, values) in curves.items():
            kept = _thinned(len(steps), most)
            place = index.setdefault(tuple(int(s) for s in steps[kept]), len(index))
            runs[run_id][name] = [place, [float(f"{v:.4g}") for v in values[kept]]]
    return {
        "metrics": sorted(metrics, key=lambda name: _rank(name, first)),
        "steps": [list(steps) for steps in index],
        "runs": runs,
        "most": most if longest > most else None,
    }


def _read(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each metric's steps and values; a metric seen once is no curve."""
    frame = history(folder)
    curves = {}
    for name in frame.select_dtypes("number").columns.drop("step"):
        values = frame[name].to_numpy(dtype=float)
        seen = np.isfinite(values)
        if seen.sum() > 1:
            curves[str(name)] = (frame["step"].to_numpy()[seen], values[seen])
    return curves


def _thinned(length: int, most: int) -> np.ndarray:
    """Evenly spaced positions, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int))


def _rank(name: str, first: list[str]) -> tuple[int, bool, bool]:
    """The study's own metrics, then validation, then training; learning rates last."""
    place = first.index(name) if name in first else len(first)
    return place, not name.startswith("validation/"), name.endswith("/lr")
