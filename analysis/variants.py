"""Tables with one row a variant and one column a task: the columns of `rows: variants`.

A column says with `where` which of the variant's arms it shows: {task: spans}. The last row is A/A:
the baseline's seeds against as many further seeds of the same arm, column by column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import UserError

from . import cells, columns
from .cells import column, measure
from .columns import BLANK, Arm, Cell, number, with_interval
from .comparison import compare, pairs
from .published import published_table
from .statistics import Interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Variant:
    """One level of the factor `by`, with the plan and its finished runs."""

    level: Any
    by: str
    plan: Mapping[str, Any]
    frame: pd.DataFrame
    is_against_itself: bool = False

    @property
    def is_baseline(self) -> bool:
        return self.level == cells.baseline(self.plan).get(self.by)

    def ids(self, where: Mapping[str, Any], *, level: Any = None, role: str = "cell") -> set[str]:
        """The run ids of one arm: this variant's, or another level's, at `where`."""
        pattern = {self.by: self.level if level is None else level, **where}
        return cells.planned(self.plan, pattern, role=role)

    def arm(self, where: Mapping[str, Any]) -> Arm:
        ids = self.ids(where)
        further = self.ids(where, role="aa") if self.is_against_itself else None
        return Arm(
            factors={self.by: self.level, **where},
            runs=cells.rows_of(self.frame, ids),
            num_planned=cells.num_units(self.plan, ids),
            further=None if further is None else cells.rows_of(self.frame, further),
        )


def variants(plan: Mapping[str, Any], frame: pd.DataFrame, *, by: str) -> list[Variant]:
    """One a level, in the plan's order; UserError where no run of the plan has the factor."""
    levels = [r["factors"][by] for r in plan["runs"] if r["role"] == "cell" and by in r["factors"]]
    if not levels:
        known = sorted({key for run in plan["runs"] for key in run["factors"]})
        raise UserError(
            f"no run of plan {plan['sweep']}-{plan['profile']} has the factor '{by}', of which the "
            f"table shows the levels; its factors are {', '.join(known)}."
        )
    return [Variant(level, by, plan, frame) for level in dict.fromkeys(levels)]


def against_itself(plan: Mapping[str, Any], frame: pd.DataFrame, *, by: str) -> list[Variant]:
    """The A/A row, where the plan has further seeds of its baseline."""
    base = cells.baseline(plan)
    return [Variant(base[by], by, plan, frame, is_against_itself=True)] if by in base else []


# ---- columns ------------------------------------------------------------------------------------


def variant(row: Variant, *, names: Mapping[str, str] | None = None) -> Cell:
    """The variant's name, as the paper calls it where `names` says so."""
    name = str((names or {}).get(row.level, row.level))
    return Cell(f"A/A: {name}" if row.is_against_itself else name, {"": _key(row)})


def _key(row: Variant) -> str:
    return f"A/A: {row.level}" if row.is_against_itself else str(row.level)


def mean(
    row: Variant,
    *,
    metric: str,
    where: Mapping[str, Any],
    digits: int = 3,
    within: list[float] | None = None,
) -> Cell:
    """Mean over seeds with its 95 % interval, '0.812 [0.790, 0.834]'.

    '(3/5)' follows where seeds are missing, '†2' where two of the runs are degenerate.
    """
    arm = row.arm(where)
    cell = columns.mean(arm, metric=metric, digits=digits, within=within)
    if row.is_against_itself or not arm.num_planned:
        return cell
    num_degenerate, _ = _count_degenerate(arm.runs)
    mark = f" †{num_degenerate}" if cell.values["n"] and num_degenerate else ""
    return Cell(cell.text + mark, {**cell.values, "degenerate": num_degenerate})


def perplexity(row: Variant, *, metric: str, where: Mapping[str, Any], digits: int = 1) -> Cell:
    """exp of the mean loss (in nats) over seeds, with its 95 % interval; on A/A the ratio."""
    arm = row.arm(where)
    loss = columns.mean(arm, metric=metric).values
    value, low, high = (math.exp(loss[key]) for key in ("", "low", "high"))
    interval = None if math.isnan(low) else Interval(low, high)
    if arm.further is None:
        return columns.of_planned(with_interval(value, interval, digits=digits), arm, loss["n"])
    ratio = with_interval(value, interval, digits=2)
    return Cell(f"×{ratio.text}", ratio.values)


