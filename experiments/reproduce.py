"""Train one finished run again, beside the store, and say whether the same comes out.

    make reproduce RUN=0123456789abcdef          the id, or as much of it as no other run shares

equal                   metrics, weights and curve are the same, bit for bit
equal within tolerance  the numerics differ (device, threads, torch ...), and nothing by more
parts                   the first step and key that differ

Exit code 0: equal, or within tolerance; 1: it parts; 2: a mistake in the command; 130: interrupted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.find import find_run
from experiments.store import RunFolder, State

# Differences are relative to the larger of both values, and to this where both are about zero.
FLOOR = 1e-3


@dataclass(frozen=True)
class Difference:
    """A value that two runs do not share; `relative` is infinite where one of them is missing."""

    where: str
    before: Any
    after: Any

    @property
    def relative(self) -> float:
        try:
            larger = max(abs(self.before), abs(self.after), FLOOR)
            return abs(self.before - self.after) / larger
        except TypeError:
            return float("inf")

    def __str__(self) -> str:
        return f"{self.where}: {self.before!r} before, {self.after!r} now"


def differences(before: RunFolder, after: RunFolder) -> Iterator[Difference]:
    """Where two finished runs differ: along their curves, then in their results."""
    curves = [{row["step"]: row for row in folder.history()} for folder in (before, after)]
    for step in sorted(curves[0].keys() | curves[1].keys()):
        yield from _unequal(f"step {step}", *(curve.get(step, {}) for curve in curves))
    one, other = before.result(), after.result()
    yield from _unequal("result", *({"status": r["status"]} for r in (one, other)))
    yield from _unequal("result", *({"steps": r["cost"]["steps"]} for r in (one, other)))
    yield from _unequal("result", one["metrics"], other["metrics"])


def _unequal(where: str, one: dict[str, Any], other: dict[str, Any]) -> Iterator[Difference]:
    for key in [*one, *(key for key in other if key not in one)]:
        if key not in one or key not in other or one[key] != other[key]:
            yield Difference(f"{where}, {key}", one.get(key), other.get(key))


def verdict(before: RunFolder, after: RunFolder, *, tolerance: float) -> tuple[bool, str]:
    """Whether a run was reproduced, and the sentence that says how far."""
    found = list(differences(before, after))
    provenances = [folder.result()["provenance"] for folder in (before, after)]
    same_weights = provenances[0]["weights_sha256"] == provenances[1]["weights_sha256"]
    if not found and same_weights:
        return True, "equal: metrics, weights and curve are the same, bit for bit"
    largest = max(found, key=lambda difference: difference.relative, default=None)
    told = f"largest relative difference {largest.relative:.2g}, at {largest}" if largest else ""
    numerics = list(_unequal("numerics", *(p["numerics"] for p in provenances)))
    if numerics and (largest is None or largest.relative <= tolerance):
        why = "; ".join(map(str, numerics))
        return True, f"equal within tolerance {tolerance:g}: {told or 'only weights'} ({why})"
    if largest is None:
        return False, "parts: metrics and curve are the same, but the weights are not"
    beyond = tolerance if numerics else 0.0
    first = next(difference for difference in found if difference.relative > beyond)
    return False, f"parts at {first}; {told}"


def again(folder: RunFolder, runs: Path, *, progress: bool) -> RunFolder:
    """Train a finished run's config in another folder of runs, with the numerics it had."""
    result, spec = folder.result(), folder.spec()
    numerics = result["provenance"]["numerics"]
    runtime = {**result["config"]["runtime"], "threads": numerics["threads"]}
    # `auto` takes a GPU where there is one: what was trained on a CPU is trained on it again.
    runtime["device"] = "cpu" if numerics["device"] == "cpu" else "auto"
    copy = RunFolder.of(runs, study=result["study"], run_id=result["run_id"])
    # No digest of the sources: comparing with other sources is what this may be for.
    copy.prepare({**spec, "sources": None, "config": {**result["config"], "runtime": runtime}})
    for parent in result["parents"]:
        beside = copy.path.parent / parent["run_id"]
        beside.symlink_to((folder.path.parent / parent["run_id"]).resolve())

    from experiments import worker

    worker.quiet()
    with worker.stop_on_signals() as should_stop:
        state = worker.execute(copy.path, should_stop=should_stop, progress=progress)
    if state == State.interrupted:
        raise KeyboardInterrupt
    return copy


def reproduce(run_id: str, runs: Path, *, tolerance: float, progress: bool) -> int:
    if not run_id:
        raise UserError(
            "no run was named: type make reproduce RUN=<id>; "
            f"python -m experiments.store list --runs {runs} shows the ids"
        )
    folder = find_run(runs, run_id)
    if not folder.is_done():
        raise UserError(
            f"{folder.path} is {folder.state()}: expected a finished run to compare with"
        )
    result = folder.result()
    name = f"{result['study']}/{result['run_id']}  {result['variant']}  seed {result['seed']}"
    print(f"{name}: training it again, about {result['cost']['seconds']:.0f} s", flush=True)

    from experiments.provenance import sources_digest

    then, now = result["provenance"]["sources"], sources_digest()
    if then != now:
        print(f"the Python sources differ from those it was trained with ({then}, now {now})")
    with tempfile.TemporaryDirectory(prefix="reproduce-") as place:
        copy = again(folder, Path(place), progress=progress)
        if not copy.is_done():
            print(f"parts: this time it failed: {copy.attempts()[-1]['reason']}")
            return 1
        reproduced, sentence = verdict(folder, copy, tolerance=tolerance)
    print(sentence)
    return 0 if reproduced else 1


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", nargs="?", default="", help="its id, or the beginning of it")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of runs")
    parser.add_argument(
        "--tolerance", type=float, default=0.01, help="relative, where numerics differ (0.01)"
    )
    options = parser.parse_args(arguments)
    try:
        return reproduce(
            options.run, options.runs, tolerance=options.tolerance, progress=sys.stderr.isatty()
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
