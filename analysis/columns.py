"""The kinds of column that a table declares: each turns one row of a table into one cell.

A table's YAML names a kind and its options, `{kind: mean, metric: metrics.exact_match}`; the
options are the keyword arguments of the function below. Text is for people; `values` are the
plain numbers behind it, for the CSV.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .cells import column, measure
from .claims import metric_label, published_terms
from .judgement import Judgement
from .published import published_table
from .statistics import (
    ALPHA,
    Contrast,
    Interval,
    contrast_of,
    median_steps,
    wilson_interval,
)

if TYPE_CHECKING:
    import pandas as pd

BLANK = "–"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)  # sub-column -> plain value
    alert: bool = False  # an exact fact is violated here
    best: bool = False  # the best of its column, where that declares which is


@dataclass(frozen=True)
class Arm:
    """One arm's finished runs; `further` are the baseline's runs of role "aa", on its A/A row."""

    factors: Mapping[str, Any]
    runs: pd.DataFrame
    num_planned: int  # seeds, which are the units of the statistics
    further: pd.DataFrame | None = None

    def metric(self, name: str) -> str:
        """'metrics.probe_r2/layer{num_layers}@end' -> the arm's own last layer."""
        return name.format(**self.factors)


def number(value: float | None, *, digits: int = 3, signed: bool = False, style: str = "f") -> str:
    """'0.994', with a true minus; '1.2e-16' in style 'e'; '6,000' in style ','."""
    if value is None or math.isnan(value):
        return BLANK
    if style == "f":
        value = round(value, digits) + 0.0  # + 0.0 turns a rounded -0.0 into 0.0
    text = f"{value:{'+' if signed else ''}{',.0f' if style == ',' else f'.{digits}{style}'}}"
    if style == "e":
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", MINUS)


def with_interval(
    value: float,
    interval: Interval | None,
    *,
    digits: int = 3,
    signed: bool = False,
    within: tuple[float, float] | None = None,
) -> Cell:
    """'0.994 [0.988, 1.000]'; the interval's ends are cut to the range the value can have."""
    low, high = interval or (math.nan, math.nan)
    if interval and within:
        low, high = max(low, float(within[0])), min(high, float(within[1]))
    text = number(value, digits=digits, signed=signed)
    if interval:
        ends = (number(end, digits=digits, signed=signed) for end in (low, high))
        text += f" [{', '.join(ends)}]"
    return Cell(text, {"": value, "low": low, "high": high})


def difference(contrast: Contrast, *, digits: int = 3) -> Cell:
    """A difference of means with its 95 % interval."""
    return with_interval(
        contrast.estimate, contrast.interval(1 - ALPHA), digits=digits, signed=True
    )


# ---- one row an arm -----------------------------------------------------------------------------


def factor(arm: Arm, *, factor: str) -> Cell:
    """The arm's level of one factor."""
    level = arm.factors.get(factor)
    text = f"{level:g}" if isinstance(level, float) else str(level)
    return Cell(BLANK if level is None else text, {"": level})


def tuned(arm: Arm) -> Cell:
    """The level chosen for the arm, and by which mean score of each that was tried."""
    texts = list(arm.runs["tuned"].unique()) if "tuned" in arm.runs else []
    text = str(texts[0]) if len(texts) else ""
    return Cell(text, {"": text})


def converged(arm: Arm) -> Cell:
    """Converged of finished seeds, with the Wilson interval of the rate: '5/5 [0.57, 1.00]'."""
    if arm.further is not None:
        pair = " against ".join(
            f"{_num_converged(runs)}/{len(runs)}" for runs in (arm.runs, arm.further)
        )
        return Cell(pair, {"": _num_converged(arm.runs), "n": len(arm.runs)})
    k, n = _num_converged(arm.runs), len(arm.runs)
    interval = wilson_interval(k, n)
    low, high = interval or (math.nan, math.nan)
    text = f"{k}/{n}"
    if interval:
        text += f" [{number(low, digits=2)}, {number(high, digits=2)}]"
    if n < arm.num_planned:
        text += f" of {arm.num_planned}"
    return Cell(text, {"": k, "n": n, "planned": arm.num_planned, "low": low, "high": high})


def _num_converged(runs: pd.DataFrame) -> int:
    steps = column(runs, "metrics.steps_to_convergence")
    return int((~(steps != steps)).sum())


def mean(arm: Arm, *, metric: str, digits: int = 3, within: list[float] | None = None) -> Cell:
    """Mean over seeds with its 95 % interval; on the A/A row the difference of the two means.

    '(2/3)' follows where of three planned seeds two have a value: one is missing, or diverged.
    """
    name = arm.metric(metric)
    if arm.further is not None:
        cells = [_groups(arm.runs, name), _groups(arm.further, name)]
        return difference(contrast_of(cells, weights=[1, -1]), digits=digits)
    groups = _groups(arm.runs, name)
    contrast = contrast_of([groups], weights=[1])
    low_high = (within[0], within[1]) if within else None
    cell = with_interval(
        contrast.estimate, contrast.interval(1 - ALPHA), digits=digits, within=low_high
    )
    return of_planned(cell, arm, len(groups))


def of_planned(cell: Cell, arm: Arm, n: int) -> Cell:
    """The cell of n seeds, with '(2/3)' after it where that is not all that are planned; not where
    all have finished and none has such a metric, as a model without NSP has no NSP accuracy."""
    finished = len(arm.runs) == arm.num_planned and not (arm.runs["status"] == "diverged").any()
    whole = n == arm.num_planned or (n == 0 and finished)
    text = cell.text if whole else f"{cell.text} ({n}/{arm.num_planned})"
    return Cell(text, {**cell.values, "n": n})


