"""The plan: a sweep's runs with their full configs, frozen before anything is trained.

Each arm is composed once and its seeds are set on the typed config. Once planned, nothing that
happens in conf/ or sweeps/ reaches a run; typing the command again plans anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.claims import ADDED, CHANGED, MARK, OF_METRIC, judged
from experiments.compose import compose, factor_levels
from experiments.lineage import parent_configs, with_seed
from experiments.provenance import sources_digest
from experiments.spec import make_spec
from experiments.store import write_atomic
from sweeps.declaration import Declaration

PLAN_SCHEMA = 1
FURTHER = 1000  # from one fine-tuning seed of a pre-training run to the next

Plan = dict[str, Any]


def plan_path(runs: Path | str, *, sweep: str, profile: str) -> Path:
    return Path(runs) / "plans" / f"{sweep}-{profile}.json"


def make_plan(
    declared: Declaration,
    *,
    common: list[str],
    claims: list[dict[str, Any]],
    on_arm: Callable[[int, int], None] = lambda done, total: None,
) -> Plan:
    """Compose every arm and set its seeds. `common` are overrides from the command line.

    Points that describe the same computation become one run. The A/A row's further seeds of the
    baseline have the role "aa", runs that others start from the role "parent".
    """
    recipe = [f"experiment={declared.experiment}", *declared.overrides, *common]
    baseline_config = compose(recipe)
    baseline = factor_levels(baseline_config)
    runs: dict[str, dict[str, Any]] = {}

    def add(config: dict[str, Any], role: str) -> None:
        for parent in parent_configs(config):
            add(parent, "parent")
        spec = make_spec({**config, "sweep": declared.sweep}, baseline=baseline)
        spec["labels"]["tags"] = [declared.study, spec["config"]["variant"], declared.profile]
        runs.setdefault(spec["run_id"], {**spec, "role": role})

    def add_seeds(config: dict[str, Any], seeds: range, role: str) -> None:
        for seed in seeds:
            for further in range(declared.finetune_seeds):
                # The first fine-tuning seed is the pre-training's, the others far from these.
                add(with_seed(config, seed + further * FURTHER, pretraining_seed=seed), role)

    count = len(declared.arms) + len(declared.aa)
    for number, arm in enumerate(declared.arms):
        add_seeds(compose([*recipe, *arm]), range(declared.seeds), "cell")
        on_arm(number + 1, count)
    for number, arm in enumerate(declared.aa):
        seeds = range(declared.seeds, 2 * declared.seeds)
        add_seeds(compose([*recipe, *arm]), seeds, "aa")
        on_arm(len(declared.arms) + number + 1, count)
    return {
        "schema": PLAN_SCHEMA,
        "sweep": declared.sweep,
        "profile": declared.profile,
        "study": declared.study,
        "title": declared.title,
        "sources": sources_digest(),
        "seconds_per_run": declared.seconds_per_run,
        "runs": [planned(spec) for spec in runs.values()],
        "claims": claims,
        "claims_file": declared.claims,
        "tables": declared.tables,
        "tune": declared.tune,
    }


def planned(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec with what the planner asks of it at its top."""
    config = spec["config"]
    fields = {name: config[name] for name in ("study", "variant", "stage", "seed", "parents")}
    return {**spec, **fields}


def freeze(plan: Plan, path: Path) -> Plan:
    """Write the plan. Claims keep the δ and wording of the first plan; later edits are marked.

    A claim that moved after runs were planned carries `changed_after_plan`: "added" or "changed".
    One that was taken out since stands in the plan's `withdrawn`.
    """
    if path.exists():
        before = load_plan(path)
        first = {c["id"]: c for c in [*before.get("withdrawn", []), *before["claims"]]}
        plan = {**plan, "claims": [_held(claim, first) for claim in plan["claims"]]}
        kept = {claim["id"] for claim in plan["claims"]}
        if withdrawn := [claim for name, claim in first.items() if name not in kept]:
            plan["withdrawn"] = withdrawn
    write_atomic(path, json.dumps(plan, indent=1, allow_nan=False) + "\n")
    return plan


def _held(claim: dict[str, Any], first: dict[str, dict[str, Any]]) -> dict[str, Any]:
    frozen = first.get(claim["id"])
    if frozen is None:
        return {**claim, MARK: ADDED}
    # What planning assumes and what tables call a metric are no part of what is judged.
    held = frozen | {key: claim[key] for key in OF_METRIC if key in claim}
    return held if judged(frozen) == judged(claim) else {MARK: CHANGED, **held}


def load_plan(path: Path) -> Plan:
    return json.loads(path.read_text(encoding="utf-8"))


def spec_of(run: dict[str, Any]) -> dict[str, Any]:
    """run.json of a planned run."""
    keys = ("schema", "run_id", "arm", "sources", "factors", "labels", "config")
    return {key: run[key] for key in keys}
