"""The verbs on a sweep: run, plan, status, retry, tables."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.errors import UserError
from experiments.store import RunFolder, State, write_atomic
from sweeps import declaration
from sweeps.estimate import Seconds, clock
from sweeps.launcher import Slot, cpu_slots
from sweeps.plan import Plan, freeze, load_plan, make_plan, plan_path
from sweeps.reconcile import Progress, look, reconcile
from sweeps.view import COLOURS, failures, summary, variants_table, view_for

console = Console()
RESULTS = Path("results")


def planned(options: argparse.Namespace, runs: Path) -> Plan:
    """Plan anew from the declaration; nothing is written."""
    from analysis.claims import load_claims

    declared = declaration.load(options.sweep, options.profile, seeds=options.seeds)
    common = [f"paths.{name}={getattr(options, name)}" for name in ("runs", "data", "reports")]
    claims = load_claims(declared.claims) if declared.claims else []
    common += [f"tracking={options.tracking}", *options.override]
    with console.status("composing the arms ...") as status:

        def on_arm(done: int, total: int) -> None:
            status.update(f"composed {done} of {total} arms")

        return make_plan(declared, common=common, claims=claims, on_arm=on_arm)


def slots(options: argparse.Namespace) -> list[Slot]:
    if options.jobs is None:
        return cpu_slots()
    if options.jobs < 1:
        raise UserError(f"--jobs {options.jobs} is too few: expected 1 or more")
    return [Slot() for _ in range(options.jobs)]


def run(options: argparse.Namespace, runs: Path) -> int:
    plan = freeze(
        planned(options, runs), plan_path(runs, sweep=options.sweep, profile=options.profile)
    )
    console.print(f"[bold]{plan['study']}[/]: {plan['title']}")
    mirrored = _mirror(plan, enabled=options.tracking == "offline")
    with mirrored as on_finished, view_for(console) as view:
        progress = reconcile(
            plan,
            runs,
            slots=slots(options),
            view=view,
            on_finished=on_finished,
            time_limit=options.time_limit,
        )
    console.print(summary(progress))
    for line in failures(progress):
        console.print(line, style="red", markup=False, soft_wrap=True)
    if progress.counts()[State.failed]:
        console.print(f"type: make retry SWEEP={options.sweep} PROFILE={options.profile}")
    if progress.interrupted:
        console.print(f"to go on, type: make sweep SWEEP={options.sweep} PROFILE={options.profile}")
        return 130
    return max(progress.exit_code, tables(options, runs))


@contextlib.contextmanager
def _mirror(plan: Plan, *, enabled: bool) -> Any:
    """What is to be done with each finished run: mirror it to an offline W&B file, or nothing."""
    if not enabled:
        yield lambda folder: None
        return
    from experiments.mirror import Mirror
    from experiments.wandb_client import is_mirrored

    project = plan["runs"][0]["config"]["wandb"]["project"]

    def submit(folder: RunFolder) -> None:
        if not is_mirrored(folder.path):
            mirror.submit(folder.path)

    with Mirror(project=project, sweep=plan["sweep"]) as mirror:
        yield submit


def _existing_plan(options: argparse.Namespace, runs: Path) -> Path:
    path = plan_path(runs, sweep=options.sweep, profile=options.profile)
    if not path.exists():
        raise UserError(
            f"{path} does not exist: type make sweep SWEEP={options.sweep} "
            f"PROFILE={options.profile} first"
        )
    return path


def tables(options: argparse.Namespace, runs: Path) -> int:
    """From the plan's runs where it was planned here, else from the published ones."""
    from analysis.outputs import print_outcome, write_tables

    published = plan_path(RESULTS, sweep=options.sweep, profile=options.profile)
    if (
        published.exists()
        and not plan_path(runs, sweep=options.sweep, profile=options.profile).exists()
    ):
        runs = RESULTS
    outcome = write_tables(_existing_plan(options, runs), runs, options.reports)
    print_outcome(outcome)
    console.print(f"wrote {len(outcome.files)} files to {options.reports}")
    return outcome.exit_code


def plan(options: argparse.Namespace, runs: Path) -> int:
    made = planned(options, runs)
    progress = Progress(made, runs, len(slots(options)), look(made, runs))
    seconds = Seconds(progress)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title=made["title"])
    for name in ("run", "variant", "seed", "state", "about"):
        table.add_column(name, justify="right" if name in ("seed", "about") else "left")
    for planned_run in made["runs"]:
        state = progress.states[planned_run["run_id"]]
        about = "" if state == State.finished else clock(seconds.of(planned_run))
        name = planned_run["variant"] + (" (A/A)" if planned_run["role"] == "aa" else "")
        seed = str(planned_run["seed"])
        table.add_row(planned_run["run_id"], name, seed, f"[{COLOURS[state]}]{state}[/]", about)
    console.print(table)
    console.print(summary(progress))
    console.print(f"about {clock(seconds.left())} on {progress.num_slots} slots")
    console.print(_resolvable(made, runs))
    return 0


def _resolvable(plan: Plan, runs: Path) -> Table:
    """The smallest difference each claim can resolve with the planned seeds, at 80 % power."""
    from analysis.frame import plan_frame
    from analysis.power import measured_sds, resolvable
    from analysis.tuning import choose

    made, frame, _ = choose(plan, plan_frame(plan, runs))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title="what claims resolve")
    for name in ("claim", "metric", "resolves", "δ", "s.d. over seeds"):
        table.add_column(name)
    for row in resolvable(made, sds=measured_sds(frame) if len(frame) else {}):
        value = "nothing" if row["resolvable"] is None else f"{row['resolvable']:.3g}"
        colour = "green" if row["enough"] else "yellow"
        sd = f"{row['sd']:.3g} ({row['sd_source']})"
        table.add_row(row["id"], row["metric"], f"[{colour}]{value}[/]", f"{row['delta']:g}", sd)
    return table


def status(options: argparse.Namespace, runs: Path) -> int:
    path = plan_path(runs, sweep=options.sweep, profile=options.profile)
    made = load_plan(path) if path.exists() else planned(options, runs)
    progress = Progress(made, runs, len(slots(options)), look(made, runs))
    console.print(variants_table(progress))
    console.print(summary(progress))
    for line in failures(progress):
        console.print(line, style="red", markup=False, soft_wrap=True)
    return progress.exit_code


def retry(options: argparse.Namespace, runs: Path) -> int:
    made = planned(options, runs)
    count = 0
    for run_id, state in look(made, runs).items():
        folder = RunFolder.of(runs, study=made["study"], run_id=run_id)
        if options.status == "failed" and state == State.failed:
            folder.forgive()
        elif (options.status, state) == ("diverged", State.finished) and _diverged(folder):
            folder.wipe()
        else:
            continue
        count += 1
    console.print(f"{count} {options.status} runs will be trained again")
    return run(options, runs)


def _diverged(folder: RunFolder) -> bool:
    return folder.result()["status"] == "diverged"


def publish(options: argparse.Namespace, runs: Path) -> int:
    from sweeps.publish import publish as copy
    from sweeps.publish import with_tables

    path = _existing_plan(options, runs)
    count = copy(path, runs, RESULTS)
    readme = Path("README.md")
    text = readme.read_text(encoding="utf-8")
    published = plan_path(RESULTS, sweep=options.sweep, profile=options.profile)
    write_atomic(readme, with_tables(text, published, RESULTS))
    console.print(f"{count} runs published in {RESULTS}/, and their tables in {readme}")
    return 0


COMMANDS = {
    "publish": publish,
    "run": run,
    "plan": plan,
    "status": status,
    "retry": retry,
    "tables": tables,
}
