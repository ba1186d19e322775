"""python -m analysis tables --plan runs/plans/symmetry-quick.json [--runs runs] [--reports reports]

Regenerates a plan's tables and figures and prints the tables. Exit code 0, 1 when an exact fact
is violated, 2 for a user's mistake.
"""

from __future__ import annotations

import argparse
import sys

from experiments.errors import UserError

DESCRIPTION = "Regenerates the tables and figures of a plan from its finished runs."


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    tables = commands.add_parser("tables", help="write and print a plan's tables and figures")
    tables.add_argument("--plan", required=True, help="runs/plans/<sweep>-<profile>.json")
    tables.add_argument("--runs", default="runs", help="where the runs are (default: runs)")
    tables.add_argument("--reports", default="reports", help="where to write (default: reports)")
    tables.add_argument("--no-figures", action="store_true", help="tables only")
    options = parser.parse_args(arguments)

    from .outputs import print_outcome, write_tables

    try:
        outcome = write_tables(
            options.plan, options.runs, options.reports, figures=not options.no_figures
        )
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print_outcome(outcome)
    print(f"wrote {len(outcome.files)} files to {options.reports}")
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
