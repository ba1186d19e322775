"""What `make tables` does: each plan's tables, figures and notebook, with progress.

Of a plan that was made here the runs are read in `runs/`, of the others in the committed
`results/`; what is printed says which.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from experiments.wandb_client import is_mirrored

from .execute import NotebookError
from .frame import load_plan
from .outputs import print_outcome, write_notebook, write_tables
from .plans import PlanFile


def regenerate(
    plans: Sequence[PlanFile],
    reports: str,
    *,
    figures: bool = True,
    notebooks: bool = True,
    source: str | None = None,
    tune_by: str | None = None,
) -> int:
    """Exit code 1 where an exact fact is violated or a notebook failed, else 0.

    source: of tables and notebooks. By default tables read the run folders, and notebooks W&B
    where the plan's runs are tracked. tune_by: as in `write_tables`.
    """
    console = Console(stderr=True)
    exit_code = 0
    for plan in plans:
        outcome = write_tables(
            plan.path,
            plan.root,
            reports,
            source=source or "runs",
            figures=figures,
            tune_by=tune_by,
        )
        print_outcome(outcome)
        exit_code = max(exit_code, outcome.exit_code)
        written = list(outcome.files)
        if notebooks:
            try:
                read_from = source or notebook_source(plan)
                written += _notebook(plan, reports, read_from, console)
            except NotebookError as error:
                way_out = "; make tables SOURCE=runs needs no server" * (read_from == "wandb")
                print(f"{error}{way_out}", file=sys.stderr)
                exit_code = 1
        where = "the W&B server" if source == "wandb" else f"{plan.root}/"
        print(f"{plan.path}: wrote {len(written)} files to {reports} from the runs in {where}")
    return exit_code


def notebook_source(plan_file: PlanFile) -> str:
    """Where W&B holds the plan's runs: in offline files, which published runs have too, or on its
    server; the run folders where nothing was tracked."""
    plan = load_plan(plan_file.path)
    tracking = plan["runs"][0]["config"]["tracking"]
    folders = [plan_file.root / plan["study"] / run["run_id"] for run in plan["runs"]]
    if tracking == "offline" or all(is_mirrored(folder) for folder in folders):
        return "wandb-offline"
    return "wandb" if tracking == "online" else "runs"


def _notebook(plan: PlanFile, reports: str, source: str, console: Console) -> list[Path]:
    columns = (
        TextColumn("executing the notebook"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cells"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def on_cell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        path = write_notebook(plan.path, plan.root, reports, source=source, on_cell=on_cell)
    if path is None:
        return []
    print(f"executed {path}")
    return [path]
