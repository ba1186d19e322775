"""Which plans there are to make tables of: those planned here, and the published ones.

one_a_sweep(find_plans("runs", "results"))
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from experiments.errors import UserError, did_you_mean

PROFILES = ("quick", "cpu", "gpu", "paper")


class PlanFile(NamedTuple):
    path: Path  # <root>/plans/<sweep>-<profile>.json
    root: Path  # where its runs are

    @property
    def sweep(self) -> str:
        return self.path.stem.rpartition("-")[0]

    @property
    def profile(self) -> str:
        return self.path.stem.rpartition("-")[2]


def find_plans(
    runs: str | Path,
    results: str | Path,
    *,
    sweep: str | None = None,
    profile: str | None = None,
) -> list[PlanFile]:
    """Every plan of `runs`, and those that only `results` has; of one sweep or profile if given.

    UserError where there is none.
    """
    found: dict[str, PlanFile] = {}
    for root in (Path(runs), Path(results)):
        for path in sorted((root / "plans").glob("*.json")):
            found.setdefault(path.name, PlanFile(path, root))
    wanted = [
        plan
        for _, plan in sorted(found.items())
        if sweep in (None, plan.sweep) and profile in (None, plan.profile)
    ]
    if wanted:
        return wanted
    asked = "-".join(word for word in (sweep, profile) if word)
    if not found:
        raise UserError(
            f"there is no plan in '{Path(runs, 'plans')}' or '{Path(results, 'plans')}'; "
            "type make sweep to make one and train its runs."
        )
    names = sorted({plan.path.stem for plan in found.values()})
    raise UserError(
        f"no plan is called {asked or 'so'}; there are {', '.join(names)}: type "
        f"make sweep SWEEP={sweep or '...'} PROFILE={profile or '...'} to make another."
        f"{did_you_mean(asked, names)}"
    )


def one_a_sweep(plans: list[PlanFile]) -> list[PlanFile]:
    """Of each sweep the plan of its smallest profile: what is written bears the sweep's name."""

    def size(plan: PlanFile) -> int:
        return PROFILES.index(plan.profile) if plan.profile in PROFILES else len(PROFILES)

    smallest = {plan.sweep: plan for plan in sorted(plans, key=size, reverse=True)}
    return [plan for plan in plans if plan in smallest.values()]
