"""result.json: the scores of the trained model, what it cost and where it comes from."""

from __future__ import annotations

import hashlib
from typing import Any

import pytorch_lightning as pl
import torch

from experiments.provenance import provenance
from experiments.training import Course

RESULT_SCHEMA = 1


def weights_digest(module: torch.nn.Module) -> str:
    """SHA-256 over names and bytes of all parameters: equal weights, equal digest."""
    hashed = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        name = name.removeprefix("model.")
        hashed.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()


def make_result(
    spec: dict[str, Any],
    trainer: pl.Trainer,
    module: Any,
    data: Any,
    course: Course,
    *,
    flops: int,
    device: str,
) -> dict[str, Any]:
    """The record of a run that has come to its end: measured, tested, and accounted for."""
    config = spec["config"]
    runtime = config["runtime"]
    steps = trainer.global_step
    module.to(device)
    metrics: dict[str, Any] = {} if course.diverged else module.test(data)
    metrics |= course.measure_end(module, step=steps)
    metrics |= course.measures
    metrics |= data.facts()
    if config["trainer"]["stop_at"] is not None:
        metrics["steps_to_convergence"] = course.first_reached if course.converged else None
    seconds, core_seconds = course.spent()
    return {
        "schema": RESULT_SCHEMA,
        "run_id": spec["run_id"],
        "parents": [{key: p[key] for key in ("run_id", "step")} for p in config["parents"]],
        "study": config["study"],
        "variant": config["variant"],
        "stage": config["stage"],
        "seed": config["seed"],
        "factors": spec["factors"],
        "config": config,
        "status": course.status,
        "metrics": metrics,
        "cost": {
            "seconds": round(seconds, 3),
            "core_seconds": round(core_seconds, 3),
            "steps": steps,
            "examples": steps * config["data"]["batch_size"],
            "flops": flops * steps,
            "parameters": sum(p.numel() for p in module.parameters()),
        },
        "provenance": {
            **provenance(
                device=device,
                threads=runtime["threads"],
                compile=runtime["compile"],
                workers=runtime["workers"],
            ),
            "arm": spec["arm"],
            "weights_sha256": weights_digest(module),
        },
    }
