"""Regenerates a plan's tables, figures and notebook from its finished runs.

outcome = write_tables("results/plans/symmetry-quick.json", "results", "reports")
write_notebook("results/plans/symmetry-quick.json", "results", "reports")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .table import Table


@dataclass(frozen=True)
class Outcome:
    """What was written. `violations` are sentences: with one, an exact fact is broken."""

    tables: list[Table]
    violations: list[str]
    files: list[Path]

    @property
    def exit_code(self) -> int:
        return 1 if self.violations else 0


def write_tables(
    plan_path: str | Path,
    runs_root: str | Path,
    reports_dir: str | Path,
    *,
    source: str = "runs",
    figures: bool = True,
    tune_by: str | None = None,
) -> Outcome:
    """Writes reports/tables/<table>.{md,tex,html,csv} and reports/figures/*.{png,svg}.

    Runs are read from `runs_root`, and with source "wandb" from the plan's W&B project. tune_by: a
    metric by which the plan's levels are chosen instead of as it declares (tuning.tuned_by).
    """
    from .exact_facts import violations
    from .figures import write_figures
    from .frame import load_plan, plan_frame
    from .render import FORMATS
    from .table import build_table
    from .tuning import tuned_by, with_choices

    plan = load_plan(plan_path)
    root = _root(plan, runs_root, source)
    frame = plan_frame(plan, root, source=source)
    if tune_by:
        plan = tuned_by(plan, frame, tune_by)
    plan, frame = with_choices(plan, frame)
    tables = [build_table(name, plan, frame) for name in plan["tables"]]
    files = []
    folder = Path(reports_dir) / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        for suffix, render in FORMATS.items():
            files.append(_write(folder / f"{table.name}.{suffix}", render(table)))
    if figures:
        files += write_figures(plan, frame, Path(reports_dir) / "figures")
    return Outcome(tables, violations(frame), files)


def write_encodings(reports_dir: str | Path) -> Outcome:
    """Writes what needs no run: how much of an encoding is idle, as a table and as maps."""
    from .figures import drawn
    from .figures.encoding_maps import MAPS
    from .render import FORMATS
    from .table import build_without_plan

    table = build_without_plan("positions_idle")
    files = []
    for kind in ("tables", "figures"):
        (Path(reports_dir) / kind).mkdir(parents=True, exist_ok=True)
    for suffix, render in FORMATS.items():
        files.append(_write(Path(reports_dir) / "tables" / f"{table.name}.{suffix}", render(table)))
    for name, draw in MAPS.items():
        for suffix in ("png", "svg"):
            path = Path(reports_dir) / "figures" / f"positions_{name}.{suffix}"
            path.write_bytes(drawn(draw, suffix=suffix))
            files.append(path)
    return Outcome([table], [], files)


def write_notebook(
    plan_path: str | Path,
    runs_root: str | Path,
    reports_dir: str | Path,
    *,
    source: str | None = None,
    on_cell: Callable[[int, int], None] = lambda done, total: None,
) -> Path | None:
    """Executes the study's notebook into reports/notebooks/<sweep>.ipynb; None if it has none.

    source: where it reads the runs from; by default what its first cell says.
    """
    from .execute import execute, notebook_of
    from .frame import load_plan

    plan = load_plan(plan_path)
    if notebook_of(plan["study"]) is None:
        return None
    root = _root(plan, runs_root, source)
    parameters: dict[str, Any] = {"PLAN": str(plan_path), "ROOT": str(root)}
    if source:
        parameters["SOURCE"] = source
    target = Path(reports_dir) / "notebooks" / f"{plan['sweep']}.ipynb"
    return execute(plan["study"], target, parameters, on_cell=on_cell)


def _root(plan: Mapping[str, Any], runs_root: str | Path, source: str | None) -> str | Path:
    """Where a source holds the plan's runs: a folder, or the W&B project they mirror to."""
    from .frame import wandb_project

    return wandb_project(plan) if source == "wandb" else runs_root


def print_outcome(outcome: Outcome) -> None:
    from .render import print_table

    for table in outcome.tables:
        print_table(table)


def _write(path: Path, text: str) -> Path:
    """Whole or not at all: a reader never sees half a table."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path
