"""Upload to W&B every finished run that it does not hold yet, and verify what arrived.

    python -m experiments.sync                              what `make sync` runs
    python -m experiments.sync --runs runs --project lab --entity us
    python -m experiments.sync 0123456789abcdef ...         these runs alone
    python -m experiments.sync --check                      verify again what was verified before

Runs that were tracked offline and online ones that are incomplete are sent from their folders, from
the last step that W&B holds; then each is read back: its steps, config and summary. May be typed
again at any time.

Exit code 0: W&B holds every run; 1: it lacks some; 2: a mistake in the command or a key that W&B
refuses; 130: interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from experiments.errors import UserError

DEFAULT_PROJECT = "transformer-ablations"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m experiments.sync",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("run", nargs="*", help="run ids (default: every finished run)")
    made.add_argument("--runs", default="runs", help="where run folders are kept")
    made.add_argument("--project", help="instead of each run's own (wandb.project)")
    made.add_argument("--entity", help="instead of each run's own (wandb.entity)")
    made.add_argument("--check", action="store_true", help="ask W&B for verified runs again")
    return made


def finished_runs(root: Path, wanted: list[str]) -> list[Path]:
    """The finished run folders below root; UserError for a wanted one that is not there."""
    found = {done.parent.name: done.parent for done in sorted(root.glob("*/*/DONE"))}
    if unknown := [run_id for run_id in wanted if run_id not in found]:
        raise UserError(f"no finished run {unknown[0]} in {root}/<study>/: expected a run id")
    if not found:
        raise UserError(f"no finished run in {root}/<study>/<run id>/: type make sweep, or --runs")
    return [found[run_id] for run_id in wanted] or list(found.values())


def target_of(run_dir: Path, options: argparse.Namespace) -> tuple[str, str | None]:
    """(project, entity) that the run goes to: the command's, else those of its own config."""
    from experiments.store import RunFolder

    config = RunFolder(run_dir).result()["config"].get("wandb") or {}
    project = options.project or config.get("project") or DEFAULT_PROJECT
    return project, options.entity or config.get("entity")


class Sync:
    """One pass over run folders, each told in a line as it is done."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.servers: dict[tuple[str, str | None], Any] = {}
        self.outcomes: Counter[str] = Counter()

    def send(self, run_dir: Path) -> str:
        """What became of one run, for the user."""
        from experiments.told import Told
        from experiments.upload import BeingMirrored, Damaged, bring, only_mirror
        from experiments.wandb_online import Unreachable, connect

        try:
            target = target_of(run_dir, self.options)
            if target not in self.servers:
                self.servers[target] = connect(project=target[0], entity=target[1])
            told = Told(run_dir)
            with only_mirror(run_dir):
                sent = bring(self.servers[target], told, again=self.options.check)
        except UserError:
            raise
        except (Unreachable, Damaged, BeingMirrored, ValueError, OSError) as error:
            self.outcomes["not sent"] += 1
            return f"NOT SENT: {error}"
        self.outcomes["sent" if sent else "already there"] += 1
        return f"{'sent' if sent else 'already there'}, verified"

    def close(self) -> None:
        for server in self.servers.values():
            server.close()


def sync(options: argparse.Namespace) -> int:
    from experiments.wandb_online import keep_the_connection_alone

    folders = finished_runs(Path(options.runs), options.run)
    keep_the_connection_alone()
    with tempfile.TemporaryDirectory(prefix="wandb-sync-") as scratch:
        os.environ["WANDB_DIR"] = scratch
        passing = Sync(options)
        try:
            for number, folder in enumerate(folders, start=1):
                told = passing.send(folder)
                name = f"{folder.parent.name}/{folder.name}"
                print(f"{number}/{len(folders)} {name}  {told}", flush=True)
        finally:
            passing.close()
    outcomes = passing.outcomes
    told = ", ".join(f"{outcomes[name]} {name}" for name in ("sent", "already there", "not sent"))
    print(f"W&B: {told}")
    return 1 if outcomes["not sent"] else 0


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        return sync(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
