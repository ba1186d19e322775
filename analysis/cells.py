"""Cells: which of a plan's runs an arm's pattern names, and what they measured.

A pattern such as {attention_mask: causal, position: none} or {variant: ltr, task: spans} names one
arm. A factor that it leaves out stays at the baseline's level, where the plan has a baseline (the
arm with runs of role "aa"). A factor that neither has, as a second stage's or a task's, is absent
from the arm that is meant, if there is such an arm. Runs of role "parent" are of no cell: other
runs start from them.

The unit of the statistics is the seed, and where a run has two, its pre-training seed: fine-tuning
seeds of one pre-trained model are averaged, since they share all that pre-training drew.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiments.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# Metrics that count right answers end so, before any '@length', '/layer' or '_x2' (at a multiple of
# the trained length).
RIGHT_ANSWERS = re.compile(r"(exact_match|accuracy|score|f1)(_x\d+(_\d+)?)?($|[@/])")
PRETRAINING_SEED = "config.pretraining.seed"


def baselines(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The factor levels of each arm that is compared with itself, in the plan's order.

    One in most plans; where every task has its own, the baseline on each task.
    """
    found: list[dict[str, Any]] = []
    for run in plan["runs"]:
        if run["role"] == "aa" and run["factors"] not in found:
            found.append(dict(run["factors"]))
    return found


def baseline(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The first of `baselines`; {} in a plan without one."""
    return next(iter(baselines(plan)), {})


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
    known = pattern.keys() | inherited.keys()
    runs = [run for run in runs if run["factors"].keys() <= known] or runs
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


def num_units(plan: Mapping[str, Any], run_ids: Collection[str]) -> int:
    """How many independent seeds these runs of the plan are."""
    return len({planned_unit(run) for run in plan["runs"] if run["run_id"] in run_ids})


def share_parents(plan: Mapping[str, Any], cells: Collection[Collection[str]]) -> bool:
    """Whether the cells' runs start, seed by seed, from the same pre-trained models."""
    parents: list[dict[Any, set[str]]] = []
    for run_ids in cells:
        of_unit: dict[Any, set[str]] = {}
        for run in plan["runs"]:
            if run["run_id"] in run_ids:
                of_unit.setdefault(planned_unit(run), set()).update(_parent_ids(run))
        parents.append(of_unit)
    first = parents[0]
    return all(first.values()) and all(other == first for other in parents[1:])


def planned_unit(run: Mapping[str, Any]) -> Any:
    """The unit of the statistics that a planned run belongs to; see `unit_column`."""
    pretraining = (run.get("config") or {}).get("pretraining") or {}
    seed = pretraining.get("seed")
    return run["seed"] if seed is None else seed


def _parent_ids(run: Mapping[str, Any]) -> list[str]:
    """A parent is given as a run id, as (run id, step), or as a mapping with a run id."""
    ids = []
    for parent in run.get("parents") or []:
        if isinstance(parent, Mapping):
            ids.append(parent["run_id"])
        else:
            ids.append(parent if isinstance(parent, str) else parent[0])
    return ids


class Measured(NamedTuple):
    """One value a unit: the mean of its runs. A censored one is a lower bound: the budget ended
    before at least one of them had converged."""

    values: np.ndarray
    censored: np.ndarray
    units: tuple[Any, ...]  # the seeds that the values belong to
    groups: tuple[np.ndarray, ...]  # the runs' own values, unit by unit
    finished: int = 0  # units with a finished run
    lost: int = 0  # of these, the units of which a run diverged and so has no value

    @property
    def saturated(self) -> bool:
        """Every seed is censored: the cell says how long we waited, not what would have come."""
        return len(self.values) > 0 and bool(self.censored.all())

    @property
    def is_nested(self) -> bool:
        """Some unit has several runs: fine-tuning seeds within a pre-training seed."""
        return any(len(group) > 1 for group in self.groups)


def measure(frame: pd.DataFrame, metric: str) -> Measured:
    """The values of a claim's metric, "log_steps" or one of result.json's, in finished runs."""
    units = unit_column(frame)
    if metric == "log_steps":
        from .statistics import restricted_log_steps

        steps = column(frame, "metrics.steps_to_convergence")
        values = restricted_log_steps(list(steps), budget=column(frame, "config.trainer.max_steps"))
        return _by_unit(values, np.isnan(steps), units)
    values = column(frame, f"metrics.{metric}")
    if counts_right_answers(metric):
        # A diverged model answers nothing correctly. To drop its seed would flatter its arm.
        diverged = (frame["status"] == "diverged").to_numpy()
        values = np.where(np.isnan(values) & diverged, 0.0, values)
    known = ~np.isnan(values)
    # A completed run of a cell that has values lacks its own where that is not finite.
    lost = ~known & ((frame["status"] == "diverged").to_numpy() | known.any())
    measured = _by_unit(values[known], np.zeros(known.sum(), dtype=bool), units[known])
    return measured._replace(finished=len(set(units)), lost=len(set(units[lost])))


def counts_right_answers(metric: str) -> bool:
    """Whether the metric is a share of right answers, from 0 to 1."""
    return RIGHT_ANSWERS.search(metric) is not None


def unit_column(frame: pd.DataFrame) -> np.ndarray:
    """Each run's unit of the statistics: its pre-training seed, else its own seed."""
    seeds = column(frame, "seed")
    pretraining = column(frame, PRETRAINING_SEED)
    return np.where(np.isnan(pretraining), seeds, pretraining)


def _by_unit(values: np.ndarray, censored: np.ndarray, units: np.ndarray) -> Measured:
    names = tuple(dict.fromkeys(units.tolist()))
    groups = tuple(values[units == name] for name in names)
    return Measured(
        # A single run's value as it is: the mean of equal floats may round.
        values=np.array([g[0] if len(g) == 1 else g.mean() for g in groups], dtype=float),
        censored=np.array([bool(censored[units == name].any()) for name in names], dtype=bool),
        units=names,
        groups=groups,
    )


def column(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A numeric column; all nan where no run has it."""
    if name not in frame:
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype=float)
