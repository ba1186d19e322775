"""What a run is: the hash of everything that determines its result, and of nothing else.

Two configurations get the same id exactly when they describe the same computation. Labels, paths,
tracking and the runtime are left out; component versions and the data's fingerprint are put in.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from datamodules.contents import identity_of
from experiments.components import signature
from experiments.config import COMPONENTS, EXECUTION, LABELS
from experiments.data_files import data_files

# Raised by hand when the worker's own numerics change: the order of draws, the optimiser's groups.
WORKER_VERSION = 1


def fingerprint(data: dict[str, Any], folder: Path) -> str:
    """A hash of the data's contents: of the generator's version and settings where it is generated,
    of the bytes where it is read from files below `folder`."""
    known = signature(data["_target_"])
    settings = {k: v for k, v in data.items() if k != "name"}
    for name, value in data_files(data).items():
        settings[name] = identity_of(value, folder)
    return digest({**settings, "version": known.attributes["version"]})


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
    if config["model"]["dropout"]:
        kept["versions"]["dropout"] = signature("lightning_modules.dropout.Dropout").attributes[
            "version"
        ]
    kept["data"]["fingerprint"] = fingerprint(config["data"], Path(config["paths"]["data"]))
    for name in signature(config["data"]["_target_"]).attributes.get("files", ()):
        del kept["data"][name]
    kept["parents"] = [
        {key: parent[key] for key in ("run_id", "step", "attention_mask")}
        for parent in config["parents"]
    ]
    # A random placement is drawn while validating: only the set it gave is part of the run. So it
    # is with the other spellings of the budget and the warm-up.
    del kept["placement_seed"], kept["trainer"]["epochs"], kept["optimizer"]["warmup_share"]
    return kept


def run_id(config: dict[str, Any]) -> str:
    """The id of a validated config: equal for every spelling of the same computation."""
    return digest(identity(config))


def arm_id(config: dict[str, Any]) -> str:
    """The id of the arm a run belongs to: its identity without the seeds, its parents' included."""
    kept = identity(config)
    del kept["seed"]
    for told, parent in zip(kept["parents"], config["parents"], strict=True):
        told["run_id"] = parent["arm"]
    return digest(kept)
