"""Builds a declared table: `analysis/tables/<name>.yaml` + a plan + its finished runs -> Table.

A declaration has a title, what a row is (`arms` or `claims`), its columns (kinds of columns.py)
and notes. Adding a table is adding such a file.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError, did_you_mean

from . import cells, exact_facts
from .cells import measure
from .claims import metric_label
from .columns import ARM_KINDS, CLAIM_KINDS, TEXT_KINDS, Arm, Cell
from .judgement import Judgement, against_itself, in_plan, judge
from .statistics import ALPHA

if TYPE_CHECKING:
    import pandas as pd

TABLES = Path(__file__).parent / "tables"

KINDS = {"arms": ARM_KINDS, "claims": CLAIM_KINDS}
KEYS = ("title", "rows", "columns", "notes")
COLUMN_KEYS = ("kind", "header", "key", "wrap", "file_only")


@dataclass(frozen=True)
class Column:
    header: str
    key: str  # the CSV's name
    kind: str
    options: Mapping[str, Any]
    wrap: float | None = None  # share of a LaTeX line for long text
    file_only: bool = False  # too wide for a terminal

    @property
    def is_text(self) -> bool:
        return self.kind in TEXT_KINDS


@dataclass(frozen=True)
class Table:
    name: str
    title: str
    columns: list[Column]
    rows: list[list[Cell]]
    notes: list[str]
    source: str
    violations: list[str]


def load_table(name: str, folder: Path = TABLES) -> dict[str, Any]:
    """A checked declaration, its columns as `Column`s."""
    import yaml

    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise UserError(
            f"there is no table '{name}'; expected one of: {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in declared:
        if key not in KEYS:
            raise UserError(
                f"{path.name}: unknown key '{key}'; expected {', '.join(KEYS)}."
                f"{did_you_mean(key, KEYS)}"
            )
    if declared.get("rows") not in KINDS:
        raise UserError(f"{path.name}: rows must be one of: {', '.join(KINDS)}.")
    kinds = KINDS[declared["rows"]]
    declared["columns"] = [_column(spec, kinds, path.name) for spec in declared["columns"]]
    return declared


def _column(
    spec: Mapping[str, Any], kinds: Mapping[str, Callable[..., Cell]], where: str
) -> Column:
    kind = spec.get("kind", "")
    if kind not in kinds:
        raise UserError(
            f"{where}: unknown kind of column '{kind}'; expected one of: {', '.join(kinds)}."
            f"{did_you_mean(kind, kinds)}"
        )
    options = {key: value for key, value in spec.items() if key not in COLUMN_KEYS}
    try:
        inspect.signature(kinds[kind]).bind(None, **options)
    except TypeError as error:
        raise UserError(f"{where}: column '{kind}' has wrong options: {error}.") from None
    given = {key: spec[key] for key in ("wrap", "file_only") if key in spec}
    key = spec.get("key", options.get("factor", kind))
    return Column(header=spec["header"], key=key, kind=kind, options=options, **given)


def build_table(name: str, plan: Mapping[str, Any], frame: pd.DataFrame) -> Table:
    """`frame` is `plan_frame(plan, ...)`: a table reads exactly its plan's runs."""
    declared = load_table(name)
    columns: list[Column] = declared["columns"]
    violations = exact_facts.violations(frame)
    if declared["rows"] == "arms":
        columns = _with_varying_factors(columns, plan)
        if plan.get("tune"):
            header = plan["tune"]["factor"].replace("_", " ").capitalize()
            columns = [*columns, Column(f"{header} chosen", "tuned", "tuned", {})]
        rows = _arm_rows(columns, plan, frame)
    else:
        rows = _claim_rows(columns, plan, frame)
    notes = [note.format(level=f"{100 * (1 - ALPHA):g} %") for note in declared.get("notes", [])]
    if declared["rows"] == "claims":
        notes += _claim_notes(plan)
    return Table(
        name=name,
        title=f"{declared['title']}: {plan['title']}" if plan.get("title") else declared["title"],
        columns=columns,
        rows=rows,
        notes=notes + _missing(frame),
        source=_source(plan, frame),
        violations=violations,
    )


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


