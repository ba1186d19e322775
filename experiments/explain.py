"""Why a run would or would not train: its id, what made it, and the nearest existing run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.identity import identity
from experiments.store import RunFolder, State


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dicts as dotted keys; lists stay values."""
    if not isinstance(tree, dict):
        return {prefix[:-1]: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{prefix}{key}.")
    return leaves


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The dotted identity keys in which two validated configs differ."""
    a, b = flat(identity(one)), flat(identity(other))
    return {k: (a.get(k), b.get(k)) for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)}


def nearest(spec: dict[str, Any], runs: Path) -> tuple[Path, dict[str, tuple[Any, Any]]] | None:
    """The stored run with the fewest differing keys, and those keys."""
    best = None
    for path in (runs / spec["config"]["study"]).glob("*/run.json"):
        if path.parent.name == spec["run_id"]:
            continue
        try:
            found = differences(spec["config"], json.loads(path.read_text("utf-8"))["config"])
        except (ValueError, KeyError):
            continue
        if best is None or len(found) < len(best[1]):
            best = path.parent, found
    return best


def explanation(spec: dict[str, Any], folder: RunFolder) -> str:
    """For people: the state, the reason, the identity, the nearest run."""
    state = folder.state()
    why = {
        State.finished: "is finished: it would not train, its stored result would be returned",
        State.running: "is being trained by another process: it would not train twice",
        State.interrupted: "was interrupted: it would go on from its last checkpoint",
        State.failed: "failed: it would be tried again from its last checkpoint",
    }.get(state, "does not exist yet: it would train")
    lines = [f"run {spec['run_id']} (arm {spec['arm']}) {why}", f"folder: {folder.path}"]
    lines += ["", "its id is the hash of:"]
    lines += [
        f"  {key} = {json.dumps(value)}" for key, value in flat(identity(spec["config"])).items()
    ]
    found = nearest(spec, folder.path.parent.parent)
    if found:
        path, keys = found
        lines += ["", f"nearest existing run: {path} ({len(keys)} keys differ)"]
        lines += [f"  {key}: here {a!r}, there {b!r}" for key, (a, b) in keys.items()]
    return "\n".join(lines)
