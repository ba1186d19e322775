"""The run list: every planned run with its config, metrics and cost; and where they come from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .arms import Arm

if TYPE_CHECKING:
    import pandas as pd

COSTS = ("steps", "seconds")
# Different for every run, so told with the run rather than counted over all.
PER_RUN = ("provenance.arm", "provenance.weights_sha256")


def run_list(
    plan: Mapping[str, Any], frame: pd.DataFrame, arms: list[Arm], headline: list[str]
) -> list[dict[str, Any]]:
    """One dict a planned run, in the order of the arms. `reason`: why it is not finished, or ''.

    `shown` are the values of the headline metrics, `metrics`, `cost` and `origin` all there are.
    """
    finished: dict[str, Any] = {row["run_id"]: row for _, row in frame.iterrows()}
    missing = {name.split("/")[-1]: why for name, why in frame.attrs["missing"].items()}
    planned = {run["run_id"]: run for run in plan["runs"]}
    rows = []
    for number, arm in enumerate(arms):
        for run_id in arm.runs:
            run, row = planned[run_id], finished.get(run_id, {})
            metrics = _numbers(row, "metrics.")
            cost = _numbers(row, "cost.")
            rows.append(
                {
                    "id": run_id,
                    "arm": number,
                    "seed": run["seed"],
                    "status": row["status"] if len(row) else missing[run_id].split(":")[0],
                    "reason": "" if len(row) else missing[run_id],
                    "shown": [metrics.get(name) for name in headline],
                    "cost_shown": [cost.get(name) for name in COSTS],
                    "metrics": metrics,
                    "cost": cost,
                    "origin": {
                        name.removeprefix("provenance."): str(row[name])
                        for name in PER_RUN
                        if name in row
                    },
                    "parents": [f"{p['run_id']}, step {p['step']}" for p in run["parents"]],
                }
            )
    return rows


def _numbers(row: Any, prefix: str) -> dict[str, float]:
    """The row's numbers of one section, to six digits: what a page can show."""
    found = {
        name: row[name] for name in (row.keys() if len(row) else ()) if name.startswith(prefix)
    }
    return {
        name.removeprefix(prefix): float(f"{value:.6g}")
        for name, value in found.items()
        if value == value
    }


def configs(plan: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What all planned runs' configs have in common, and by run id what each has besides."""
    flat = {run["run_id"]: flatten(run["config"]) for run in plan["runs"]}
    first = next(iter(flat.values()), {})
    common = {
        key: value
        for key, value in first.items()
        if all(config.get(key) == value for config in flat.values())
    }
    own = {
        run_id: {key: value for key, value in config.items() if key not in common}
        for run_id, config in flat.items()
    }
    return common, own


def flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """{'model.num_layers': '2'}; lists and null as JSON writes them."""
    if not isinstance(value, Mapping):
        return {prefix: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
    items: dict[str, str] = {}
    for key, inner in value.items():
        items |= flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    return items


def provenance(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each fact of where the runs come from, with its values and how many runs have each."""
    facts = []
    for column in frame.columns:
        if not column.startswith("provenance.") or column in PER_RUN:
            continue
        values = [value for value in frame[column] if value is not None and value == value]
        if values:
            counts = Counter(str(value) for value in values).most_common()
            facts.append({"name": column.removeprefix("provenance."), "values": counts})
    return facts


def totals(
    frame: pd.DataFrame, names: Iterable[str] = ("core_seconds", "flops")
) -> dict[str, float]:
    """Sums over the finished runs of the costs that they have."""
    return {name: float(frame[f"cost.{name}"].sum()) for name in names if f"cost.{name}" in frame}
