"""Regenerates a plan's tables and figures from its finished runs: what `make tables` runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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
) -> Outcome:
    """Writes reports/tables/<table>.{md,tex,html,csv} and reports/figures/*.{png,svg}.

    Runs are read from `runs_root`, and with source "wandb" from the plan's W&B project.
    """
    from .exact_facts import violations
    from .frame import load_plan, plan_frame, wandb_project
    from .render import FORMATS
    from .table import build_table
    from .tuning import choose

    plan = load_plan(plan_path)
    root = wandb_project(plan) if source == "wandb" else runs_root
    plan, frame, chosen = choose(plan, plan_frame(plan, root, source=source))
    frame["tuned"] = [str(chosen[run_id]) if run_id in chosen else "" for run_id in frame["run_id"]]
    tables = [build_table(name, plan, frame) for name in plan["tables"]]
    files = []
    folder = Path(reports_dir) / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        for suffix, render in FORMATS.items():
            files.append(_write(folder / f"{table.name}.{suffix}", render(table)))
    if figures:
        from .figures import write_figures

        files += write_figures(plan, frame, Path(reports_dir) / "figures")
    return Outcome(tables, violations(frame), files)


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
