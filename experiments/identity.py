"""What a run is: the hash of everything that determines its result, and of nothing else.

Two configurations get the same id exactly when they describe the same computation. Labels, paths,
tracking and the runtime are left out; component versions and the data's fingerprint are put in.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from experiments.components import signature
from experiments.config import COMPONENTS, EXECUTION, LABELS

# Raised by hand when the worker's own numerics change: the order of draws, the optimiser's groups.
WORKER_VERSION = 1


def fingerprint(data: dict[str, Any]) -> str:
    """A hash of the data's contents. Generated data: of the generator, its version and settings."""
    settings = {k: v for k, v in data.items() if k != "name"}
    return digest({**settings, "version": signature(data["_target_"]).attributes["version"]})


def digest(value: Any) -> str:
    """16 hex digits of the SHA-256 of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a validated config that determines the result, with versions and fingerprint."""
    kept = copy.deepcopy({k: v for k, v in config.items() if k not in (*LABELS, *EXECUTION)})
    kept["versions"] = {"worker": WORKER_VERSION}
    for name in COMPONENTS:
        kept[name].pop("name")
        kept["versions"][name] = signature(kept[name]["_target_"]).attributes["version"]
    kept["versions"]["model"] = signature("lightning_modules.transformer.Transformer").attributes[
        "version"
    ]
    kept["data"]["fingerprint"] = fingerprint(config["data"])
    # A random placement is drawn while validating: only the set it gave is part of the run.
    del kept["placement_seed"]
    return kept


def run_id(config: dict[str, Any]) -> str:
    """The id of a validated config: equal for every spelling of the same computation."""
    return digest(identity(config))


def arm_id(config: dict[str, Any]) -> str:
    """The id of the arm a run belongs to: its identity without the seed."""
    kept = identity(config)
    del kept["seed"]
    return digest(kept)
