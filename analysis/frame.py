"""Finished runs as one tidy data frame, one row each: what tables, figures and notebooks read.

    frame = collect("runs", root="runs", study="symmetry")
    frame.groupby("variant")["metrics.exact_match"].agg(["mean", "std", "count"])

Columns: run_id, study, variant, stage, seed, status, then 'factors.x', 'config.a.b',
'metrics.x', 'cost.x' and 'provenance.x'. A list in a config is a tuple here, so that columns can
be grouped by. Unfinished and damaged folders are left out and named in `frame.attrs["left_out"]`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("runs",)
LABELS = ("run_id", "study", "variant", "stage", "seed", "status")
SECTIONS = ("factors", "config", "metrics", "cost", "provenance")


def collect(
    source: str = "runs", *, root: str | Path = "runs", study: str | None = None
) -> pd.DataFrame:
    """Every finished run under `root`, of one study or of all."""
    if source not in SOURCES:
        raise UserError(
            f"source '{source}' does not exist; expected one of: {', '.join(SOURCES)}."
            f"{did_you_mean(source, SOURCES)}"
        )
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"there is no folder of runs at '{root}'; give one that exists as root.")
    results, left_out = read_all(run_folders(root, study))
    frame = to_frame(results)
    frame.attrs = {"source": f"{source} ({root})", "left_out": left_out}
    return frame


def run_folders(root: Path, study: str | None = None) -> Iterator[Path]:
    """runs/<study>/<run id>/; `runs/plans/` holds files and so has none."""
    for folder in sorted(root.glob(f"{study or '*'}/*/")):
        if not folder.name.startswith("."):
            yield folder


def read_all(folders: Iterable[Path]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The finished results, and for each other folder why it was left out."""
    results, left_out = [], {}
    for folder in folders:
        try:
            results.append(read_result(folder))
        except ValueError as error:
            left_out[f"{folder.parent.name}/{folder.name}"] = str(error)
    return results, left_out


def read_result(folder: Path) -> dict[str, Any]:
    """One finished run's result.json; ValueError says why it cannot be used."""
    if not (folder / "DONE").is_file():
        raise ValueError("unfinished")
    try:
        text = (folder / "result.json").read_text(encoding="utf-8")
        result = json.loads(text, parse_constant=_not_finite)
    except (OSError, ValueError) as error:
        raise ValueError(f"damaged: {error}") from None
    if not isinstance(result, dict):
        raise ValueError("damaged: result.json holds no object")
    if missing := [key for key in (*LABELS, *SECTIONS) if key not in result]:
        raise ValueError(f"damaged: result.json lacks {', '.join(missing)}")
    if result["run_id"] != folder.name:
        raise ValueError(f"damaged: result.json is of run {result['run_id']}")
    return result


def _not_finite(word: str) -> float:
    raise ValueError(f"{word} in result.json, where numbers are finite or null")


def to_frame(results: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Flattens results; metrics and costs are floats, nan for null."""
    import pandas as pd

    rows = []
    for result in results:
        row = {key: result[key] for key in LABELS}
        for section in SECTIONS:
            row |= _flat(section, result[section])
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    order = [*LABELS, *(n for s in SECTIONS for n in names if n.startswith(f"{s}."))]
    frame = pd.DataFrame(rows, columns=order)
    numbers = {name: float for name in order if name.startswith(("metrics.", "cost."))}
    return frame.astype(numbers).copy()  # in one block: hundreds of columns are slow to extend


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {k: v for key in value for k, v in _flat(f"{prefix}.{key}", value[key]).items()}
    return {prefix: _tuple(value)}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value


def load_plan(path: str | Path) -> dict[str, Any]:
    """A sweep's frozen plan: its runs with their configs, its claims and its tables."""
    path = Path(path)
    if not path.is_file():
        near = sorted(str(p) for p in path.parent.glob("*.json"))
        known = f"expected one of: {', '.join(near)}" if near else "type 'make sweep' to make one"
        raise UserError(f"there is no plan at '{path}'; {known}.{did_you_mean(str(path), near)}")
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"the plan '{path}' is not JSON ({error}); make it anew.") from None
    if not isinstance(plan, dict) or plan.get("schema") != 1 or "runs" not in plan:
        raise UserError(f"'{path}' is no plan: expected schema 1 with a list of runs.")
    return plan


def plan_frame(plan: Mapping[str, Any], runs_root: str | Path) -> pd.DataFrame:
    """Exactly the plan's finished runs, in its order, with their `role`.

    Variant and factors are the plan's: they are labels, and a run shared with another sweep
    carries that sweep's. attrs: `missing`, the planned runs that are not finished and why;
    `left_out`, how many other runs the study's folder holds.
    """
    root = Path(runs_root)
    planned = {run["run_id"]: run for run in plan["runs"]}
    results, missing = read_all(root / run["study"] / run["run_id"] for run in plan["runs"])
    frame = to_frame(
        {**result, **{key: planned[result["run_id"]][key] for key in ("variant", "factors")}}
        for result in results
    )
    frame.insert(len(LABELS), "role", [planned[r["run_id"]]["role"] for r in results])
    others = [f for f in run_folders(root, plan["study"]) if f.name not in planned]
    frame.attrs = {"source": f"runs ({root})", "missing": missing, "left_out": len(others)}
    return frame


def history(run_dir: str | Path) -> pd.DataFrame:
    """A run's logged curve, one row per logged step; columns are sparse.

    A run that is still training may have written half a line: it is left for the next reading.
    """
    import pandas as pd

    path = Path(run_dir) / "history.jsonl"
    if not path.is_file():
        return pd.DataFrame({"step": pd.Series(dtype=int)})
    *lines, last = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    rows = [json.loads(line) for line in lines]
    with contextlib.suppress(ValueError):
        rows.append(json.loads(last))
    return pd.DataFrame(rows) if rows else pd.DataFrame({"step": pd.Series(dtype=int)})
