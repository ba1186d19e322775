"""Finished runs as one tidy data frame, one row each: what tables, figures and notebooks read.

    frame = collect("runs", root="runs", study="symmetry")
    frame = collect("wandb-offline", root="results")
    frame = collect("wandb", root="entity/project", filters={"tags": "sweep:symmetry"})
    frame.groupby("variant")["metrics.exact_match"].agg(["mean", "std", "count"])
    for run_id, curve in histories(frame): ...

The same runs give the same frame whatever the source. Columns: run_id, study, variant, stage, seed,
status, then 'factors.x', 'config.a.b', 'metrics.x', 'cost.x' and 'provenance.x', sorted within each
of these. A list in a config is a tuple here, so that columns can be grouped by. Runs that are
unfinished or damaged are left out and named in `frame.attrs["left_out"]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError, did_you_mean

from .sources import LABELS, SECTIONS, Row, Source, read_lines, source_of

if TYPE_CHECKING:
    import pandas as pd


def collect(
    source: str = "runs",
    *,
    root: str | Path | None = None,
    study: str | None = None,
    filters: Mapping[str, Any] | None = None,
    group: str | None = None,
) -> pd.DataFrame:
    """Every finished run of a source, of one study or of all, in the order of study and run id.

    root: a folder of runs ("runs"), or for "wandb" the server's 'entity/project'. filters and
    group, for "wandb" alone, are those of wandb.Api().runs.
    """
    if root is None and source == "wandb":
        raise UserError("source 'wandb' needs a project; give root='entity/project'.")
    root = "runs" if root is None else root
    read_from = source_of(source, root, filters=filters, group=group)
    if source != "wandb" and not Path(root).is_dir():
        raise UserError(f"there is no folder of runs at '{root}'; give one that exists as root.")
    found = read_from.read(study)
    frame = to_frame(found.results)
    frame.attrs.update(_attrs(source, root), left_out=found.left_out)
    return frame


def _attrs(source: str, root: str | Path) -> dict[str, Any]:
    return {"source": f"{source} ({root})", "from": (source, str(root))}


def to_frame(results: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Flattens results; metrics and costs are floats, nan for null."""
    import pandas as pd

    rows = []
    for result in results:
        row = {key: result[key] for key in LABELS}
        for section in SECTIONS:
            row |= _flat(section, result[section])
        rows.append(row)
    names = sorted({name for row in rows for name in row} - set(LABELS))
    order = [*LABELS, *(n for s in SECTIONS for n in names if n.startswith(f"{s}."))]
    frame = pd.DataFrame(rows, columns=order)
    numbers = {name: float for name in order if name.startswith(("metrics.", "cost."))}
    return frame.astype(numbers).copy()  # in one block: hundreds of columns are slow to extend


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for key in value for k, v in _flat(f"{prefix}.{key}", value[key]).items()}
    return {prefix: _tuple(value)}


def _tuple(value: Any) -> Any:
    """Lists, and mappings within lists, as tuples."""
    if isinstance(value, list):
        return tuple(_tuple(item) for item in value)
    if isinstance(value, dict):
        return tuple((key, _tuple(value[key])) for key in sorted(value))
    return value


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


def wandb_project(plan: Mapping[str, Any]) -> str:
    """'entity/project', or 'project' of the key's own entity, that the plan's runs mirror to."""
    wandb = plan["runs"][0]["config"]["wandb"]
    return "/".join(filter(None, (wandb["entity"], wandb["project"])))


def plan_frame(
    plan: Mapping[str, Any], runs_root: str | Path, *, source: str = "runs"
) -> pd.DataFrame:
    """Exactly the plan's finished runs, in its order, with their `role`.

    runs_root: as `collect`'s root. Variant and factors are the plan's: they are labels, and a run
    shared with another sweep carries that sweep's. attrs: `missing`, the planned runs that are not
    finished and why; `left_out`, how many other runs of the study there are.
    """
    planned = {run["run_id"]: run for run in plan["runs"]}
    where = source_of(source, runs_root)
    found = where.read(plan["study"], planned)
    by_id = {result["run_id"]: result for result in found.results}
    results = [
        {**by_id[run_id], **{key: run[key] for key in ("variant", "factors")}}
        for run_id, run in planned.items()
        if run_id in by_id
    ]
    frame = to_frame(results)
    frame.insert(len(LABELS), "role", [planned[result["run_id"]]["role"] for result in results])
    frame.attrs.update(
        _attrs(source, runs_root),
        missing=found.left_out,
        left_out=where.count_others(plan["study"], planned),
    )
    return frame


def damaged(frame: pd.DataFrame) -> list[str]:
    """A sentence for each run of a plan's frame that is left out because it is damaged."""
    missing = frame.attrs["missing"].items()
    return [f"Run {name} is {why}." for name, why in missing if why.startswith("damaged")]


def histories(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(run id, curve) of each run of a frame, complete, from where the frame was collected.

    A curve has one row a logged step: `step`, then a column a quantity, sorted; numbers are floats,
    nan where a step did not log them.
    """
    source: Source = source_of(*frame.attrs["from"])
    runs = list(zip(frame["study"], frame["run_id"], strict=True))
    for run_id, rows in source.histories(runs):
        yield run_id, to_curve(rows)


def history(run_dir: str | Path) -> pd.DataFrame:
    """The curve of the run in a folder, as `histories` gives it; empty where none was logged."""
    return to_curve(read_lines(Path(run_dir) / "history.jsonl"))


def to_curve(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows of one step become one; a quantity that is null throughout has no column."""
    import pandas as pd

    by_step: dict[int, Row] = {}
    for row in rows:
        known = {name: value for name, value in row.items() if value is not None}
        by_step.setdefault(row["step"], {}).update(known)
    names = sorted({name for row in by_step.values() for name in row} - {"step"})
    curve = pd.DataFrame({"step": pd.Series(list(by_step), dtype=int)})
    columns = {name: [row.get(name) for row in by_step.values()] for name in names}
    series = {
        name: pd.Series(values, dtype=float if _are_numbers(values) else object)
        for name, values in columns.items()
    }
    return curve.assign(**series)


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(value is None or type(value) in (int, float) for value in values)
