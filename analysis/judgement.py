"""Judges a plan's claims on its finished runs: contrast, Holm-adjusted interval, verdict.

The family is every claim of the table that our data are to decide. It is fixed by the plan: a
claim whose interval turns out undefined stays in it, so that bad data make nothing easier.

Differences are paired by seed only where the claim says so or its cells share their parents. Beside
the interval, which assumes means near enough to normal, stands an exact p that does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .cells import Measured, baseline, measure, num_units, planned, rows_of, share_parents
from .claims import BOUNDS
from .comparison import compare
from .comparison import pairs as matched
from .statistics import (
    ALPHA,
    Contrast,
    Interval,
    holm,
    permutation,
    seeds_to_resolve,
    sign_flip,
)
from .verdict import verdict

if TYPE_CHECKING:
    import pandas as pd

NO_SPREAD = "no cell has any spread"  # and so no interval; an exact test needs none


@dataclass(frozen=True)
class Judgement:
    """One claim with our estimate. `reason` says why an interval is missing or bounded."""

    claim: Mapping[str, Any]
    contrast: Contrast
    p_adjusted: float | None
    interval: Interval | None
    counts: tuple[tuple[int, int], ...]  # (finished, planned) seeds of each cell
    verdict: str
    reason: str
    paired: bool = False
    # Unadjusted; None where the design cannot reach the level, or has no exact test.
    p_exact: float | None = None
    # Seeds a cell that would resolve the claim's delta, from this data's spread; None: unknown.
    seeds_to_resolve: int | None = None


def in_plan(plan: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """The plan's claims whose cells it has, a gate's among them, and the ids of the others."""
    present: list[dict[str, Any]] = []
    absent: list[dict[str, Any]] = []
    for claim in plan.get("claims", []):
        cells = [term["cell"] for term in claim["contrast"]]
        if "cell" in claim.get("gate", {}):
            cells.append(claim["gate"]["cell"])
        has_all = all(planned(plan, cell) for cell in cells)
        (present if has_all else absent).append(claim)
    return present, [claim["id"] for claim in absent]


def judge(plan: Mapping[str, Any], frame: pd.DataFrame, *, alpha: float = ALPHA) -> list[Judgement]:
    """Every claim whose cells the plan has, in the plan's order."""
    claims, _ = in_plan(plan)
    ids = [[planned(plan, term["cell"]) for term in claim["contrast"]] for claim in claims]
    measured = [
        [measure(rows_of(frame, cell), claim["metric"]) for cell in cells]
        for claim, cells in zip(claims, ids, strict=True)
    ]
    pairs = [
        claim.get("paired", False) or share_parents(plan, cells)
        for claim, cells in zip(claims, ids, strict=True)
    ]
    contrasts = [
        compare(cells, weights=[term["weight"] for term in claim["contrast"]], paired=paired)
        for claim, cells, paired in zip(claims, measured, pairs, strict=True)
    ]
    reasons = [
        _why_not(plan, claim, cells, contrast, frame, cell_ids)
        for claim, cells, contrast, cell_ids in zip(claims, measured, contrasts, ids, strict=True)
    ]
    tested = [i for i, claim in enumerate(claims) if "not_comparable" not in claim]
    adjusted = dict(
        zip(
            tested,
            holm([None if reasons[i] else contrasts[i].p for i in tested], alpha=alpha),
            strict=True,
        )
    )
    judgements = []
    for i, claim in enumerate(claims):
        p, rate = adjusted.get(i, (None, alpha))
        interval = None if reasons[i] else contrasts[i].interval(1 - rate)
        judgements.append(
            Judgement(
                claim=claim,
                contrast=contrasts[i],
                p_adjusted=None if interval is None else p,
                interval=interval,
                counts=tuple(
                    (len(m.values), num_units(plan, c))
                    for m, c in zip(measured[i], ids[i], strict=True)
                ),
                verdict=verdict(
                    interval,
                    claimed=claim["claimed"],
                    direction=claim["direction"],
                    delta=claim["delta"],
                    comparable="not_comparable" not in claim,
                ),
                reason=claim.get("not_comparable") or reasons[i] or _bounded(measured[i]),
                paired=pairs[i],
                p_exact=_exact_p(claim, measured[i], pairs[i], alpha)
                if reasons[i] in ("", NO_SPREAD)
                else None,
                seeds_to_resolve=None
                if reasons[i]
                else _seeds_to_resolve(claim, measured[i], pairs[i], alpha / max(len(tested), 1)),
            )
        )
    return judgements


def _seeds_to_resolve(
    claim: Mapping[str, Any], cells: Sequence[Measured], paired: bool, alpha: float
) -> int | None:
    """At the strictest step of Holm and power 0.8, as `make plan` reckons."""
    weights = [term["weight"] for term in claim["contrast"]]
    values = [cell.values for cell in cells]
    if paired:
        values, weights = [_within_units(claim, cells)], [1.0]
    return seeds_to_resolve(
        weights,
        sds=[float(x.std(ddof=1)) if np.ptp(x) else 0.0 for x in values],
        delta=claim["delta"],
        absence=claim["claimed"] == "absence",
        alpha=alpha,
    )


