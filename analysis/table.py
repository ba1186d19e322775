"""Builds a declared table: `analysis/tables/<name>.yaml` + a plan + its finished runs -> Table.

    table = build_table("symmetry_cells", plan, plan_frame(plan, "results"))

What can be declared is said in declaration.py, what a row is in arm_rows.py, variants.py,
claim_rows.py, published_rows.py and encoding_rows.py, and how a Table is printed in render.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import arm_rows, claim_rows, exact_facts, tuning, variants
from .columns import Cell
from .comparison import interval_name
from .declaration import KINDS, Column, Declaration, load_table
from .frame import damaged
from .judgement import judge
from .published import published_table
from .published_rows import published_rows
from .statistics import ALPHA

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Panel:
    """A part of a table, with its title. `columns` are indices into the table's; of its rows
    those stay that say something in this part."""

    title: str
    columns: list[int]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Table:
    name: str
    title: str
    columns: list[Column]
    rows: list[list[Cell]]
    notes: list[str]
    source: str
    violations: list[str]

    @property
    def panels(self) -> list[Panel]:
        """The parts that it is printed in; one without a title for a table that declares none."""
        titles = list(dict.fromkeys(c.panel for c in self.columns if c.panel))
        return [self._panel(title) for title in titles or [""]]

    def _panel(self, title: str) -> Panel:
        columns = [i for i, c in enumerate(self.columns) if c.panel in ("", title)]
        own = [i for i in columns if self.columns[i].panel == title]
        return Panel(title, columns, [row for row in self.rows if any(row[i].text for i in own)])


def build_table(name: str, plan: Mapping[str, Any], frame: pd.DataFrame) -> Table:
    """`frame` is `plan_frame(plan, ...)`: a table reads exactly its plan's runs."""
    declared = load_table(name)
    if declared.rows in WITHOUT_PLAN:
        return WITHOUT_PLAN[declared.rows](name, declared)
    words = {
        "level": f"{100 * (1 - ALPHA):g} %",
        "interval": interval_name(plan),
        "one_rate": tuning.one_rate(plan),
    }
    notes = [note.format(**words) for note in declared.notes]
    columns = [c for c in declared.columns if not c.optional or _is_told(c, declared, plan, frame)]
    declared = replace(declared, columns=columns)
    if declared.rows == "arms":
        chosen = arm_rows.of_arms(plan, declared.arms)
        columns = arm_rows.arm_columns(columns, chosen)
        rows = arm_rows.arm_rows(columns, chosen, frame)
        against_itself = arm_rows.against_itself(columns, chosen, frame)
    elif declared.rows == "variants":
        rows = _cells(declared, variants.variants(plan, frame, by=declared.by))
        against_itself = _cells(declared, variants.against_itself(plan, frame, by=declared.by))
    else:
        rows = _cells(declared, judge(plan, frame))
        against_itself = _cells(declared, claim_rows.against_itself(plan, frame))
        notes += claim_rows.notes(plan)
    notes += tuning.notes(plan)
    return Table(
        name=tuning.table_name(name, plan),
        title=f"{declared.title}: {plan['title']}" if plan.get("title") else declared.title,
        columns=columns,
        rows=_with_best(columns, rows) + against_itself,
        notes=[*notes, *_unrecorded(columns, frame), *_missing(frame), *_diverged(frame)],
        source=_source(plan, frame),
        violations=exact_facts.violations(frame),
    )


def _is_told(
    column: Column, declared: Declaration, plan: Mapping[str, Any], frame: pd.DataFrame
) -> bool:
    """Whether some run has the column's metric (of a chosen level: whether the plan tunes) and some
    arm of the plan is at its place; of published values, whether some arm of the plan was
    published."""
    if "table" not in column.options:
        where = column.options.get("where", {}).items()
        cells = (run["factors"] for run in plan["runs"] if run["role"] == "cell")
        has_arm = any(where <= levels.items() for levels in cells)
        if column.kind == "tuned":
            return has_arm and bool(plan.get("tune"))
        return has_arm and column.options["metric"] in frame
    rows = published_table(column.options["table"]).rows.values()
    arms = {arm for row in rows for arm in row.variants}
    return any(run["factors"].get(declared.by) in arms for run in plan["runs"])


