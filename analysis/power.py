"""What a sweep can resolve before it is run: the smallest difference per claim, for `make plan`.

A claimed difference is resolved when the test rejects 0; a claimed absence when the interval
lies inside +-delta. Both at power 0.8 and at the strictest step of Holm, alpha / claims, so a
table does at least as well if its seeds spread as assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .statistics import ALPHA, POWER, smallest_difference, smallest_margin

if TYPE_CHECKING:
    import pandas as pd


def resolvable(
    plan_or_claims: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    seeds: int | None = None,
    sds: Mapping[str, float] | None = None,
    alpha: float = ALPHA,
    power: float = POWER,
) -> list[dict[str, Any]]:
    """Per claim: id, metric, claimed, delta, seeds (per cell), sd, sd_source, resolvable, enough.

    A plan counts its own seeds, cell by cell (pre-training seeds where a run has two), and leaves
    out claims whose cells it lacks; a list of claims needs `seeds`. `sds` maps a metric to a
    measured s.d. and replaces the claim's own `planning_sd`. `enough`: resolvable is not above
    delta.
    """
    if isinstance(plan_or_claims, Mapping):
        from .cells import num_units, planned
        from .judgement import in_plan

        plan = plan_or_claims
        claims: Sequence[Mapping[str, Any]] = in_plan(plan)[0]
        counts = [
            [seeds or num_units(plan, planned(plan, term["cell"])) for term in claim["contrast"]]
            for claim in claims
        ]
    else:
        if seeds is None:
            raise ValueError("a list of claims needs the number of seeds")
        claims = plan_or_claims
        counts = [[seeds] * len(claim["contrast"]) for claim in claims]
    family = sum("not_comparable" not in claim for claim in claims)
    return [
        _row(claim, ns, sds or {}, alpha / max(family, 1), power)
        for claim, ns in zip(claims, counts, strict=True)
        if "not_comparable" not in claim
    ]


def _row(
    claim: Mapping[str, Any], ns: list[int], sds: Mapping[str, float], alpha: float, power: float
) -> dict[str, Any]:
    metric = claim["metric"]
    sd = sds.get(metric, claim["planning_sd"])
    smallest = smallest_margin if claim["claimed"] == "absence" else smallest_difference
    value = smallest(
        [term["weight"] for term in claim["contrast"]],
        sds=[sd] * len(ns),
        ns=ns,
        alpha=alpha,
        power=power,
    )
    return {
        "id": claim["id"],
        "metric": metric,
        "claimed": claim["claimed"],
        "delta": claim["delta"],
        "seeds": ns,
        "sd": sd,
        "sd_source": "measured" if metric in sds else "assumed",
        "resolvable": value,
        "enough": value is not None and value <= claim["delta"],
    }


def measured_sds(
    frame: pd.DataFrame, metrics: Iterable[str] = ("exact_match", "log_steps")
) -> dict[str, float]:
    """Pooled s.d. over seeds within arms, per metric, from finished runs of a `plan_frame`.

    Arms without spread count too; saturated ones do not, for a bound has no spread to measure.
    A metric that no arm measured twice is absent.
    """
    from .cells import measure

    factors = [name for name in map(str, frame.columns) if name.startswith("factors.")]
    runs = frame[frame["role"] != "parent"] if "role" in frame else frame
    arms = [arm for _, arm in runs.groupby(factors or ["variant"], dropna=False)]
    result = {}
    for metric in metrics:
        cells = [measure(arm, metric) for arm in arms]
        usable = [cell.values for cell in cells if len(cell.values) > 1 and not cell.saturated]
        df = sum(len(values) - 1 for values in usable)
        if df:
            squares = sum(float(values.var(ddof=1)) * (len(values) - 1) for values in usable)
            result[metric] = (squares / df) ** 0.5
    return {metric: sd for metric, sd in result.items() if sd > 0}
