"""A synthetic positions study: encodings, shares of pairs, sequence tasks and extended contexts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.claims import load_claims
from analysis.frame import plan_frame
from analysis.judgement import Judgement, judge

NOISE = (-0.01, 0.0, 0.01)  # one run a seed
TABLES = (
    *("lengths", "extension", "share", "tasks", "claims", "idle"),
    *("published", "published_within", "published_copying", "published_reversing"),
    *("published_extension", "published_interpolation", "published_steps", "published_tuned"),
    "published_share",
)
# Loss at N, 2 N, 4 N, 8 N of each encoding: about what small models on bytes gave.
LOSSES = {
    "none": (2.03, 2.12, 2.24, 2.31),
    "learned": (1.67, 2.63, 3.16, 3.17),
    "sinusoidal": (1.75, 2.38, 2.80, 3.03),
    "rope": (1.57, 1.69, 2.43, 2.83),
    "t5": (1.68, 1.73, 1.92, 2.10),
    "alibi": (1.67, 1.66, 1.64, 1.59),
}
# Zero-shot loss at s N and at N, of each method and factor s.
EXTENDED = {
    ("none", 2): (1.69, 1.57),
    ("none", 4): (2.43, 1.57),
    ("none", 8): (2.83, 1.57),
    ("linear", 2): (2.23, 1.9),
    ("linear", 4): (2.72, 2.2),
    ("linear", 8): (2.98, 2.5),
    ("dynamic", 2): (1.57, 1.57),
    ("dynamic", 4): (1.85, 1.57),
    ("dynamic", 8): (2.35, 1.57),
    ("ntk", 2): (1.57, 1.58),
    ("ntk", 4): (1.85, 1.6),
    ("ntk", 8): (2.35, 1.65),
    ("yarn", 2): (1.62, 1.6),
    ("yarn", 4): (1.72, 1.65),
    ("yarn", 8): (1.89, 1.7),
}


# What each eighth of the longest window adds to the loss of the whole.
SLOPE = (-0.35, -0.25, -0.15, -0.05, 0.05, 0.15, 0.25, 0.35)


def by_length(name: str, values: tuple[float, ...]) -> dict[str, float]:
    return {f"{name}_x{2**i}": value for i, value in enumerate(values)}


def by_eighth(times: int, loss: float) -> dict[str, float]:
    return {f"eighth_{k}_x{times}": loss + slope for k, slope in enumerate(SLOPE, start=1)}


@dataclass
class SyntheticPositions:
    """Arms are added one by one, each with three seeds."""

    root: Path
    runs: list[dict[str, Any]] = field(default_factory=list)

    def arm(self, factors: Mapping[str, Any], *, role: str = "cell", **metrics: float) -> None:
        """Three finished runs; an arm with the factor `method` extends the rotary arm's runs."""
        is_extended = "method" in factors
        # Another spread for every arm, so that differences of paired runs have one too.
        spread = 1 + len(self.runs) % 7 / 10
        for i, noise in enumerate(NOISE):
            seed = i + (len(NOISE) if role == "aa" else 0)
            run = {
                "run_id": f"{len(self.runs):016x}",
                "study": "positions",
                "variant": ",".join(f"{k}={v}" for k, v in factors.items()),
                "stage": "finetune" if is_extended else "train",
                "seed": seed,
                "role": role,
                "factors": dict(factors),
                "parents": [{"run_id": f"rope-{seed}", "step": 800}] if is_extended else [],
                "config": {
                    "seed": seed,
                    "pretraining": {"seed": seed if is_extended else None},
                    "trainer": {"max_steps": 800},
                },
            }
            self.runs.append(run)
            self.write(run, {name: value + spread * noise for name, value in metrics.items()})

    def language(self, factors: Mapping[str, Any], losses: tuple[float, ...], **more: Any) -> None:
        metrics = by_length("loss", losses)
        metrics |= by_length("last_eighth", tuple(loss + 0.1 for loss in losses))
        metrics |= by_length("sliding", tuple(loss - 0.1 for loss in losses))
        metrics |= by_eighth(2 ** (len(losses) - 1), losses[-1])
        self.arm(factors, **more, **metrics)

    def write(self, run: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        folder = self.root / "positions" / run["run_id"]
        folder.mkdir(parents=True)
        result = {key: value for key, value in run.items() if key != "role"} | {
            "schema": 1,
            "status": "completed",
            "metrics": dict(metrics),
            "cost": {"steps": 800, "flops": 1e12},
            "provenance": {"git_commit": "abc", "numerics": {"device": "cpu"}},
        }
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
        row = {"step": 800, "validation/loss": 1.6}
        (folder / "history.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
        (folder / "DONE").touch()

    @property
    def plan(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "sweep": "positions",
            "profile": "quick",
            "study": "positions",
            "title": "three layers, width 64",
            "sources": "0123",
            "runs": self.runs,
            "claims": load_claims("positions"),
            "tables": [f"positions_{name}" for name in TABLES if name != "idle"],
        }

    def write_plan(self) -> Path:
        path = self.root / "plans" / "positions-quick.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.plan), encoding="utf-8")
        return path


def small_study(root: Path) -> SyntheticPositions:
    """Every kind of arm, at losses that a tiny model on bytes gave."""
    study = SyntheticPositions(root)
    for position, losses in LOSSES.items():
        study.language({"position": position}, losses)
    study.language({"position": "rope"}, LOSSES["rope"], role="aa")
    study.language({"position": "rope", "base": 100.0}, (1.56, 1.79, 2.35, 2.67))
    for end, losses in {"fast": (1.57, 1.69, 2.45, 2.9), "slow": (1.72, 1.8, 2.2, 2.5)}.items():
        factors = {"position": "p_rope", "rotated": 0.5, "rotated_end": end}
        study.language(factors, losses)
    for (method, factor), (long, short) in EXTENDED.items():
        factors = {"method": method, "factor": float(factor), "steps": 0}
        metrics = {"loss_x1": short, f"loss_x{factor}": long, f"last_eighth_x{factor}": long + 0.1}
        study.arm(factors, **metrics, **by_eighth(factor, long))
    for position, scores in {
        "rope": (0.96, 0.01),
        "alibi": (0.98, 0.89),
        "none": (0.3, 0.1),
    }.items():
        names = ("exact_match_x1", "exact_match_x1_1")
        study.arm({"position": position, "task": "copy"}, **dict(zip(names, scores, strict=True)))
    return study


def judged(
    study: SyntheticPositions, claims: list[dict[str, Any]] | None = None
) -> dict[str, Judgement]:
    """The judged claims by id: the study's own, or those given."""
    plan = study.plan | ({"claims": claims} if claims else {})
    results = judge(plan, plan_frame(plan, study.root))
    return {result.claim["id"]: result for result in results}
