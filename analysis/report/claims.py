"""A card per claim: the sentence, our estimate as a bar with its interval, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..cells import planned
from ..claims import moved_after_plan
from ..columns import MINUS, delta, estimate, metric, number, published, seeds, with_interval
from ..judgement import Judgement
from ..statistics import Interval
from ..verdict import NOT_RESOLVED
from .arms import Arm
from .scale import Scale, linear

WEIGHTS = {0.5: "½ ", 1: "", 2: "2 "}


def cards(
    plan: Mapping[str, Any], judgements: Sequence[Judgement], arms: Sequence[Arm]
) -> list[dict[str, Any]]:
    """What the page tells of each claim of the plan, in the plan's order."""
    return [
        {
            "id": j.claim["id"],
            "sentence": j.claim["sentence"],
            "source": j.claim["source"],
            "metric": metric(j).text,
            "published": published(j).text,
            "ours": estimate(j).text,
            "ratio": _ratio(j),
            "p": "" if j.p_adjusted is None else _p(j.p_adjusted),
            "p_exact": "" if j.p_exact is None else _p(j.p_exact),
            "seeds": seeds(j).text,
            "delta": delta(j).text,
            "verdict": j.verdict,
            "reason": j.reason,
            "moved": moved_after_plan(j.claim),
            "terms": _terms(plan, j, arms),
            "bar": bar(j, _own_scale(j)),
            "resolve": _resolve(j),
        }
        for j in judgements
    ]


def bar(judgement: Judgement, scale: Scale) -> dict[str, Any]:
    """Where the estimate, its interval, zero and the band of +-delta lie, in percent."""
    value, interval, band = (
        judgement.contrast.estimate,
        judgement.interval,
        judgement.claim.get("delta"),
    )
    return {
        "at": None if math.isnan(value) else scale.at(value),
        "ends": [scale.at(end) for end in interval] if interval else None,
        "zero": scale.at(0.0),
        "band": [scale.at(-band), scale.at(band)] if band else None,
        "ticks": scale.ticks,
    }


def extent(judgement: Judgement) -> list[float]:
    """Every number that a bar shows."""
    band = judgement.claim.get("delta") or 0.0
    return [0.0, -band, band, judgement.contrast.estimate, *(judgement.interval or ())]


def _p(value: float) -> str:
    return number(value, digits=3) if value >= 0.001 else number(value, digits=1, style="e")


def _own_scale(judgement: Judgement) -> Scale:
    return linear(extent(judgement), signed=True)


def _ratio(judgement: Judgement) -> str:
    """A difference of logs of steps is a ratio of steps."""
    value, interval = judgement.contrast.estimate, judgement.interval
    if judgement.claim["metric"] != "log_steps" or math.isnan(value):
        return ""
    ends = interval and Interval(math.exp(interval.low), math.exp(interval.high))
    return f"×{with_interval(math.exp(value), ends, digits=2).text} steps"


def _terms(
    plan: Mapping[str, Any], judgement: Judgement, arms: Sequence[Arm]
) -> list[dict[str, Any]]:
    """The compared cells as signed arms."""
    of_run = {run_id: i for i, arm in enumerate(arms) for run_id in arm.runs}
    terms = []
    for i, term in enumerate(judgement.claim["contrast"]):
        weight = abs(term["weight"])
        sign = MINUS if term["weight"] < 0 else "+" if i else ""
        factor = WEIGHTS.get(weight, f"{weight:g} ")
        run_id = next(iter(planned(plan, term["cell"])))
        terms.append({"sign": sign, "weight": factor, "arm": of_run[run_id]})
    return terms


def _resolve(judgement: Judgement) -> str:
    """How many seeds a cell would resolve what is not resolved, or ''."""
    if judgement.verdict != NOT_RESOLVED:
        return ""
    needed = judgement.seeds_to_resolve
    return "not known from these runs" if needed is None else f"about {needed:,} a cell"
