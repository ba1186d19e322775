"""A synthetic study of two stages: pre-trained parents, and tasks fine-tuned from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from analysis.frame import LABELS, to_frame

Score = Callable[[str, str, int, int], float | None]


def finetuned(
    score: Score,
    *,
    variants: Sequence[str] = ("bert", "no_nsp"),
    tasks: Sequence[str] = ("spans", "pairs"),
    pretraining_seeds: int = 3,
    seeds: int = 2,
    heads: Sequence[str] = (),
    claims: Sequence[dict[str, Any]] = (),
) -> tuple[dict[str, Any], Any]:
    """The plan and its frame; `score(variant, task, pre-training seed, seed)`, None: diverged.

    The first variant has as many further pre-training seeds, as the A/A row. A head is a variant
    that is fine-tuned from the first variant's parents.
    """
    runs: list[dict[str, Any]] = []
    results = []

    def add(stage: str, role: str, factors: dict[str, Any], seed: int, **more: Any) -> str:
        run = {
            "run_id": f"{len(runs):016x}",
            "study": "bert",
            "variant": factors["variant"],
            "stage": stage,
            "seed": seed,
            "role": role,
            "factors": factors,
            "parents": more["parents"],
            "config": {"seed": seed, "pretraining": more["pretraining"]},
        }
        runs.append(run)
        value = more["value"]
        results.append(
            {key: value for key, value in run.items() if key not in ("role", "parents")}
            | {"status": "diverged" if value is None else "completed"}
            | {"metrics": {"score": value}, "cost": {}, "provenance": {}}
        )
        return run["run_id"]

    for variant in variants:
        further = pretraining_seeds if variant == variants[0] else 0
        for first in range(pretraining_seeds + further):
            parent = add(
                "pretrain",
                "parent",
                {"variant": variant},
                first,
                parents=[],
                pretraining=None,
                value=0.0,
            )
            for name in (variant, *(heads if variant == variants[0] else ())):
                for task in tasks:
                    for seed in range(seeds):
                        add(
                            "finetune",
                            "cell" if first < pretraining_seeds else "aa",
                            {"variant": name, "task": task},
                            seed,
                            parents=[{"run_id": parent, "step": 100}],
                            pretraining={"seed": first},
                            value=score(name, task, first, seed),
                        )
    if heads:  # a head is compared with the baseline's seeds alone
        kept = [r["role"] != "aa" or r["variant"] == variants[0] for r in runs]
        runs = [run for run, keep in zip(runs, kept, strict=True) if keep]
        results = [result for result, keep in zip(results, kept, strict=True) if keep]
    plan = {"study": "bert", "runs": runs, "claims": list(claims)}
    frame = to_frame(results)
    frame.insert(len(LABELS), "role", [run["role"] for run in runs])
    return plan, frame


def claim(name: str, *cells: tuple[float, str, str], **more: Any) -> dict[str, Any]:
    """A claim that a weighted sum of (weight, variant, task) is above 0."""
    return {
        "id": name,
        "sentence": f"{name}.",
        "source": "made up",
        "metric": "score",
        "claimed": "difference",
        "direction": "positive",
        "delta": 0.01,
        "planning_sd": 0.02,
        "contrast": [{"weight": w, "cell": {"variant": v, "task": t}} for w, v, t in cells],
        **more,
    }
