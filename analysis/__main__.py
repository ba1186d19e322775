"""python -m analysis tables --plan runs/plans/symmetry-quick.json [--runs runs] [--reports reports]
                          [--source runs|wandb-offline|wandb]
python -m analysis report [--runs runs] [--results results] [--reports reports]

The first regenerates a plan's tables and figures and prints the tables, the second writes the
report on all plans. Exit code 0, 1 when an exact fact is violated, 2 for a user's mistake.
"""

from __future__ import annotations

import argparse
import sys

from experiments.errors import UserError

DESCRIPTION = "Regenerates tables, figures and the report from finished runs."


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    for_tables = commands.add_parser("tables", help="write and print a plan's tables and figures")
    for_tables.add_argument("--plan", required=True, help="runs/plans/<sweep>-<profile>.json")
    for_tables.add_argument("--runs", default="runs", help="where the runs are (default: runs)")
    for_tables.add_argument(
        "--reports", default="reports", help="where to write (default: reports)"
    )
    for_tables.add_argument("--source", default="runs", help="runs, wandb-offline or wandb")
    for_tables.add_argument("--no-figures", action="store_true", help="tables only")
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
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def tables(options: argparse.Namespace) -> int:
    from .outputs import print_outcome, write_tables

    outcome = write_tables(
        options.plan,
        options.runs,
        options.reports,
        source=options.source,
        figures=not options.no_figures,
    )
    print_outcome(outcome)
    print(f"wrote {len(outcome.files)} files to {options.reports}")
    return outcome.exit_code


def report(options: argparse.Namespace) -> int:
    from .report import write_report

    written = write_report(options.runs, options.results, options.reports)
    print(written)
    for problem in written.problems:
        print(problem, file=sys.stderr)
    return written.exit_code


COMMANDS = {"tables": tables, "report": report}


if __name__ == "__main__":
    sys.exit(main())
