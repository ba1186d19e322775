"""Publishing: a sweep's finished runs into results/, its tables into README.md and its docs page.

results/ is laid out as runs/ is, with what a table and its curves need of each run and nothing
else: plans/<sweep>-<profile>.json and <study>/<run id>/{result.json, history.jsonl, DONE, wandb/},
the history thinned to the rows with a validation score, and W&B's offline file of the same. So a
fresh clone regenerates the tables without training, from either source.

What is published names no folder of the machine that trained it: paths, which are no part of a
run's identity, are the defaults. Publishing again rewrites nothing that has not changed, so that a
commit holds what is new.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments import wandb_client
from experiments.config import PathsConfig
from experiments.errors import UserError
from experiments.store import RunFolder, State, write_atomic
from sweeps.launcher import folder_of
from sweeps.plan import load_plan

BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def publish(plan_file: Path, runs: Path, results: Path) -> int:
    """Copy a finished plan and its runs from `runs` to `results`; how many runs were copied."""
    plan = load_plan(plan_file)
    folders = [folder_of(runs, run) for run in plan["runs"]]
    unfinished = [folder.path.name for folder in folders if folder.state() != State.finished]
    if unfinished:
        raise UserError(
            f"{len(unfinished)} of {len(folders)} planned runs are not finished, {unfinished[0]} "
            f"among them: type make sweep first"
        )
    for folder, run in zip(folders, plan["runs"], strict=True):
        target = RunFolder.of(results, study=plan["study"], run_id=folder.path.name)
        # The rows with a validation score: what curves are drawn from.
        rows = [r for r in folder.history() if any(k.startswith("validation/") for k in r)]
        write_atomic(target.history_file, "".join(json.dumps(row) + "\n" for row in rows))
        result = folder.result()
        result["config"]["paths"] = asdict(PathsConfig())
        write_atomic(target.result_file, json.dumps(result, indent=1, allow_nan=False) + "\n")
        write_atomic(target.done_file, folder.done_file.read_bytes())
        mirror(target, rows, run)
    wandb_client.close()
    for run in plan["runs"]:
        run["config"]["paths"] = asdict(PathsConfig())
    # Without indentation, a third of its bytes: each run's settings stand in it.
    text = json.dumps(plan, allow_nan=False, separators=(",", ":")) + "\n"
    write_atomic(results / "plans" / plan_file.name, text)
    return len(folders)


def mirror(folder: RunFolder, rows: list[dict[str, Any]], run: dict[str, Any]) -> None:
    """Write a published run's offline W&B file, unless the one that is there holds the same."""
    result, labels = folder.result(), run["labels"]
    told = {
        "group": run["arm"],
        "tags": [f"sweep:{labels['sweep']}", *labels["tags"]],
        "project": run["config"]["wandb"]["project"],
    }
    if not _holds(folder.path, result, rows, told):
        shutil.rmtree(folder.path / "wandb", ignore_errors=True)
        wandb_client.write_offline_run(folder.path, result, rows, **told)


def _holds(
    folder: Path, result: dict[str, Any], rows: list[dict[str, Any]], told: dict[str, Any]
) -> bool:
    if not wandb_client.is_mirrored(folder):
        return False
    held = wandb_client.read_offline_run(folder)
    if held.problem or held.result() != result:
        return False
    steps = [{k: v for k, v in row.items() if k[0] != "_"} for row in held.history]
    return (
        [row["_step"] for row in held.history] == [row["step"] for row in rows]
        and steps == [{k: v for k, v in row.items() if k != "step"} for row in rows]
        and (held.group, held.project) == (told["group"], told["project"])
        and set(told["tags"]) <= set(held.tags)
    )


def with_tables(text: str, plan_file: Path, results: Path, *, source: str = "runs") -> str:
    """A document with the plan's `<!-- table: name -->` blocks filled from the published runs."""
    from analysis.frame import plan_frame
    from analysis.render import FORMATS
    from analysis.table import build_table
    from analysis.tuning import with_choices

    plan = load_plan(plan_file)
    plan, frame = with_choices(plan, plan_frame(plan, results, source=source))

    def fill(block: re.Match[str]) -> str:
        if block[2] not in plan["tables"]:  # another sweep's
            return block[0]
        rendered = FORMATS["md"](build_table(block[2], plan, frame)).strip()
        # The document has headings of its own.
        rendered = re.sub(r"^#+ (.*)", r"**\1**", rendered)
        return f"{block[1]}\n{rendered}\n\n{block[3]}"

    return BLOCK.sub(fill, text)
