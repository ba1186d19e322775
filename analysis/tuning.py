"""Choosing among tuned levels: a learning-rate grid is ordinary planned runs, and this the choice.

A plan with `tune: {factor: lr, by: validation_exact_match}` holds some arms at several levels of
that factor. Of each such arm the level with the best mean of that metric stays; the factor is then
no part of the arm's name any more. Runs that know no such factor (the parents that fine-tuning
starts from) stay as they are.

A metric called `validation_...` is measured on a split of the training set, and the test set takes
no part in the choice. By any other, such as the score that is reported, the choice is made on the
test set (of an official task its dev set, where BERT's paper chose) and favours the luckiest runs.
`tuned_by` puts such a choice in the place of the declared one, and `notes` says which was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.errors import UserError, did_you_mean

from .cells import baseline, column, counts_right_answers

if TYPE_CHECKING:
    import pandas as pd

ON_VALIDATION = "validation_"  # how the name of a metric of the training set's split begins


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


def tuned_by(plan: Mapping[str, Any], frame: pd.DataFrame, metric: str) -> dict[str, Any]:
    """The plan with its levels to be chosen by another metric than it declares; its title says so.

    UserError where the plan tunes nothing, where none of its finished runs has the metric, and for
    a metric that does not count right answers: of those the largest is not the best.
    """
    name = f"{plan['sweep']}-{plan['profile']}"
    if not plan.get("tune"):
        raise UserError(
            f"plan {name} tunes nothing that could be chosen by {metric}: name the sweep and the "
            "profile of one that does"
        )
    names = (str(key) for key in frame)
    known = [key.removeprefix("metrics.") for key in names if key.startswith("metrics.")]
    if known and metric not in known:
        raise UserError(
            f"no run of plan {name} has the metric '{metric}' to choose by."
            f"{did_you_mean(metric, known)}"
        )
    if not counts_right_answers(metric):
        raise UserError(
            f"the largest mean is chosen, and the largest {metric} is not the best: expected a "
            "metric that counts right answers, such as score, accuracy or exact_match"
        )
    tune = plan["tune"]
    if metric == tune["by"]:
        return dict(plan)
    title = f"{plan['title']}; {tune['factor']} chosen by {metric} and not by {tune['by']}"
    return {**plan, "title": title, "tune": {**tune, "by": metric, "instead_of": tune["by"]}}


def table_name(name: str, plan: Mapping[str, Any]) -> str:
    """Tables of another choice than the declared one have names of their own."""
    tune = plan.get("tune") or {}
    return f"{name}_by_{tune['by'].replace('/', '_')}" if "instead_of" in tune else name


def notes(plan: Mapping[str, Any]) -> list[str]:
    """What a table says of the choice that was made; [] in a plan that tunes nothing."""
    if not plan.get("tune"):
        return []
    factor, metric = plan["tune"]["factor"], plan["tune"]["by"]
    where = "validation examples, held out of the training set; the test set took no part"
    if not metric.startswith(ON_VALIDATION):
        where = (
            "the very set whose scores are reported (of an official task its dev set), so that "
            "these are optimistic"
        )
    return [f"Of each arm the {factor} with the best mean {metric} was chosen: on {where}."]


def one_rate(plan: Mapping[str, Any]) -> str:
    """What arms that are meant to differ in something else have in common."""
    return "one learning rate of pre-training" if plan.get("tune") else "one learning rate"


def _is_tuned(run: Mapping[str, Any], factor: str) -> bool:
    return run["role"] != "parent" and factor in run["factors"]


def _arm(run: Mapping[str, Any], factor: str) -> tuple[Any, ...]:
    return tuple(sorted((k, v) for k, v in run["factors"].items() if k != factor))


def _without(run: Mapping[str, Any], factor: str) -> dict[str, Any]:
    return {**run, "factors": {k: v for k, v in run["factors"].items() if k != factor}}
