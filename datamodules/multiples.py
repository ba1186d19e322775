"""Lengths at which a model is evaluated, as multiples of the training length N, and their names.

lengths(64, to=4.0, multiples=(1, 2, 4, 8))        {"x1": 64, "x2": 128, "x4": 256}
lengths(20, to=1.5, multiples=(1, 1.1, 1.25, 1.5)) {"x1": 20, "x1_1": 22, "x1_25": 25, ...}
"""

from __future__ import annotations

from collections.abc import Sequence


def lengths(base: int, *, to: float, multiples: Sequence[float]) -> dict[str, int]:
    """Name -> length of every multiple up to `to`, rounded to whole tokens."""
    return {name_of(times): round(times * base) for times in multiples if times <= to}


def name_of(multiple: float) -> str:
    """ "x2" for 2, "x1_25" for 1.25: as the metrics of a run name it."""
    return f"x{multiple:g}".replace(".", "_")
