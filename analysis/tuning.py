"""Choosing among tuned levels: a learning-rate grid is ordinary planned runs, and this the choice.

A plan with `tune: {factor: lr, by: validation_exact_match}` holds some arms at several levels of
that factor. Of each such arm the level with the best mean validation score stays; the factor is
then no part of the arm's name any more. The test set takes no part in it. Runs that know no such
factor (the parents that fine-tuning starts from) stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .cells import baseline, column

if TYPE_CHECKING:
    import pandas as pd


class Choice(NamedTuple):
    """The level that was kept, and the mean score of every level that was tried."""

    level: Any
    scores: Mapping[Any, float]

    def __str__(self) -> str:
        tried = ", ".join(f"{level:g}: {score:.3f}" for level, score in self.scores.items())
        return f"{self.level:g}" if len(self.scores) < 2 else f"{self.level:g} of {tried}"


def choose(
    plan: Mapping[str, Any], frame: pd.DataFrame
) -> tuple[dict[str, Any], pd.DataFrame, dict[str, Choice]]:
    """The plan and the frame with one level an arm, and what was chosen, by run id.

    Where nothing is finished the baseline's level stands. Ties go to the smaller level, and a level
    without a finished run cannot win. A plan that tunes nothing comes back as it is.
    """
    if not plan.get("tune"):
        return dict(plan), frame, {}
    factor, metric = plan["tune"]["factor"], f"metrics.{plan['tune']['by']}"
    default = baseline(plan).get(factor)
    arms: dict[tuple[Any, ...], dict[Any, list[str]]] = {}
    untuned = {run["run_id"] for run in plan["runs"] if not _is_tuned(run, factor)}
    for run in plan["runs"]:
        if run["run_id"] in untuned:
            continue
        levels = arms.setdefault((run["role"], *_arm(run, factor)), {})
        levels.setdefault(run["factors"][factor], []).append(run["run_id"])
    chosen: dict[str, Choice] = {}
    for levels in arms.values():
        scores = {}
        for level in sorted(levels):
            values = column(frame[frame["run_id"].isin(levels[level])], metric)
            if (values == values).any():
                scores[level] = float(values[values == values].mean())
        fallback = default if default in levels else min(levels)
        best = max(scores, key=lambda level: (scores[level], -level)) if scores else fallback
        chosen |= dict.fromkeys(levels[best], Choice(best, scores))
    kept_ids = untuned | chosen.keys()
    runs = [
        run if run["run_id"] in untuned else _without(run, factor)
        for run in plan["runs"]
        if run["run_id"] in kept_ids
    ]
    kept = frame[frame["run_id"].isin(kept_ids)].copy()
    kept.attrs = frame.attrs
    return {**plan, "runs": runs}, kept, chosen


def with_choices(
    plan: Mapping[str, Any], frame: pd.DataFrame
) -> tuple[dict[str, Any], pd.DataFrame]:
    """What tables read: as `choose`, each run with a column `tuned` that says what was chosen."""
    plan, frame, chosen = choose(plan, frame)
    told = [str(chosen[run_id]) if run_id in chosen else "" for run_id in frame["run_id"]]
    return plan, frame.assign(tuned=told)


def _is_tuned(run: Mapping[str, Any], factor: str) -> bool:
    return run["role"] != "parent" and factor in run["factors"]


def _arm(run: Mapping[str, Any], factor: str) -> tuple[Any, ...]:
    return tuple(sorted((k, v) for k, v in run["factors"].items() if k != factor))


def _without(run: Mapping[str, Any], factor: str) -> dict[str, Any]:
    return {**run, "factors": {k: v for k, v in run["factors"].items() if k != factor}}