def arms(plan: Mapping[str, Any], frame: pd.DataFrame) -> list[Arm]:
    """The plan's arms in its order, each with its finished runs of role "cell"."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for run in plan["runs"]:
        if run["role"] == "cell":
            groups.setdefault(tuple(sorted(run["factors"].items())), []).append(run)
    return [
        Arm(runs[0]["factors"], cells.rows_of(frame, {r["run_id"] for r in runs}), len(runs))
        for runs in groups.values()
    ]


def _arm_rows(
    columns: list[Column], plan: Mapping[str, Any], frame: pd.DataFrame
) -> list[list[Cell]]:
    broken = list(exact_facts.check(frame))
    rows = []
    for arm in arms(plan, frame):
        ids = set(arm.runs["run_id"])
        alerts = {violation.column for violation in broken if violation.run_id in ids}
        cells_ = [ARM_KINDS[column.kind](arm, **column.options) for column in columns]
        rows.append(
            [
                replace(cell, alert=arm.metric(column.options.get("metric", "")) in alerts)
                for cell, column in zip(cells_, columns, strict=True)
            ]
        )
    if base := cells.baseline(plan):
        runs, further = (
            cells.rows_of(frame, cells.planned(plan, base, role=role)) for role in ("cell", "aa")
        )
        arm = Arm(base, runs, len(runs), further)
        first, *rest = (ARM_KINDS[column.kind](arm, **column.options) for column in columns)
        rows.append([Cell(f"A/A: {first.text}", {"": f"A/A: {first.text}"}), *rest])
    return rows


def _claim_rows(
    columns: list[Column], plan: Mapping[str, Any], frame: pd.DataFrame
) -> list[list[Cell]]:
    judgements = judge(plan, frame)
    if cells.baseline(plan):
        metrics = {j.claim["metric"]: metric_label(j.claim) for j in judgements}
        judgements += [
            _against_itself(plan, frame, metric, label, base)
            for metric, label in metrics.items()
            for base in cells.baselines(plan)
        ]
    return [
        [CLAIM_KINDS[column.kind](judgement, **column.options) for column in columns]
        for judgement in judgements
    ]


def _against_itself(
    plan: Mapping[str, Any],
    frame: pd.DataFrame,
    metric: str,
    label: str,
    base: Mapping[str, Any],
) -> Judgement:
    """The A/A row of one metric and one baseline: an unadjusted interval, outside the family,
    never judged."""
    contrast = against_itself(plan, frame, metric, base)
    ids = [cells.planned(plan, base, role=role) for role in ("cell", "aa")]
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
            (len(measure(rows, metric).values), cells.num_units(plan, run_ids))
            for run_ids in ids
            for rows in [cells.rows_of(frame, run_ids)]
        ),
        verdict="not judged",
        reason="",
    )


def _claim_notes(plan: Mapping[str, Any]) -> list[str]:
    from .claims import changed, load_claims

    notes = []
    if absent := in_plan(plan)[1]:
        notes.append(
            f"{len(absent)} of the study's claims left out, as the plan lacks a cell of theirs: "
            f"{', '.join(absent)}."
        )
    notes += [f"{note}." for note in changed(plan["claims"], load_claims(plan["study"]))]
    return notes


def _missing(frame: pd.DataFrame) -> list[str]:
    missing = frame.attrs["missing"]
    if not missing:
        return []
    reasons = Counter(reason.split(":")[0] for reason in missing.values())
    counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return [f"{len(missing)} planned runs are not in this table: {counted}."]


def _source(plan: Mapping[str, Any], frame: pd.DataFrame) -> str:
    total = len(plan["runs"])
    return (
        f"{frame.attrs['source']}, plan {plan['sweep']}-{plan['profile']}: {len(frame)} of {total} "
        f"planned runs; left out {frame.attrs['left_out']} other runs of the study"
    )