def _exact_p(
    claim: Mapping[str, Any], cells: Sequence[Measured], paired: bool, alpha: float
) -> float | None:
    """By flipping signs within units, or dealing the units of two cells out anew. Contrasts of more
    cells have no exact test: their units are not exchangeable even where the contrast is 0."""
    if paired:
        return sign_flip(_within_units(claim, cells), alpha=alpha)
    if len(cells) > 2:
        return None
    return permutation(cells[0].values, cells[1].values, alpha=alpha)


def _within_units(claim: Mapping[str, Any], cells: Sequence[Measured]) -> np.ndarray:
    """The claim's contrast unit by unit, of units that every cell has."""
    rows = [[float(np.mean(group)) for group in groups] for groups in matched(cells)]
    return np.asarray([term["weight"] for term in claim["contrast"]]) @ np.asarray(rows)


def _why_not(
    plan: Mapping[str, Any],
    claim: Mapping[str, Any],
    cells: Sequence[Measured],
    contrast: Contrast,
    frame: pd.DataFrame,
    ids: Sequence[set[str]],
) -> str:
    """Why the claim has no interval, or ''. Arms that stop at the gate are not compared at all, so
    that is said even of such as have no spread."""
    undefined = _undefined(claim, cells, contrast)
    if undefined not in ("", NO_SPREAD):
        return undefined
    return _stopped_at_gate(plan, claim, frame, ids) or undefined


def _undefined(claim: Mapping[str, Any], cells: Sequence[Measured], contrast: Contrast) -> str:
    """Why no interval is given, or ''. An interaction is not estimable where a cell saturates, and
    nothing is where a diverged seed has no value: the others alone would flatter its arm."""
    for cell in cells:
        if cell.lost:
            return f"{cell.lost} of {cell.finished} seeds of a cell diverged: no finite value"
    if any(not len(cell.values) for cell in cells):
        return "a cell has no finished seed"
    if any(len(cell.values) < 2 for cell in cells):
        return "a cell has fewer than two seeds"
    if all(cell.saturated for cell in cells):
        return "saturated: no seed of any cell converged within the budget"
    if claim.get("interaction") and any(cell.saturated for cell in cells):
        return "saturated: in a cell of the interaction no seed converged within the budget"
    if not any(cell.values.min() < cell.values.max() for cell in cells):
        return NO_SPREAD
    if contrast.se is None:
        return "fewer than two pairs of seeds, or no difference between pairs"
    return ""


def _stopped_at_gate(
    plan: Mapping[str, Any],
    claim: Mapping[str, Any],
    frame: pd.DataFrame,
    ids: Sequence[set[str]],
) -> str:
    """Which cell does not pass the claim's gate, where every cell has to or none does, or the one
    that the gate names; or ''."""
    if "gate" not in claim:
        return ""
    gate = claim["gate"]
    bound = " ".join(f"{word.replace('_', ' ')} {gate[word]:g}" for word in BOUNDS if word in gate)
    asked = [(term["cell"], run_ids) for term, run_ids in zip(claim["contrast"], ids, strict=True)]
    if "cell" in gate:
        asked = [(gate["cell"], planned(plan, gate["cell"]))]
    stopped = []
    for cell, run_ids in asked:
        values = measure(rows_of(frame, run_ids), gate["metric"]).values
        mean = float(values.mean()) if len(values) else float("nan")
        # An unknown score passes no gate: every comparison with nan is false.
        if mean >= gate.get("at_least", float("inf")) or mean <= gate.get("at_most", -float("inf")):
            continue
        arm = ", ".join(f"{factor} {level}" for factor, level in cell.items())
        stopped.append(f"{arm}: {gate['metric']} is {mean:.3g}")
    if gate.get("of") == "any":
        if len(stopped) < len(claim["contrast"]):
            return ""
        return f"{'; '.join(stopped)}, and one must be {bound} for a comparison to say anything"
    purpose = "for what starts from it to be compared" if "cell" in gate else "to be compared"
    return f"{stopped[0]}, {purpose} it must be {bound}" if stopped else ""


def _bounded(cells: Sequence[Measured]) -> str:
    """Says how many values are the budget rather than a convergence."""
    censored = sum(int(cell.censored.sum()) for cell in cells)
    total = sum(len(cell.values) for cell in cells)
    return f"{censored} of {total} seeds censored at the budget" if censored else ""


def against_itself(
    plan: Mapping[str, Any],
    frame: pd.DataFrame,
    metric: str,
    pattern: Mapping[str, Any] | None = None,
) -> Contrast:
    """The A/A contrast: a baseline's seeds minus its further seeds. Truth is 0.

    `pattern` names one of the plan's `baselines`, for instance {task: spans}; the first if None.
    """
    # Not joined with the first: that may be of another stage, and have factors this one lacks.
    arm = baseline(plan) if pattern is None else pattern
    cells = [
        measure(rows_of(frame, planned(plan, arm, role=role)), metric) for role in ("cell", "aa")
    ]
    return compare(cells, weights=[1, -1])
