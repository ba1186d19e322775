"""Carry run folders between machines, list them, and tidy them up.

    python -m experiments.store pack --to parts symmetry          a whole study
    python -m experiments.store pack --to parts runs/plans/symmetry-gpu.json
    python -m experiments.store unpack parts                      on the other machine
    python -m experiments.store list
    python -m experiments.store prune --failed                    what would go; --yes removes it

WHAT is a study, a run's id or the beginning of it, a run folder, or a plan; nothing: every run.
Exit code 0: done; 1: something was left out, and it says what; 2: a mistake in the command.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from experiments import lease
from experiments.errors import UserError
from experiments.find import select
from experiments.packing import PART_BYTES, pack
from experiments.pruning import Leftover, leftovers
from experiments.store import Busy, RunFolder
from experiments.unpacking import unpack

HEADER = ("id", "study", "variant", "seed", "state", "status", "size")


def pack_command(options: argparse.Namespace) -> int:
    folders = select(options.runs, options.what)
    if not folders:
        raise UserError(f"there is nothing to pack in '{options.runs}': expected prepared runs")
    with contextlib.ExitStack() as locks:
        held = [folder for folder in folders if _stands_still(folder, locks)]
        parts = pack(
            held,
            options.to,
            name=options.name,
            part_bytes=int(options.part_mib * 2**20),
            weights=options.weights,
            checkpoints=options.checkpoints,
        )
    for part in parts:
        print(f"{part}  {size(part.stat().st_size)}")
    print(f"{len(held)} of {len(folders)} runs in {len(parts)} parts")
    return 0 if len(held) == len(folders) else 1


def _stands_still(folder: RunFolder, locks: contextlib.ExitStack) -> bool:
    """Whether nobody trains the run, nor will until the locks are given back."""
    if folder.is_done():
        return True
    try:
        locks.enter_context(folder.locked())
        if not lease.is_held_elsewhere(folder.path):
            return True
    except Busy:
        pass
    print(f"{folder.path}: is being trained, left out", file=sys.stderr)
    return False


def unpack_command(options: argparse.Namespace) -> int:
    outcomes = unpack(options.parts, options.runs)
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")
    added = sum(
        outcome.good and outcome.text.startswith("unpacked") for outcome in outcomes.values()
    )
    print(f"{added} of {len(outcomes)} runs unpacked to {options.runs}")
    return 0 if all(outcome.good for outcome in outcomes.values()) else 1


def list_command(options: argparse.Namespace) -> int:
    rows: list[tuple[str, ...]] = [HEADER]
    rows += [_row(folder) for folder in select(options.runs, options.what)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    for row in rows:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )
    return 0


def _row(folder: RunFolder) -> tuple[str, ...]:
    """One run as the texts of a line; what cannot be read is '?', and so found out."""
    try:
        config = folder.spec()["config"]
        state = str(folder.state())
        status = folder.result()["status"] if folder.is_done() else "-"
    except (OSError, ValueError, KeyError):
        config, state, status = {}, "damaged", "?"
    bytes_ = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
    labels = (str(config.get(key, "?")) for key in ("variant", "seed"))
    return (folder.path.name, folder.path.parent.name, *labels, state, status, size(bytes_))


def prune_command(options: argparse.Namespace) -> int:
    found = leftovers(
        options.runs,
        select(options.runs, options.what),
        checkpoints=options.checkpoints,
        failed=options.failed,
    )
    for leftover in found:
        print(f"{leftover.path}  {size(leftover.bytes)}  {leftover.why}")
    total = size(sum(leftover.bytes for leftover in found))
    if not found:
        print("nothing to remove")
    elif options.yes:
        removed = sum(map(Leftover.remove, found))
        print(f"removed {removed} of {len(found)}, {total}")
    else:
        print(f"would remove {len(found)}, {total}: type the same command with --yes")
    return 0


def size(number: float) -> str:
    """1.5 MiB for 1572864 bytes."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m experiments.store",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="command")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of runs")
        return command

    command = add("pack", "write runs into archives of limited size")
    command.add_argument("what", nargs="*", help="studies, ids, run folders or plans; default: all")
    command.add_argument("--to", type=Path, default=Path(), help="folder for the parts")
    command.add_argument("--name", default="runs", help="what the parts' names begin with")
    command.add_argument(
        "--part-mib", type=float, default=PART_BYTES / 2**20, help="largest part (default: 15)"
    )
    command.add_argument("--weights", action="store_true", help="weights too")
    command.add_argument("--checkpoints", action="store_true", help="checkpoints too")

    command = add("unpack", "check archives and put the runs in them in place")
    command.add_argument("parts", nargs="+", type=Path, help="the parts, or the folder they are in")

    command = add("list", "id, variant, seed, state, status and size of each run")
    command.add_argument("what", nargs="*", help="studies, ids, run folders or plans; default: all")

    command = add("prune", "remove what no run needs: left-over temporary files, and more if asked")
    command.add_argument("what", nargs="*", help="studies, ids, run folders or plans; default: all")
    command.add_argument("--failed", action="store_true", help="failed runs, their whole folder")
    command.add_argument(
        "--checkpoints", action="store_true", help="unfinished runs' too: they begin anew"
    )
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--dry-run", action="store_true", help="only say what would go (default)")
    choice.add_argument("--yes", action="store_true", help="remove it")
    return made


COMMANDS = {
    "pack": pack_command,
    "unpack": unpack_command,
    "list": list_command,
    "prune": prune_command,
}


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
