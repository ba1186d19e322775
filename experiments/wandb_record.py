"""What W&B is told about a run, and the run's result.json again from what W&B holds.

    run_arguments(result, project="lab", entity=None, tags=["sweep:symmetry"], group=arm)
    summary_of(result)
    result_of(config, summary) == result        # from an offline file or from a server

None of it depends on where the run is written: a table made from W&B is the table made from the
run folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# The keys of result.json that stand in W&B's config beside the run's typed config.
OWN_KEYS = (
    "schema", "run_id", "parents", "study", "variant", "stage", "seed", "factors", "provenance",
)  # fmt: skip
# What it takes to turn W&B's config and summary back into result.json: the values of a typed
# config's keys that have one of our names (it has a seed); the metrics' names, since W&B's readers
# leave out those that are null; and where whole floats and empty mappings stand, since W&B's server
# gives back an int for the one and nothing for the other.
MIRROR = "mirror"
MAX_TAG_LENGTH = 64  # longer tags make wandb.init raise

Path = list[str | int]


def run_arguments(
    result: Mapping[str, Any], *, project: str, entity: str | None, tags: Iterable[str], group: str
) -> dict[str, Any]:
    """The arguments of wandb.init that say which run this is and what determined it."""
    parents = [f"parent:{parent['run_id']}" for parent in result["parents"]]
    labels = dict.fromkeys([result["study"], result["variant"], *tags, *parents])
    return {
        "id": result["run_id"],
        "name": f"{result['variant']}-s{result['seed']}",
        "project": project,
        "entity": entity,
        "group": group,
        "job_type": result["stage"],
        "tags": [label[:MAX_TAG_LENGTH] for label in labels if label],
        "config": config_of(result),
    }


def config_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The typed config, what else identifies the run, and what restores both."""
    own = {key: result[key] for key in OWN_KEYS if key in result}
    shadowed = {key: value for key, value in result["config"].items() if key in OWN_KEYS}
    mirror = {
        "shadowed": shadowed,
        "metrics": list(result.get("metrics", {})),
        "floats": list(_paths(result, lambda value: type(value) is float and value.is_integer())),
        "empty": list(_paths(result, lambda value: value == {})),
    }
    return {**result["config"], **own, MIRROR: mirror}


def summary_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics under their own flat names, with the run's cost and status beside them."""
    return {**result["metrics"], "cost": result["cost"], "status": result["status"]}


def result_of(config: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """result.json again, from the config and summary of a W&B run, offline or from a server.

    Raises KeyError for a run that no mirror has brought to its end.
    """
    mirror = config[MIRROR]
    typed = {k: v for k, v in config.items() if k not in (*OWN_KEYS, MIRROR, "_wandb")}
    result = {
        **{key: config[key] for key in OWN_KEYS if key in config},
        "config": {**typed, **mirror.get("shadowed", {})},
        "status": summary["status"],
        "metrics": {name: summary.get(name) for name in mirror["metrics"]},
        "cost": summary["cost"],
    }
    for path in mirror.get("empty", []):
        result = _with(result, path, lambda value: {})
    for path in mirror.get("floats", []):
        result = _with(result, path, float)
    return result


def _paths(value: Any, wanted: Any, path: Path | None = None) -> Iterator[Path]:
    """Where in nested mappings and lists the wanted values stand."""
    path = path or []
    if wanted(value):
        yield path
    elif isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in items:
            yield from _paths(inner, wanted, [*path, key])


def _with(value: Any, path: Path, change: Any) -> Any:
    """A copy with the value at the path changed; mappings on the way to it are made."""
    if not path:
        return change(value)
    key, *rest = path
    if isinstance(key, int):
        return [*value[:key], _with(value[key], rest, change), *value[key + 1 :]]
    held = value or {}
    return {**held, key: _with(held.get(key), rest, change)}
