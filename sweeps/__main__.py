"""Sweeps: declared in sweeps/*.yaml, planned, reconciled, told in tables.

    python -m sweeps run symmetry --profile quick      what `make sweep` runs
    python -m sweeps plan symmetry --profile quick     what it would train
    python -m sweeps status symmetry
    python -m sweeps retry symmetry --status failed
    python -m sweeps tables symmetry
    python -m sweeps publish symmetry
    python -m sweeps wandb symmetry                    the same runs for W&B sweep agents
    python -m sweeps run symmetry --tracking online    every run live in W&B
    python -m sweeps run symmetry --devices 0,1 --runs-per-device 4
    python -m sweeps run symmetry --launcher slurm --slurm-partition gpu --slurm-time 2:00:00

Exit code 0: every planned run is finished; 1: some failed or are blocked, or an exact fact is
violated; 2: a mistake in the command; 130: interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from experiments.errors import UserError

COMMANDS = {
    "run": "train what is missing, then print the tables",
    "plan": "show each run, the time it takes and what the claims can resolve",
    "status": "show where every run stands",
    "retry": "forgive failed runs (or wipe diverged ones) and train them again",
    "tables": "write the tables and figures again from the plan's runs, or the published ones",
    "publish": "copy the plan's finished runs to results/ and their tables to README.md",
    "wandb": "write W&B sweep files whose agents train the same runs",
}

TRACKING = ["offline", "online", "disabled"]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m sweeps",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("sweep", help="a file of sweeps/, without .yaml")
        command.add_argument(
            "--override", action="append", default=[], metavar="KEY=VALUE", help="of every arm"
        )
        command.add_argument("--profile", default="quick", help="quick, cpu, gpu or paper")
        command.add_argument("--seeds", type=int, help="seeds an arm (default: the profile's)")
        command.add_argument("--runs", default="runs", help="where run folders are kept")
        command.add_argument(
            "--source", default="runs", help="of tables: runs, wandb-offline or wandb (the server)"
        )
        command.add_argument("--data", default="data", help="where data sets are")
        command.add_argument("--reports", default="reports", help="where tables are written")
        command.add_argument("--tracking", default="offline", choices=TRACKING, help="W&B mirror")
        command.add_argument("--time-limit", type=float, help="seconds after which a run fails")
        _add_places(command)
        if name == "retry":
            command.add_argument("--status", default="failed", choices=["failed", "diverged"])
    return made


def _add_places(command: argparse.ArgumentParser) -> None:
    """Where runs execute: on this machine's GPUs or cores, or in a Slurm queue."""
    add = command.add_argument
    add("--jobs", type=int, help="at most so many runs side by side (default: one a GPU or core)")
    add("--devices", default="auto", help="GPUs, as in 0,1 (default: all there are); none: cores")
    add("--runs-per-device", type=int, default=1, help="runs side by side on each GPU")
    add("--threads", type=int, help="of each run (default: 1, or the cores dealt out to GPUs)")
    add("--launcher", default="isolated", choices=["isolated", "slurm"], help="slurm: a job array")
    add("--slurm-partition", help="Slurm's, if it is not to be the default one")
    add("--slurm-time", default="1:00:00", help="limit of a job, requeued to go on: [H:]MM:SS")
    add("--slurm-gpus", type=int, default=0, help="GPUs of a job (0 or 1)")
    add("--slurm-memory", help="of a job, as in 8GB")
    add("--slurm-account", help="Slurm's, if it is not to be the default one")


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    from sweeps import commands

    try:
        return commands.COMMANDS[options.command](options, Path(options.runs))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
