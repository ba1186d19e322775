"""The verbs on a sweep: run, plan, status, retry, tables, publish, wandb."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.errors import UserError
from experiments.store import RunFolder, State, write_atomic
from sweeps import declaration, devices
from sweeps.drive import drive
from sweeps.estimate import Seconds, clock
from sweeps.launcher import Slot
from sweeps.plan import Plan, freeze, load_plan, make_plan, plan_path
from sweeps.reconcile import Progress, look
from sweeps.view import COLOURS, failures, summary, variants_table

console = Console()
RESULTS = Path("results")


def planned(options: argparse.Namespace, runs: Path) -> Plan:
    """Plan anew from the declaration; nothing is written."""
    from analysis.claims import load_claims

    declared = declaration.load(options.sweep, options.profile, seeds=options.seeds)
    claims = load_claims(declared.claims) if declared.claims else []
    with console.status("composing the arms ...") as status:

        def on_arm(done: int, total: int) -> None:
            status.update(f"composed {done} of {total} arms")

        return make_plan(declared, common=common(options), claims=claims, on_arm=on_arm)


def common(options: argparse.Namespace) -> list[str]:
    """The overrides of every arm that the command line gives."""
    overrides = [f"paths.{name}={getattr(options, name)}" for name in ("runs", "data", "reports")]
    if options.devices == "none":
        overrides.append("runtime.device=cpu")
    return [*overrides, f"tracking={options.tracking}", *options.override]


def slots(options: argparse.Namespace, plan: Plan) -> list[Slot]:
    """The GPUs that this machine has for the plan, else its cores."""
    wanted = {run["config"]["runtime"]["device"] for run in plan["runs"]}
    return devices.slots(
        jobs=options.jobs,
        devices=options.devices,
        runs_per_device=options.runs_per_device,
        threads=options.threads,
        wanted=wanted.pop() if len(wanted) == 1 else "auto",
    )


def num_slots(options: argparse.Namespace, plan: Plan) -> int:
    """How many of the plan's runs execute side by side, as far as this machine can tell."""
    if options.launcher == "slurm":
        return options.jobs or len(plan["runs"])
    if "cuda" in {run["config"]["runtime"]["device"] for run in plan["runs"]}:
        plan = {"runs": []}  # it may be looked at where there is no GPU
    return len(slots(options, plan))


def run(options: argparse.Namespace, runs: Path) -> int:
    plan = freeze(
        planned(options, runs), plan_path(runs, sweep=options.sweep, profile=options.profile)
    )
    console.print(f"[bold]{plan['study']}[/]: {plan['title']}")
    if plan["claims"]:
        console.print(_resolvable(plan, runs))
    if options.launcher == "slurm":
        from sweeps import slurm

        progress = slurm.drive(plan, runs, options=slurm.Options.of(options), console=console)
    else:
        limit = options.time_limit
        progress = drive(plan, runs, slots=slots(options, plan), console=console, time_limit=limit)
    console.print(summary(progress))
    for line in failures(progress):
        console.print(line, style="red", markup=False, soft_wrap=True)
    if progress.counts()[State.failed]:
        console.print(f"type: make retry SWEEP={options.sweep} PROFILE={options.profile}")
    if progress.interrupted:
        where = " LAUNCHER=slurm" if options.launcher == "slurm" else ""
        console.print(
            f"to go on, type: make sweep SWEEP={options.sweep} PROFILE={options.profile}{where}"
        )
        return 130
    exit_code = max(progress.exit_code, tables(options, runs))
    report(options, runs)
    return exit_code


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
    plan_file = _existing_plan(options, runs)
    outcome = write_tables(plan_file, runs, options.reports, source=options.source)
    print_outcome(outcome)
    console.print(f"wrote {len(outcome.files)} files to {options.reports}")
    return outcome.exit_code


def report(options: argparse.Namespace, runs: Path) -> None:
    """The page on all studies. What is wrong in another one is told, and fails no sweep of this."""
    from analysis.report import write_report

    written = write_report(runs, RESULTS, options.reports)
    console.print(str(written), highlight=False, soft_wrap=True)
    for problem in written.problems:
        console.print(problem, style="red", markup=False, soft_wrap=True)


def plan(options: argparse.Namespace, runs: Path) -> int:
    made = planned(options, runs)
    progress = Progress(made, runs, num_slots(options, made), look(made, runs))
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
    metrics = dict.fromkeys(claim["metric"] for claim in made["claims"])
    for row in resolvable(made, sds=measured_sds(frame, metrics) if len(frame) else {}):
        value = "nothing" if row["resolvable"] is None else f"{row['resolvable']:.3g}"
        colour = "green" if row["enough"] else "yellow"
        sd = f"{row['sd']:.3g} ({row['sd_source']})"
        table.add_row(row["id"], row["metric"], f"[{colour}]{value}[/]", f"{row['delta']:g}", sd)
    return table


def status(options: argparse.Namespace, runs: Path) -> int:
    path = plan_path(runs, sweep=options.sweep, profile=options.profile)
    made = load_plan(path) if path.exists() else planned(options, runs)
    progress = Progress(made, runs, num_slots(options, made), look(made, runs))
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
    published = plan_path(RESULTS, sweep=options.sweep, profile=options.profile)
    page = Path("docs/studies", f"{load_plan(published)['study']}.md")
    documents = [Path("README.md"), *([page] if page.is_file() else [])]
    for document in documents:
        text = document.read_text(encoding="utf-8")
        write_atomic(document, with_tables(text, published, RESULTS))
    where = " and ".join(map(str, documents))
    console.print(f"{count} runs published in {RESULTS}/, and their tables in {where}")
    return 0


def wandb(options: argparse.Namespace, runs: Path) -> int:
    from sweeps.wandb_sweep import wandb_sweeps, write

    path = plan_path(runs, sweep=options.sweep, profile=options.profile)
    project = freeze(planned(options, runs), path)["runs"][0]["config"]["wandb"]["project"]
    declared = declaration.load(options.sweep, options.profile, seeds=options.seeds)
    console.print("type, for each file, and then the `wandb agent` line that it prints:")
    for file in write(wandb_sweeps(declared, common=common(options)), path):
        console.print(f"wandb sweep --project {project} {file}", highlight=False, soft_wrap=True)
    return 0


COMMANDS = {
    "publish": publish,
    "run": run,
    "plan": plan,
    "status": status,
    "retry": retry,
    "tables": tables,
    "wandb": wandb,
}
