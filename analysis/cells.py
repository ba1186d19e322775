"""Cells: which of a plan's runs an arm's pattern names, and what they measured.

A pattern such as {attention_mask: causal, position: none} names one arm. A factor that it leaves
out stays at the baseline's level, where the plan has a baseline (the arm with runs of role "aa").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiments.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def baseline(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The factor levels of the arm that is compared with itself; {} in a plan without one."""
    return next((dict(run["factors"]) for run in plan["runs"] if run["role"] == "aa"), {})


def planned(plan: Mapping[str, Any], pattern: Mapping[str, Any], *, role: str = "cell") -> set[str]:
    """The run ids of the one arm that the pattern names; empty where the plan lacks it."""
    inherited = {key: level for key, level in baseline(plan).items() if key not in pattern}
    runs = [
        run
        for run in plan["runs"]
        if run["role"] == role
        and all(run["factors"].get(key) == level for key, level in pattern.items())
        and all(run["factors"].get(key, level) == level for key, level in inherited.items())
    ]
    for run in runs[1:]:
        if run["factors"] != runs[0]["factors"]:
            first = runs[0]["factors"].items()
            differ = sorted(k for k, _ in first ^ run["factors"].items())
            raise UserError(
                f"the cell {dict(pattern)} fits two arms, {runs[0]['variant']} and "
                f"{run['variant']}; name its level of {', '.join(dict.fromkeys(differ))}."
            )
    return {run["run_id"] for run in runs}


def rows_of(frame: pd.DataFrame, run_ids: set[str]) -> pd.DataFrame:
    return frame[frame["run_id"].isin(run_ids)]


class Measured(NamedTuple):
    """One value a seed. A censored one is a lower bound: the budget ended first."""

    values: np.ndarray
    censored: np.ndarray

    @property
    def saturated(self) -> bool:
        """Every seed is censored: the cell says how long we waited, not what would have come."""
        return len(self.values) > 0 and bool(self.censored.all())


def measure(frame: pd.DataFrame, metric: str) -> Measured:
    """The values of a claim's metric ("exact_match" or "log_steps") in finished runs."""
    if metric == "log_steps":
        from .statistics import restricted_log_steps

        steps = column(frame, "metrics.steps_to_convergence")
        values = restricted_log_steps(list(steps), budget=column(frame, "config.trainer.max_steps"))
        return Measured(values, np.isnan(steps))
    values = column(frame, f"metrics.{metric}")
    # A diverged model answers nothing correctly. To drop its seed would flatter its arm.
    values = np.where(np.isnan(values) & (frame["status"] == "diverged").to_numpy(), 0.0, values)
    values = values[~np.isnan(values)]
    return Measured(values, np.zeros(len(values), dtype=bool))


def column(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A numeric column; all nan where no run has it."""
    if name not in frame:
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype=float)
