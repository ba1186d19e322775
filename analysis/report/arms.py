"""A plan's arms as the report names and colours them, the same in every plot and list.

An arm is all runs of one role, stage and set of factor levels. Its name is what sets it apart from
the baseline: "position learned, residual none". A variant keeps its colour over tasks and stages.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..cells import baseline

NUM_COLOURS = 7  # in report.css, --arm-0 and on; then the same again with another dash
NUM_DASHES = 5
GREY = -1  # the colour of A/A arms: noise, no level of anything
# Factors whose levels are names of their own, told without the factor's and never left out.
VARIANT, TASK = "variant", "task"


@dataclass
class Arm:
    """`colour` and `dash` index the palette of report.css.

    `group` is the task, or a parent's stage, and '' in a study that has neither: arms of one group
    are measured alike and share a plot.
    """

    name: str
    role: str
    stage: str
    factors: Mapping[str, Any]
    group: str = ""
    colour: int = GREY
    dash: int = 0
    runs: list[str] = field(default_factory=list)


def arms_of(plan: Mapping[str, Any]) -> list[Arm]:
    """Cells first, then A/A arms, then parents; within each in the plan's order."""
    groups: dict[tuple[Any, ...], Arm] = {}
    for run in plan["runs"]:
        key = (run["role"], run["stage"], *sorted((k, str(v)) for k, v in run["factors"].items()))
        if key not in groups:
            groups[key] = Arm("", run["role"], run["stage"], run["factors"])
        groups[key].runs.append(run["run_id"])
    arms = sorted(groups.values(), key=lambda arm: ("cell", "aa", "parent").index(arm.role))
    base = baseline(plan)
    for arm in arms:
        peers = [other for other in arms if other.stage == arm.stage]
        name = level_name(arm.factors, base, varying(other.factors for other in peers))
        arm.name = {"aa": f"A/A: {name}", "parent": f"{name} ({arm.stage})"}.get(arm.role, name)
        arm.group = str(arm.factors.get(TASK, arm.stage if arm.role == "parent" else ""))
    _colour([arm for arm in arms if arm.role != "aa"])
    for i, arm in enumerate(arm for arm in arms if arm.role == "aa"):
        arm.dash = (i + 1) % NUM_DASHES
    return arms


def _colour(arms: list[Arm]) -> None:
    """A colour a variant, or an arm where there are no variants; then a dash to tell them apart."""
    colours: dict[Hashable, int] = {}
    taken: set[tuple[int, int]] = set()
    for i, arm in enumerate(arms):
        number = colours.setdefault(arm.factors.get(VARIANT, i), len(colours))
        arm.colour = number % NUM_COLOURS
        dashes = ((number // NUM_COLOURS + step) % NUM_DASHES for step in range(NUM_DASHES))
        arm.dash = next((dash for dash in dashes if (arm.colour, dash) not in taken), 0)
        if arm.role != "parent":  # in no plot beside its children
            taken.add((arm.colour, arm.dash))


def varying(factors: Iterable[Mapping[str, Any]]) -> list[str]:
    """The factors that do not have one and the same level throughout."""
    levels = list(factors)
    names = dict.fromkeys(name for each in levels for name in each)
    return [name for name in names if any(f.get(name) != levels[0].get(name) for f in levels)]


def level_name(factors: Mapping[str, Any], base: Mapping[str, Any], names: Iterable[str]) -> str:
    """'position learned, residual none'; 'baseline' where nothing differs from it."""
    parts = []
    for name in names:
        level = factors.get(name)
        if level is not None and name in (VARIANT, TASK):
            parts.append(str(level))
        elif level is not None and (name not in base or level != base[name]):
            parts.append(f"{name.removeprefix('num_').replace('_', ' ')} {level}")
    return ", ".join(parts) or "baseline"
