"""The same runs driven by W&B sweep agents: the declaration as W&B sweep files.

    python -m sweeps wandb symmetry --profile quick    writes its files and lists them
    wandb sweep --project lab runs/plans/symmetry-quick-wandb-1.yaml
    wandb agent <entity>/lab/<sweep id>                on as many machines as there are

A W&B sweep is one full grid, so the arms are cut into full grids: one file each, and one for the
A/A row's seeds. An agent's run is trained, or found finished, by `python -m experiments.run`, and
is sent to the server as the run that the agent asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from experiments.store import write_atomic
from sweeps.declaration import Declaration

Grid = dict[str, list[str]]


def grids(arms: list[list[str]]) -> list[Grid]:
    """Full grids {key: levels} that hold every arm (a list of key=level) exactly once."""
    found: list[Grid] = []
    by_keys: dict[tuple[str, ...], list[Grid]] = {}
    for arm in dict.fromkeys(tuple(sorted(arm)) for arm in arms):
        point = dict(override.split("=", 1) for override in arm)
        by_keys.setdefault(tuple(point), []).append({key: [level] for key, level in point.items()})
    for keys, rectangles in by_keys.items():
        for key in keys:
            rectangles = _merged_along(key, rectangles)
        found += rectangles
    return found


def _merged_along(key: str, rectangles: list[Grid]) -> list[Grid]:
    """The rectangles that differ in this key alone, as one each."""
    merged: dict[tuple[Any, ...], Grid] = {}
    for rectangle in rectangles:
        others = tuple(sorted((k, tuple(v)) for k, v in rectangle.items() if k != key))
        if others in merged:
            merged[others][key] = [*merged[others][key], *rectangle[key]]
        else:
            merged[others] = dict(rectangle)
    return list(merged.values())


def wandb_sweeps(declared: Declaration, *, common: list[str]) -> list[dict[str, Any]]:
    """The W&B sweep configurations of a declaration; `common` are overrides of every run.

    Parameters are scalars under dotted keys: an agent would hand on anything else misspelt.
    """
    seeds = declared.seeds
    named = [(grid, range(seeds)) for grid in grids(declared.arms)]
    named.append(({}, range(seeds, 2 * seeds)))  # the A/A row's further seeds of the baseline
    labels = [f"sweep={declared.sweep}", f"tags=[{declared.study},{declared.profile}]"]
    command = ["${env}", "python", "-m", "experiments.run", f"experiment={declared.experiment}"]
    command += [*declared.overrides, *common, *labels, "${args_no_hyphens}"]
    return [
        {
            "name": f"{declared.sweep} {declared.profile} {number} of {len(named)}",
            "description": declared.title,
            "program": "experiments.run",
            "method": "grid",
            "parameters": {
                **{key: {"values": [_scalar(v) for v in levels]} for key, levels in grid.items()},
                "seed": {"values": list(those)},
            },
            "command": command,
        }
        for number, (grid, those) in enumerate(named, start=1)
    ]


def _scalar(text: str) -> int | float | str:
    """A number where it would be typed the same, so that W&B can order its levels."""
    value = yaml.safe_load(text)
    return value if isinstance(value, int | float) and str(value) == text else text


def write(sweeps: list[dict[str, Any]], plan_file: Path) -> list[Path]:
    """One file a W&B sweep, beside the plan."""
    paths = []
    for number, sweep in enumerate(sweeps, start=1):
        path = plan_file.with_name(f"{plan_file.stem}-wandb-{number}.yaml")
        write_atomic(path, yaml.safe_dump(sweep, sort_keys=False, width=100))
        paths.append(path)
    return paths
