"""From plans and their finished runs to plain data: all that the page holds, and no markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError

from .. import claim_rows, exact_facts
from ..columns import metric
from ..frame import damaged, load_plan, plan_frame
from ..judgement import Judgement, judge
from ..table import build_table
from ..tuning import with_choices
from . import claims, curves, effects, runs
from .arms import arms_of

if TYPE_CHECKING:
    import pandas as pd

# Where a study has no claims yet, what is worth showing of its runs: the first of these it has.
HEADLINES = ("score", "exact_match", "accuracy", "token_accuracy", "validation_loss", "loss")


def report_data(plans: Sequence[tuple[Path, Path]]) -> dict[str, Any]:
    return {"studies": [_study_or_error(path, root) for path, root in plans]}


def _study_or_error(path: Path, root: Path) -> dict[str, Any]:
    """A plan that is broken must not take the others' report away; it says so in its place."""
    try:
        return study_data(path, root)
    except UserError as error:
        return {"id": path.stem, "title": path.stem, "plan": str(path), "error": str(error)}


def study_data(plan_path: Path, runs_root: Path) -> dict[str, Any]:
    """One plan with its runs. Tables and claims read the chosen levels of what is tuned; the run
    list and the curves show every planned run."""
    plan = load_plan(plan_path)
    frame = plan_frame(plan, runs_root)
    judged, kept = with_choices(plan, frame)
    judgements = judge(judged, kept)
    arms = arms_of(plan)
    metrics = _metrics(judgements, frame)
    headline = [_result_metric(name) for name in metrics]
    common, own = runs.configs(plan)
    missing = frame.attrs["missing"]
    return {
        "id": f"{plan['sweep']}-{plan['profile']}",
        "study": plan["study"],
        "sweep": plan["sweep"],
        "profile": plan["profile"],
        "title": plan.get("title") or plan["study"],
        "plan": str(plan_path),
        "source": frame.attrs["source"],
        "counts": {
            "planned": len(plan["runs"]),
            "finished": len(frame),
            "missing": dict(Counter(reason.split(":")[0] for reason in missing.values())),
            "left_out": frame.attrs["left_out"],
        },
        "violations": exact_facts.violations(frame),
        "damaged": damaged(frame),
        "notes": _notes(plan),
        "claims": claims.cards(judged, judgements, arms),
        "forest": effects.forest(judged, kept, judgements),
        "arm_effects": effects.arm_panels(kept, arms, metrics),
        # Violations stand once, above everything.
        "tables": [
            replace(build_table(name, judged, kept), violations=[]) for name in plan["tables"]
        ],
        "arms": arms,
        "curves": curves.curves_of(
            _folders(frame, runs_root), [f"validation/{name}" for name in headline]
        ),
        "headline": headline,
        "costs": runs.COSTS,
        "runs": runs.run_list(plan, frame, arms, headline),
        "config": common,
        "configs": own,
        "provenance": runs.provenance(frame),
        "totals": runs.totals(frame),
    }


def _metrics(judgements: list[Judgement], frame: pd.DataFrame) -> dict[str, str]:
    """The metrics of the claims with their labels, else one that the runs have."""
    if judgements:
        return {j.claim["metric"]: metric(j).text for j in judgements}
    found = [name for name in HEADLINES if f"metrics.{name}" in frame]
    return {name: name.replace("_", " ") for name in found[:1]}


def _result_metric(name: str) -> str:
    return "steps_to_convergence" if name == "log_steps" else name


def _notes(plan: Mapping[str, Any]) -> list[str]:
    """Claims that this plan does not judge, and claims that moved after it."""
    notes = claim_rows.notes(plan) if plan["claims"] else ["This plan has no claims."]
    return [f"{note[0].upper()}{note[1:]}" for note in notes]


def _folders(frame: pd.DataFrame, root: Path) -> dict[str, Path]:
    pairs = zip(frame["study"], frame["run_id"], strict=True)
    return {run_id: root / study / run_id for study, run_id in pairs}