def _groups(runs: pd.DataFrame, name: str) -> Sequence[Any]:
    """Seed by seed the runs' values; a metric is measured here as claims judge it."""
    if name.startswith("metrics."):
        return measure(runs, name.removeprefix("metrics.")).groups
    values = column(runs, name)
    return [[value] for value in values[values == values]]


def _values(runs: pd.DataFrame, name: str) -> np.ndarray:
    return np.array([np.mean(g) if len(g) > 1 else g[0] for g in _groups(runs, name)])


def steps(arm: Arm) -> Cell:
    """Median steps to convergence, '>6,000' where fewer than half the seeds converged.

    On the A/A row the ratio of the (geometric) mean steps of the two groups of seeds.
    """
    if arm.further is not None:
        groups = [measure(runs, "log_steps").groups for runs in (arm.runs, arm.further)]
        contrast = contrast_of(groups, weights=[1, -1])
        interval = contrast.interval(1 - ALPHA)
        cell = with_interval(
            math.exp(contrast.estimate),
            interval and Interval(math.exp(interval.low), math.exp(interval.high)),
            digits=2,
        )
        return Cell("×" + cell.text, cell.values)
    median = median_steps(list(column(arm.runs, "metrics.steps_to_convergence")))
    values = {"": math.nan if median is None else median}
    if median is not None or not len(arm.runs):
        return Cell(number(median, style=","), values)
    budget = column(arm.runs, "config.trainer.max_steps").min()
    return Cell(">" + number(budget, style=","), values | {"censored_at": budget})


def largest(arm: Arm, *, metric: str) -> Cell:
    """The largest magnitude over seeds, '0.30', or '6.7e−16' where decimals would show 0."""
    if arm.further is not None:
        return Cell("")
    values = _values(arm.runs, arm.metric(metric))
    value = float(values.max()) if len(values) else math.nan
    text = number(value, digits=1, style="e") if 0 < value < 0.01 else number(value, digits=2)
    return Cell(text, {"": value})


def typical(arm: Arm, *, metric: str, digits: int = 3, style: str = "f") -> Cell:
    """The mean over seeds of something that hardly varies over them."""
    if arm.further is not None:
        return Cell("")
    values = _values(arm.runs, arm.metric(metric))
    # The sum of equal floats rounds: 0.419 five times would average to 0.41899999999999993.
    value = (
        math.nan if not len(values) else float(values[0] if not np.ptp(values) else values.mean())
    )
    return Cell(number(value, digits=digits, style=style), {"": value})


# ---- one row a claim ----------------------------------------------------------------------------

PUBLISHED = {"positive": "> 0", "negative": "< 0", "none": "no difference"}


def sentence(judgement: Judgement) -> Cell:
    return Cell(
        judgement.claim["sentence"],
        {"": judgement.claim["id"], "sentence": judgement.claim["sentence"]},
    )


def source(judgement: Judgement) -> Cell:
    return Cell(judgement.claim["source"], {"": judgement.claim["source"]})


def metric(judgement: Judgement) -> Cell:
    return Cell(metric_label(judgement.claim), {"": judgement.claim["metric"]})


def published(judgement: Judgement) -> Cell:
    """The claimed direction, and the magnitude where one is published: '> 0 (+10.1 % F1)'."""
    claim = judgement.claim
    text, values = PUBLISHED[claim["direction"]], {"": claim["direction"]}
    if told := claim.get("published"):
        table = published_table(told["table"])
        value = table.contrast(published_terms(claim), told["column"])
        text += f" ({number(value, digits=1, signed=True)} {table.columns[told['column']].unit})"
        values |= {"magnitude": value}
    return Cell(text, values)


def estimate(judgement: Judgement, *, digits: int = 3) -> Cell:
    """The contrast with its interval, adjusted over the claims of the table."""
    cell = with_interval(
        judgement.contrast.estimate, judgement.interval, digits=digits, signed=True
    )
    p = math.nan if judgement.p_adjusted is None else judgement.p_adjusted
    return Cell(cell.text, {**cell.values, "p_adjusted": p})


def p_exact(judgement: Judgement) -> Cell:
    """The claim's unadjusted p without assuming a distribution; a dash where the design has none
    or could not reach the level."""
    p = judgement.p_exact
    text = "<0.001" if p is not None and p < 0.0005 else number(p, digits=3)
    return Cell(text, {"": math.nan if p is None else p})


def seeds(judgement: Judgement) -> Cell:
    """Finished seeds of each cell, '5+5'; '3/5+5' where a cell lacks two of its five."""
    parts = [str(n) if n == planned else f"{n}/{planned}" for n, planned in judgement.counts]
    return Cell("+".join(parts), {"": "+".join(parts)})


def delta(judgement: Judgement) -> Cell:
    """The smallest difference called interesting, as frozen in the plan."""
    value = judgement.claim.get("delta")
    return Cell(BLANK if value is None else f"±{value:g}", {"": value})


def verdict(judgement: Judgement) -> Cell:
    """The verdict, with the reason where the interval is missing or bounded."""
    text = judgement.verdict + (f" ({judgement.reason})" if judgement.reason else "")
    return Cell(text, {"": judgement.verdict, "reason": judgement.reason})


ARM_KINDS: dict[str, Callable[..., Cell]] = {
    kind.__name__: kind for kind in (factor, tuned, converged, mean, steps, largest, typical)
}
CLAIM_KINDS: dict[str, Callable[..., Cell]] = {
    kind.__name__: kind
    for kind in (sentence, source, metric, published, estimate, p_exact, seeds, delta, verdict)
}