def _published(name: str, declared: Declaration) -> Table:
    """A published table: it has a source and no plan."""
    table = published_table(declared.published)
    told = [f"{text[0].upper()}{text[1:].rstrip('.')}." for text in (table.conditions,) if text]
    read_in = f" (read in {table.read_in})" if table.read_in else ""
    return Table(
        name=name,
        title=declared.title,
        columns=declared.columns,
        rows=_with_best(declared.columns, _cells(declared, published_rows(table))),
        notes=[*told, *declared.notes],
        source=f"{table.source}{read_in}",
        violations=[],
    )


def _computed(name: str, declared: Declaration) -> Table:
    """A table of closed forms: it has neither a plan nor runs."""
    return Table(
        name=name,
        title=declared.title,
        columns=declared.columns,
        rows=_cells(declared, declared.encodings),
        notes=declared.notes,
        source="computed from the encodings' formulas, no run",
        violations=[],
    )


WITHOUT_PLAN = {"published": _published, "encodings": _computed}


def build_without_plan(name: str) -> Table:
    """A table that reads no run: of published values, or computed from formulas."""
    declared = load_table(name)
    return WITHOUT_PLAN[declared.rows](name, declared)


def _cells(declared: Declaration, rows: Sequence[Any]) -> list[list[Cell]]:
    kinds = KINDS[declared.rows]
    return [
        [kinds[column.kind](row, **column.options) for column in declared.columns] for row in rows
    ]


def _with_best(columns: Sequence[Column], rows: list[list[Cell]]) -> list[list[Cell]]:
    """Marks the best of each column that declares which is: every value that prints as it."""
    place = {column.key: i for i, column in enumerate(columns)}
    marked = [list(row) for row in rows]
    for i, column in enumerate(columns):
        if column.best is None:
            continue
        groups: dict[tuple[str, ...], list[list[Cell]]] = {}
        for row in marked:
            group = tuple(row[place[key]].text for key in column.best_within)
            groups.setdefault(group, []).append(row)
        for group_rows in groups.values():
            printed = [_plain(row[i], column) for row in group_rows]
            values = [value for value in printed if value is not None]
            if not values or (column.best_within and len(values) == 1):  # nothing to be best of
                continue
            best = {"max": max, "min": min}[column.best](values)
            for row, value in zip(group_rows, printed, strict=True):
                row[i] = replace(row[i], best=value == best)
    return marked


def _plain(cell: Cell, column: Column) -> float | None:
    """The cell's number as it is printed; None where it has none."""
    value = cell.values.get("")
    if not isinstance(value, int | float) or value != value:
        return None
    return round(float(value), column.options.get("digits", 3))


def _unrecorded(columns: Sequence[Column], frame: pd.DataFrame) -> list[str]:
    """Names the columns' metrics that no run has: a dash must not hide a misspelt name."""
    names = dict.fromkeys(str(c.options["metric"]) for c in columns if "metric" in c.options)
    absent = [name for name in names if "{" not in name and name not in frame]
    return [f"No run of the plan has {', '.join(absent)}."] if absent and len(frame) else []


def _missing(frame: pd.DataFrame) -> list[str]:
    missing = frame.attrs["missing"]
    if not missing:
        return []
    reasons = Counter(reason.split(":")[0] for reason in missing.values())
    counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return [f"{len(missing)} planned runs are not in this table: {counted}.", *damaged(frame)]


def _diverged(frame: pd.DataFrame) -> list[str]:
    count = int((frame["status"] == "diverged").sum())
    return [f"Of {len(frame)} finished runs {count} diverged."] if count else []


def _source(plan: Mapping[str, Any], frame: pd.DataFrame) -> str:
    total = len(plan["runs"])
    return (
        f"{frame.attrs['source']}, plan {plan['sweep']}-{plan['profile']}: {len(frame)} of {total} "
        f"planned runs; left out {frame.attrs['left_out']} other runs of the study"
    )
