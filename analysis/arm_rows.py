"""Tables with one row an arm: the plan's arms in its order, or some of them, then A/A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import cells, exact_facts
from .columns import Arm, Cell
from .declaration import KINDS, Column

if TYPE_CHECKING:
    import pandas as pd


def arms(plan: Mapping[str, Any], frame: pd.DataFrame) -> list[Arm]:
    """The plan's arms in its order, each with its finished runs of role "cell"."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for run in plan["runs"]:
        if run["role"] == "cell":
            groups.setdefault(tuple(sorted(run["factors"].items())), []).append(run)
    return [
        Arm(runs[0]["factors"], cells.rows_of(frame, ids), cells.num_units(plan, ids))
        for runs in groups.values()
        for ids in [{run["run_id"] for run in runs}]
    ]


def of_arms(plan: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with those of its runs whose arm a table's `arms` chooses."""
    runs = [run for run in plan["runs"] if _is_chosen(run["factors"], chosen)]
    return {**plan, "runs": runs}


def _is_chosen(factors: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
    return all(
        (name in factors) == levels if isinstance(levels, bool) else factors.get(name) in levels
        for name, levels in chosen.items()
    )


def arm_columns(columns: list[Column], plan: Mapping[str, Any]) -> list[Column]:
    """The declared columns, and those that the plan asks for."""
    columns = _with_varying_factors(columns, plan)
    if plan.get("tune"):
        header = plan["tune"]["factor"].replace("_", " ").capitalize()
        columns = [*columns, Column(f"{header} chosen", "tuned", "tuned", {})]
    return columns


def _with_varying_factors(columns: list[Column], plan: Mapping[str, Any]) -> list[Column]:
    """Adds a column for each factor that varies in the plan but was not declared: nothing pools."""
    shown = {column.options["factor"] for column in columns if column.kind == "factor"}
    factors = [run["factors"] for run in plan["runs"]]
    further = [
        Column(name.replace("_", " ").capitalize(), name, "factor", {"factor": name})
        for name in dict.fromkeys(key for levels in factors for key in levels)
        if name not in shown and any(f.get(name) != factors[0].get(name) for f in factors)
    ]
    last = max((i for i, c in enumerate(columns) if c.kind == "factor"), default=-1) + 1
    return columns[:last] + further + columns[last:]


def arm_rows(
    columns: Sequence[Column], plan: Mapping[str, Any], frame: pd.DataFrame
) -> list[list[Cell]]:
    """One row an arm; a cell that shows a broken exact fact is on alert."""
    broken = list(exact_facts.check(frame))
    rows = []
    for arm in arms(plan, frame):
        ids = set(arm.runs["run_id"])
        alerts = {violation.column for violation in broken if violation.run_id in ids}
        cells_ = [KINDS["arms"][column.kind](arm, **column.options) for column in columns]
        rows.append(
            [
                replace(cell, alert=arm.metric(column.options.get("metric", "")) in alerts)
                for cell, column in zip(cells_, columns, strict=True)
            ]
        )
    return rows


def against_itself(
    columns: Sequence[Column], plan: Mapping[str, Any], frame: pd.DataFrame
) -> list[list[Cell]]:
    """The A/A row: the baseline's seeds beside its further seeds. [] in a plan without them."""
    base = cells.baseline(plan)
    if not base:
        return []
    runs, further = (
        cells.rows_of(frame, cells.planned(plan, base, role=role)) for role in ("cell", "aa")
    )
    arm = Arm(base, runs, len(runs), further)
    first, *rest = (KINDS["arms"][column.kind](arm, **column.options) for column in columns)
    return [[Cell(f"A/A: {first.text}", {"": f"A/A: {first.text}"}), *rest]]
