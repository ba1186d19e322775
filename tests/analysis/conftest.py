"""A small synthetic study: run folders and a plan, with outcomes chosen by the test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analysis.claims import load_claims

BUDGET = 6000


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