def difference(row: Variant, *, metric: str, where: Mapping[str, Any], digits: int = 3) -> Cell:
    """The variant's mean less the baseline's, with its 95 % interval; on A/A as `mean`.

    By Welch, or within pairs where both started from the same pre-trained models. '(2/3 − 3/3)', or
    '(2/3 pairs)', follows where a seed of either has no value: the others alone may flatter an arm.
    """
    if row.is_against_itself:
        return columns.mean(row.arm(where), metric=metric, digits=digits)
    base = cells.baseline(row.plan).get(row.by)
    if row.is_baseline or base is None:
        return Cell("")
    return _difference(row, [row.ids(where), row.ids(where, level=base)], metric, digits=digits)


def between(
    row: Variant,
    *,
    metric: str,
    where: Mapping[str, Any],
    less: Mapping[str, Any],
    digits: int = 3,
) -> Cell:
    """The mean at `where` less that at `less`, two arms of the row's level, as `difference`."""
    if row.is_against_itself:
        return Cell("")
    return _difference(row, [row.ids(where), row.ids(less)], metric, digits=digits)


def _difference(row: Variant, ids: list[set[str]], metric: str, *, digits: int) -> Cell:
    name = metric.removeprefix("metrics.")
    measured = [measure(cells.rows_of(row.frame, run_ids), name) for run_ids in ids]
    paired = all(ids) and cells.share_parents(row.plan, ids)
    cell = columns.difference(compare(measured, weights=[1, -1], paired=paired), digits=digits)
    counts = [
        (len(m.values), cells.num_units(row.plan, run_ids))
        for m, run_ids in zip(measured, ids, strict=True)
    ]
    if all(n in (0, num_planned) for n, num_planned in counts):
        return cell
    told = f" {columns.MINUS} ".join(f"{n}/{num_planned}" for n, num_planned in counts)
    if paired:
        told = f"{len(pairs(measured)[0])}/{counts[0][1]} pairs"
    return Cell(f"{cell.text} ({told})", cell.values)


def typical(
    row: Variant, *, metric: str, where: Mapping[str, Any], digits: int = 3, style: str = "f"
) -> Cell:
    """The mean over seeds of something that hardly varies over them."""
    return columns.typical(row.arm(where), metric=metric, digits=digits, style=style)


def degenerate(row: Variant) -> Cell:
    """How many of the variant's finished runs, of every task, always give one answer: '2/25'."""
    if row.is_against_itself:
        return Cell("")
    ids = {
        run["run_id"]
        for run in row.plan["runs"]
        if run["role"] == "cell" and run["factors"].get(row.by) == row.level
    }
    count, n = _count_degenerate(cells.rows_of(row.frame, ids))
    return Cell(f"{count}/{n}" if n else BLANK, {"": count, "n": n})


def _count_degenerate(runs: pd.DataFrame) -> tuple[int, int]:
    """(degenerate, told at all); a baseline such as a bag of words may not say."""
    told = column(runs, "metrics.degenerate")
    return int((told == 1).sum()), int((~np.isnan(told)).sum())


def tuned(row: Variant, *, where: Mapping[str, Any]) -> Cell:
    """The level that was chosen for the arm, of those tried; on A/A for the further seeds."""
    arm = row.arm(where)
    return columns.tuned(arm if arm.further is None else replace(arm, runs=arm.further))


def published(row: Variant, *, table: str, column: str, digits: int = 1) -> Cell:
    """The published value, and its change from the published baseline: '87.9 (−0.6)'."""
    if row.is_against_itself:
        return Cell("")
    source = published_table(table)
    value = source.of_variant(str(row.level), column)
    base = cells.baseline(row.plan).get(row.by)
    change = math.nan
    if base is not None and not row.is_baseline:
        change = source.contrast([(1, str(row.level)), (-1, str(base))], column)
    text = number(value.number, digits=digits)
    if not math.isnan(change):
        text += f" ({number(change, digits=digits, signed=True)})"
    return Cell(text, {"": value.number, "change": change, "unknown": value.unknown})


VARIANT_KINDS: dict[str, Callable[..., Cell]] = {
    kind.__name__: kind
    for kind in (
        *(variant, mean, perplexity, difference, between),
        *(typical, degenerate, tuned, published),
    )
}
