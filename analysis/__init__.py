"""Runs -> data frame -> statistics -> tables and figures. Trains nothing.

    python -m analysis tables --plan runs/plans/symmetry-quick.json

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .claims import load_claims
    from .frame import collect, histories, history, load_plan, plan_frame
    from .outputs import Outcome, write_tables
    from .power import measured_sds, resolvable

__all__ = [
    "Outcome",
    "collect",
    "histories",
    "history",
    "load_claims",
    "load_plan",
    "measured_sds",
    "plan_frame",
    "resolvable",
    "write_tables",
]

_HOME = {
    "collect": "frame",
    "histories": "frame",
    "history": "frame",
    "load_plan": "frame",
    "plan_frame": "frame",
    "load_claims": "claims",
    "Outcome": "outputs",
    "write_tables": "outputs",
    "measured_sds": "power",
    "resolvable": "power",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
