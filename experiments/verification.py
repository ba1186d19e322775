"""Whether a W&B server holds a run as its folder does: each step once, its config, its summary, and
the labels that dashboards and queries find it by.

told = run_arguments(result, ...)                  # what W&B is told: group, job type, tags
verify(server.read(run_id), result=result, rows=rows, told=told)   # -> Verification
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.wandb_reading import OnlineRun

SHOWN = 3  # of many steps or keys, so many are named
NOT_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


@dataclass
class Verification:
    """missing: what sending from the server's last step on brings; problems: what it cannot."""

    missing: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.missing and not self.problems


def verify(
    run: OnlineRun | None,
    *,
    result: Mapping[str, Any],
    rows: list[dict[str, Any]],
    told: Mapping[str, Any],
) -> Verification:
    """Compare what a server holds with the run folder's result.json, its rows, one a step, and what
    `run_arguments` tells W&B. Tags that were added on W&B's pages do not count."""
    if run is None:
        return Verification(missing="W&B does not hold the run")
    steps, held = [row["step"] for row in rows], [row["_step"] for row in run.history]
    found = Verification(problems=list(_misplaced(steps, held)))
    if found.problems:
        return found
    found.problems += _changed_rows(rows, run.history)
    if len(held) < len(steps):
        found.missing = f"W&B holds {len(held)} of {len(steps)} rows"
        return found
    try:
        held_result = run.result()
    except ValueError:
        found.missing = "W&B holds no result"
        return found
    if run.state != "finished":
        found.missing = f"W&B holds the run as {run.state}"
    if different := sorted(_differences(result, held_result)):
        found.missing = f"W&B holds other values of {_some(different)}"
    elif wrong := list(_labels(run, told)):
        found.missing = f"W&B {'; '.join(wrong)}"
    return found


def _labels(run: OnlineRun, told: Mapping[str, Any]) -> Iterator[str]:
    """What the server holds otherwise of group, job type and tags."""
    for name in ("group", "job_type"):
        held = getattr(run, name)
        if held != told[name]:
            yield f"holds {name} '{held}' instead of '{told[name]}'"
    if lost := [tag for tag in told["tags"] if tag not in run.tags]:
        yield f"lacks the tag {_some(lost)}"


def _misplaced(steps: list[int], held: list[int]) -> Iterator[str]:
    """Steps that are held twice, that are not the run's, or that lack below the last one."""
    if twice := [step for step, count in Counter(held).items() if count > 1]:
        yield f"W&B holds step {_some(twice)} more than once"
    if strange := sorted(set(held) - set(steps)):
        yield f"W&B holds step {_some(strange)}, which the run did not log"
    if lost := [step for step in steps if held and step < max(held) and step not in set(held)]:
        yield f"W&B lacks step {_some(lost)} though it holds later ones"


def _changed_rows(rows: list[dict[str, Any]], history: list[dict[str, Any]]) -> Iterator[str]:
    changed = [
        row["step"]
        for row, held in zip(rows, history, strict=False)
        if any(not _same(value, held.get(key)) for key, value in row.items() if key != "step")
    ]
    if changed:
        yield f"W&B holds other values at step {_some(changed)}"


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, str):
        theirs = NOT_NUMBERS.get(theirs, theirs)
    return ours == theirs or (ours != ours and theirs != theirs)


def _differences(ours: Any, theirs: Any, name: str = "") -> Iterator[str]:
    """The dotted names of what differs; a server's spelling of a number does not count."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in ours.keys() | theirs.keys():
            yield from _differences(ours.get(key), theirs.get(key), f"{name}.{key}".lstrip("."))
    elif not _same(ours, theirs):
        yield name


def _some(things: list[Any]) -> str:
    shown = ", ".join(map(str, things[:SHOWN]))
    return f"{shown} and {len(things) - SHOWN} more" if len(things) > SHOWN else shown
