"""What stands below the judged claims in a table of `rows: claims`: the A/A rows and the notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import cells
from .cells import measure
from .claims import changed, load_claims, metric_label, told
from .judgement import Judgement, in_plan
from .judgement import against_itself as contrast_with_itself
from .statistics import ALPHA, permutation

if TYPE_CHECKING:
    import pandas as pd


def against_itself(plan: Mapping[str, Any], frame: pd.DataFrame) -> list[Judgement]:
    """A row a metric of the judged claims and a baseline: an unadjusted interval, no verdict.

    A metric that no run of the baseline has, being of another task or stage, has no row.
    """
    metrics = {claim["metric"]: metric_label(claim) for claim in in_plan(plan)[0]}
    return [
        _row(plan, frame, metric, label, base)
        for metric, label in metrics.items()
        for base in cells.baselines(plan)
        if _is_of(plan, frame, metric, base)
    ]


def _is_of(
    plan: Mapping[str, Any], frame: pd.DataFrame, metric: str, base: Mapping[str, Any]
) -> bool:
    runs = cells.rows_of(frame, cells.planned(plan, base))
    return not len(runs) or len(measure(runs, metric).values) > 0


def _row(
    plan: Mapping[str, Any],
    frame: pd.DataFrame,
    metric: str,
    label: str,
    base: Mapping[str, Any],
) -> Judgement:
    contrast = contrast_with_itself(plan, frame, metric, base)
    ids = [cells.planned(plan, base, role=role) for role in ("cell", "aa")]
    measured = [measure(cells.rows_of(frame, run_ids), metric) for run_ids in ids]
    # What tells this baseline from the others, as 'spans' of {variant: bert, task: spans}.
    others = [other for other in cells.baselines(plan) if other != base]
    own = [str(v) for k, v in base.items() if any(other.get(k) != v for other in others)]
    return Judgement(
        claim={
            "id": "_".join(["aa", metric, *own]),
            "sentence": f"A/A: the baseline against itself, {', '.join([label, *own])}.",
            "source": "by construction",
            "metric": metric,
            "label": label,
            "direction": "none",
        },
        contrast=contrast,
        p_adjusted=None,
        interval=contrast.interval(1 - ALPHA),
        counts=tuple(
            (len(m.values), cells.num_units(plan, run_ids))
            for m, run_ids in zip(measured, ids, strict=True)
        ),
        verdict="not judged",
        reason="",
        p_exact=None
        if any(m.lost for m in measured)
        else permutation(measured[0].values, measured[1].values),
    )


def notes(plan: Mapping[str, Any]) -> list[str]:
    """Which claims are not in the table, and which moved since the plan froze them."""
    sentences = []
    if absent := in_plan(plan)[1]:
        sentences.append(
            f"{len(absent)} of the study's claims left out, as the plan lacks a cell of theirs: "
            f"{', '.join(absent)}."
        )
    # A plan that does not say was made when a study had one file of claims.
    current = load_claims(plan.get("claims_file") or plan["study"])
    withdrawn = [claim["id"] for claim in plan.get("withdrawn", [])]
    moved = [
        *changed(plan["claims"], current),
        *told(withdrawn, "withdrawn after the first plan; not judged"),
    ]
    return [*sentences, *(f"{note}." for note in moved)]
