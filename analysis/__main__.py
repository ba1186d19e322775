"""python -m analysis tables [--sweep symmetry] [--profile quick] [--source wandb]
python -m analysis tables --plan runs/plans/symmetry-quick.json
python -m analysis tables --sweep bert --profile cpu --tune-by score
python -m analysis dashboard [--sweep symmetry] [--entity us]
python -m analysis report [--runs runs] [--results results] [--reports reports]
python -m analysis encodings [--reports reports]

The first regenerates the tables, figures and notebooks of every sweep that has a plan, or of one,
and prints the tables; the next two make W&B workspaces and write the report on all plans; the last
writes how much of a position encoding is idle, and needs no run. Exit code 0, 1 when an exact fact
is violated or a notebook fails, 2 for a user's mistake.
"""

from __future__ import annotations

import argparse
import sys

from experiments.errors import UserError

DESCRIPTION = "Regenerates tables, figures, notebooks and the report from finished runs."


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    _tables_options(commands.add_parser("tables", help="write and print tables; draw figures"))
    for_report = commands.add_parser(
        "report", help="write one page on all plans: reports/index.html"
    )
    for_report.add_argument("--runs", default="runs", help="where the runs are (default: runs)")
    for_report.add_argument(
        "--results",
        default="results",
        help="published runs, for plans that --runs lacks (default: results)",
    )
    for_report.add_argument(
        "--reports", default="reports", help="where to write (default: reports)"
    )
    _dashboard_options(commands.add_parser("dashboard", help="make W&B workspaces and reports"))
    for_encodings = commands.add_parser(
        "encodings", help="what of a position encoding is idle, as a table and maps; no run is read"
    )
    for_encodings.add_argument(
        "--reports", default="reports", help="where to write (default: reports)"
    )
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def _tables_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--plan", help="one plan alone: runs/plans/<sweep>-<profile>.json, its runs in --runs")
    add("--sweep", help="one sweep alone (default: every sweep that has a plan)")
    add(
        "--profile",
        help="quick, cpu, gpu or paper (default: each sweep's smallest that is planned)",
    )
    add("--runs", default="runs", help="where the runs are (default: runs)")
    add("--results", default="results", help="published runs, for plans that --runs lacks")
    add("--reports", default="reports", help="where to write (default: reports)")
    add("--source", help="runs, wandb-offline or wandb (default: runs; of notebooks, theirs)")
    add(
        "--tune-by",
        metavar="METRIC",
        help="choose what the plan tunes by this metric instead, as in score: tables alone, under "
        "names and titles that say so",
    )
    add("--no-figures", action="store_true", help="no figures")
    add("--no-notebooks", action="store_true", help="no notebooks")


def _dashboard_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--sweep", help="one sweep alone (default: every sweep)")
    add("--entity", help="W&B's user or team that the project belongs to")
    add("--project", default="transformer-ablations", help="W&B's project of the runs")
    add("--reports", default="reports", help="where to note their addresses (default: reports)")


def dashboard(options: argparse.Namespace) -> int:
    from .dashboard import dashboard

    return dashboard(options)


def tables(options: argparse.Namespace) -> int:
    from pathlib import Path

    from .plans import PlanFile, find_plans, one_a_sweep

    if options.plan:
        plans = [PlanFile(Path(options.plan), Path(options.runs))]
    else:
        plans = find_plans(
            options.runs, options.results, sweep=options.sweep, profile=options.profile
        )
        chosen = plans if options.profile else one_a_sweep(plans)
        for plan in plans:
            if plan not in chosen:
                print(f"left out {plan.path}: type make tables PROFILE={plan.profile}")
        plans = chosen
    from .regenerate import regenerate

    return regenerate(
        plans,
        options.reports,
        figures=not (options.no_figures or options.tune_by),
        notebooks=not (options.no_notebooks or options.tune_by),
        source=options.source,
        tune_by=options.tune_by,
    )


def report(options: argparse.Namespace) -> int:
    from .report import write_report

    written = write_report(options.runs, options.results, options.reports)
    print(written)
    for problem in written.problems:
        print(problem, file=sys.stderr)
    return written.exit_code


def encodings(options: argparse.Namespace) -> int:
    from .outputs import print_outcome, write_encodings

    outcome = write_encodings(options.reports)
    print_outcome(outcome)
    print(f"wrote {len(outcome.files)} files to {options.reports}, computed from formulas")
    return outcome.exit_code


COMMANDS = {"tables": tables, "report": report, "dashboard": dashboard, "encodings": encodings}


if __name__ == "__main__":
    sys.exit(main())
