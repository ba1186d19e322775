"""Publishing: a sweep's finished runs into results/, and its tables into README.md.

results/ is laid out as runs/ is, with what a table and its curves need of each run and nothing
else: plans/<sweep>-<profile>.json and <study>/<run id>/{result.json, history.jsonl, DONE}. So a
fresh clone regenerates the tables without training.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

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
    for folder in folders:
        target = RunFolder.of(results, study=plan["study"], run_id=folder.path.name)
        # The rows with a validation score: what curves are drawn from.
        rows = [r for r in folder.history() if any(k.startswith("validation/") for k in r)]
        write_atomic(target.history_file, "".join(json.dumps(row) + "\n" for row in rows))
        write_atomic(target.result_file, folder.result_file.read_bytes())
        write_atomic(target.done_file, folder.done_file.read_bytes())
    write_atomic(results / "plans" / plan_file.name, plan_file.read_bytes())
    return len(folders)


def with_tables(text: str, plan_file: Path, results: Path) -> str:
    """A document with each `<!-- table: name -->` block filled from the published runs."""
    from analysis.frame import plan_frame
    from analysis.render import FORMATS
    from analysis.table import build_table

    plan = load_plan(plan_file)
    frame = plan_frame(plan, results)

    def fill(block: re.Match[str]) -> str:
        rendered = FORMATS["md"](build_table(block[2], plan, frame)).strip()
        # The document has headings of its own.
        rendered = re.sub(r"^#+ (.*)", r"**\1**", rendered)
        return f"{block[1]}\n{rendered}\n\n{block[3]}"

    return BLOCK.sub(fill, text)
