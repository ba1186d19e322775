"""A small synthetic study: run folders and a plan, with outcomes chosen by the test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analysis.claims import load_claims
from tests.analysis.position_runs import SyntheticPositions, small_study

BUDGET = 6000
STEP_NOISE = (-0.01, 0.0, 0.01)
# (kept, decayed) at each step; at the last step both are the kept run.
STEP_SCORES: dict[tuple[str, int], tuple[float, float | None]] = {
    ("bert", 200): (0.36, 0.37),
    ("bert", 800): (0.40, 0.43),
    ("bert", 3200): (0.50, None),
    ("ltr", 200): (0.37, 0.38),
    ("ltr", 800): (0.46, 0.48),
    ("ltr", 3200): (0.56, None),
}


@dataclass
class SyntheticStudy:
    """Arms are added one by one; each writes its runs and extends the plan."""

    root: Path
    runs: list[dict[str, Any]] = field(default_factory=list)

    def arm(
        self,
        mask: str = "causal",
        position: str = "none",
        residual: str = "all",
        num_layers: int = 2,
        *,
        exact: Sequence[float | None],
        steps: Sequence[int | None] | None = None,
        role: str = "cell",
        status: str | None = None,
        factors: dict[str, Any] | None = None,
        **metrics: float | None,
    ) -> list[Path]:
        """One finished run per value of `exact`; `steps` None is censored at the budget."""
        steps = [2000] * len(exact) if steps is None else steps
        folders = []
        for match, step in zip(exact, steps, strict=True):
            run = {
                "run_id": f"{len(self.runs):016x}",
                "study": "symmetry",
                "variant": f"{mask}-{position}-{residual}"
                + ("-shallow" if num_layers == 1 else ""),
                "stage": "train",
                "seed": len(self.runs),
                "role": role,
                "factors": {
                    "attention_mask": mask,
                    "position": position,
                    "residual": residual,
                    "num_layers": num_layers,
                    "format": "reversed",
                    "digits": 2,
                    **(factors or {}),
                },
                "parents": [],
                "config": {
                    "tracking": "offline",
                    "trainer": {"max_steps": BUDGET},
                    "model": {"residual": [[0, "mlp"], [1, "mlp"]]},
                },
            }
            self.runs.append(run)
            folders.append(
                self.write(
                    run,
                    status or ("not_converged" if step is None else "converged"),
                    exact_match=match,
                    steps_to_convergence=step,
                    **{"invariance": 0.3, "ceiling": 0.419, "test_size": 500} | metrics,
                    **{f"probe_r2/layer{num_layers}@end": 0.7},
                )
            )
        return folders

    def write(self, run: dict[str, Any], status: str, **metrics: float | None) -> Path:
        folder = self.root / "symmetry" / run["run_id"]
        folder.mkdir(parents=True)
        used = metrics["steps_to_convergence"] or BUDGET
        result = {key: value for key, value in run.items() if key != "role"} | {
            "schema": 1,
            "status": status,
            "metrics": metrics,
            "cost": {"steps": used, "flops": 2.5e9 * used},
            "provenance": {"git_commit": "abc", "numerics": {"device": "cpu"}},
        }
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
        curve = [
            {
                "step": step,
                "train/loss": 1.0,
                "validation/exact_match": min(
                    1.0, (metrics["exact_match"] or 0) * (step / used) ** 2
                ),
            }
            for step in range(0, used + 1, 250)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in curve)
        (folder / "history.jsonl").write_text(lines, encoding="utf-8")
        (folder / "DONE").touch()
        return folder

    @property
    def plan(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "sweep": "symmetry",
            "profile": "quick",
            "study": "symmetry",
            "title": "two digits",
            "sources": "0123",
            "runs": self.runs,
            "claims": load_claims("symmetry"),
            "tables": ["symmetry_cells", "symmetry_claims"],
        }

    def write_plan(self) -> Path:
        path = self.root / "plans" / "symmetry-quick.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.plan), encoding="utf-8")
        return path


@pytest.fixture
def study(tmp_path: Path) -> SyntheticStudy:
    return SyntheticStudy(tmp_path / "runs")


@pytest.fixture
def full_study(study: SyntheticStudy) -> SyntheticStudy:
    """Every cell of the claims but `first3`, with outcomes as the paper would have them."""
    study.arm(exact=[0.994, 0.996, 0.99, 0.998, 0.992], steps=[2500, 2750, 2250, 3000, 2500])
    study.arm(
        position="learned", exact=[1.0, 0.998, 0.996, 1.0, 0.998], steps=[500, 750, 500, 500, 750]
    )
    study.arm(
        "bidirectional", exact=[0.31, 0.3, 0.28, 0.32, 0.3], steps=[None] * 5, invariance=7e-16
    )
    study.arm(
        "bidirectional", "learned", exact=[0.99, 1.0, 0.996, 0.994, 0.998], steps=[750] * 4 + [1000]
    )
    study.arm(num_layers=1, exact=[0.3, 0.31, 0.3, 0.29, 0.3], steps=[None] * 5, invariance=2e-16)
    study.arm(residual="none", exact=[0.2, 0.1, 0.15, 0.99, 0.3], steps=[None] * 4 + [5500])
    study.arm(
        position="learned",
        residual="none",
        exact=[0.99, 0.992, 0.998, 0.99, 1.0],
        steps=[1500, 1750, 1250, 1500, 2000],
    )
    study.arm(
        exact=[0.99, 0.998, 0.99, 1.0, 0.996], steps=[2500, 2250, 3000, 2500, 2750], role="aa"
    )
    return study


@dataclass
class SyntheticBert:
    """A plan of variant x task with a score per pre-training seed, and its finished runs."""

    root: Path
    runs: list[dict[str, Any]] = field(default_factory=list)

    def cell(
        self,
        variant: str,
        task: str,
        scores: Sequence[float | None],
        *,
        parent: str | None = None,
        role: str = "cell",
        first_seed: int = 0,
        degenerate: Sequence[float] | None = None,
        metric: str = "score",
        validation: Sequence[float] | None = None,
        **factors: Any,
    ) -> None:
        """One run per score, None unfinished; `parent` names the pre-training runs shared;
        `validation` are the validation scores."""
        degenerate = degenerate or [0.0] * len(scores)
        for i, (score, is_degenerate) in enumerate(zip(scores, degenerate, strict=True)):
            seed = first_seed + i
            run = {
                "run_id": f"{len(self.runs):016x}",
                "study": "bert",
                "variant": variant,
                "stage": "finetune",
                "seed": seed,
                "role": role,
                "factors": {"variant": variant, "task": task, **factors},
                "parents": [f"{parent or variant}-{seed}"],
                "config": {"pretraining": {"seed": seed}, "trainer": {"max_steps": 100}},
            }
            self.runs.append(run)
            if score is not None:
                further = {"validation_score": validation[i]} if validation else {}
                self.write(run, **{metric: score, "degenerate": is_degenerate}, **further)

    def write(self, run: dict[str, Any], **metrics: float) -> None:
        folder = self.root / "bert" / run["run_id"]
        folder.mkdir(parents=True)
        result = {key: value for key, value in run.items() if key != "role"} | {
            "schema": 1,
            "status": "completed",
            "metrics": metrics,
            "cost": {"steps": 100, "flops": 1e9},
            "provenance": {"git_commit": "abc", "numerics": {"device": "cpu"}},
        }
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
        row = {"step": 100, "validation/score": metrics.get("score")}
        (folder / "history.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
        (folder / "DONE").touch()

    @property
    def plan(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "sweep": "bert",
            "profile": "quick",
            "study": "bert",
            "title": "microworld (synthetic); two layers, width 64",
            "sources": "0123",
            "runs": self.runs,
            "claims": [*load_claims("bert"), *load_claims("bert_controls")],
            "tables": ["bert_table5", "bert_claims", "bert_published"],
        }

    def write_plan(self) -> Path:
        path = self.root / "plans" / "bert-quick.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.plan), encoding="utf-8")
        return path


TASKS = ("coherence", "entailment", "paraphrase", "sentiment", "spans")


@pytest.fixture
def bert(tmp_path: Path) -> SyntheticBert:
    """Table 5's arms at made-up scores: left to right loses spans, the BiLSTM repairs some."""
    study = SyntheticBert(tmp_path / "runs")
    arms = {"bert": 0.8, "no_nsp": 0.79, "ltr": 0.5, "ltr_bilstm": 0.7, "no_nsp_bilstm": 0.79}
    noise = (-0.02, 0.01, 0.0, 0.02, -0.01)
    for variant, level in arms.items():
        for task in TASKS:
            mean = level if task == "spans" else 0.75
            parent = variant.removesuffix("_bilstm")
            study.cell(variant, task, [mean + e for e in noise], parent=parent)
    for task in TASKS:
        mean = arms["bert"] if task == "spans" else 0.75
        study.cell("bert", task, [mean - e for e in noise], role="aa", first_seed=5)
    return study


@pytest.fixture
def steps(tmp_path: Path) -> SyntheticBert:
    """Figure 5 at made-up scores: left to right leads at each step, and more at the later ones."""
    study = SyntheticBert(tmp_path / "steps")
    for (variant, step), means in STEP_SCORES.items():
        for decayed, mean in zip((False, True), means, strict=True):
            if mean is None:
                continue
            arm: dict[str, Any] = {"step": step, "decayed": decayed}
            study.cell(variant, "mnli", [mean + e for e in STEP_NOISE], **arm)
            losses = [7 - 4 * (mean + e) for e in STEP_NOISE]
            study.cell(variant, "corpus", losses, metric="token_loss", **arm)
    further = {"step": 3200, "decayed": False, "role": "aa", "first_seed": 3}
    study.cell("bert", "mnli", [0.51 + e for e in STEP_NOISE], **further)
    return study


@pytest.fixture
def positions(tmp_path: Path) -> SyntheticPositions:
    return small_study(tmp_path / "runs")
