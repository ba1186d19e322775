"""What a sweep's runs cost on this machine's device, and the pre-training that fits a time.

    python -m benchmarks throughput --sweep bert_text --profile gpu --data DATA --minutes 25

One run of each arm takes a few steps in Lightning's loop, as the worker would: same precision,
compiled where the profile says so. Told are tokens a second, padding included, and from them the
steps of pre-training with which the whole profile takes the minutes asked for, its fine-tuning left
as it is. A run's cost is its start (building, compiling, the first steps), its steps, and its
evaluations, one of which is timed. What is measured runs alone; with several runs a device, that
they take no longer together than one after another is assumed, and is the cautious assumption.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch

from experiments.errors import UserError
from experiments.training import trainer_settings
from experiments.weights import save_weights
from experiments.worker import build_run, pick_device, quiet
from sweeps.declaration import load
from sweeps.plan import Plan, make_plan

WARM_UP = 3  # steps that compile and allocate
EVALUATIONS = 3  # of every run beside those of evaluate_every: before, after, and the test


class Cost(NamedTuple):
    """Of one arm. start: seconds until its steps are at speed; step, evaluation: seconds of one."""

    name: str
    stage: str
    num_runs: int
    steps: int
    evaluate_every: int
    tokens_a_step: float
    start: float
    step: float
    evaluation: float

    @property
    def tokens_a_second(self) -> float:
        return self.tokens_a_step / self.step

    def seconds(self, steps: int) -> float:
        """Of all its runs."""
        evaluations = EVALUATIONS + steps // self.evaluate_every
        return self.num_runs * (self.start + steps * self.step + evaluations * self.evaluation)


class Clock(pl.Callback):
    """Seconds between the end of the warm-up and the end of the last step."""

    def __init__(self) -> None:
        self.warm = self.end = 0.0
        self.tokens = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step > WARM_UP:
            self.tokens += batch["tokens"].numel()
        if trainer.global_step in (WARM_UP, trainer.max_steps):
            if pl_module.device.type == "cuda":
                torch.cuda.synchronize()
            self.warm, self.end = self.warm or time.monotonic(), time.monotonic()


def measured(
    config: dict[str, Any], runs: Path, *, name: str, num_runs: int, steps: int
) -> tuple[Cost, Any, Any]:
    """The cost of a validated config's runs, its module and its data; `runs` holds its parents."""
    runtime = config["runtime"]
    torch.set_num_threads(runtime["threads"])
    device = pick_device(runtime["device"])
    began = time.monotonic()
    module, data = build_run(config, runs=runs)
    if runtime["compile"]:
        module.model.compile()
    clock = Clock()
    trainer = pl.Trainer(
        **trainer_settings(config, device),
        max_steps=WARM_UP + steps,
        callbacks=[clock],
        enable_progress_bar=False,
    )
    trainer.fit(module, datamodule=data)
    evaluation = time.monotonic()
    module.to(device).validate(data)
    cost = Cost(
        name=name,
        stage=config["stage"],
        num_runs=num_runs,
        steps=config["trainer"]["max_steps"],
        evaluate_every=config["trainer"]["evaluate_every"],
        tokens_a_step=clock.tokens / steps,
        start=clock.warm - began,
        step=(clock.end - clock.warm) / steps,
        evaluation=time.monotonic() - evaluation,
    )
    return cost, module, data


def costs(plan: Plan, *, steps: int) -> Iterator[Cost]:
    """Of each arm that is trained, pre-training first: its weights are what fine-tuning reads."""
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for run in sorted(plan["runs"], key=lambda run: run["stage"] == "finetune"):
        by_arm.setdefault(run["arm"], []).append(run)
    arm_of = {run["run_id"]: run["arm"] for run in plan["runs"]}
    weights: dict[str, tuple[dict[str, torch.Tensor], Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for arm, runs in by_arm.items():
            config = runs[0]["config"]
            if not config["trainer"]["max_steps"]:
                continue
            for parent in config["parents"]:
                if not parent["folder"]:
                    state, vocabulary = weights[arm_of[parent["run_id"]]]
                    to = Path(folder) / parent["run_id"]
                    save_weights(to, parent["step"], state, vocabulary=vocabulary)
            task = config["data"].get("task", config["stage"])
            cost, module, data = measured(
                config,
                Path(folder),
                name=f"{runs[0]['variant']} {task}",
                num_runs=len(runs),
                steps=steps,
            )
            if config["stage"] == "pretrain":
                state = {key: value.cpu() for key, value in module.exported_state().items()}
                weights[arm] = state, data.written_in()
            yield cost


def fitting_steps(found: list[Cost], *, minutes: float) -> int:
    """The most steps of a pre-training with which all runs take `minutes`; below 1 if none do."""
    others = sum(cost.seconds(cost.steps) for cost in found if cost.stage != "pretrain")
    pretraining = [cost for cost in found if cost.stage == "pretrain"]
    fixed = sum(cost.seconds(0) for cost in pretraining)
    each = sum(c.num_runs * (c.step + c.evaluation / c.evaluate_every) for c in pretraining)
    return int((60 * minutes - others - fixed) / each)


def main(
    *, sweep: str, profile: str, minutes: float, data: str, steps: int, overrides: list[str]
) -> None:
    if steps < 1:
        raise UserError(f"--steps {steps} is too few: expected 1 or more")
    quiet()
    plan = make_plan(load(sweep, profile), common=[f"paths.data={data}", *overrides], claims=[])
    found = []
    print(f"{'arm':<28}{'runs':>5}{'steps':>9}{'tokens/s':>13}{'start, s':>10}{'all, min':>10}")
    for cost in costs(plan, steps=steps):
        found.append(cost)
        print(
            f"{cost.name:<28}{cost.num_runs:>5}{cost.steps:>9,}{cost.tokens_a_second:>13,.0f}"
            f"{cost.start:>10.1f}{cost.seconds(cost.steps) / 60:>10.2f}",
            flush=True,
        )
    pretraining = [cost for cost in found if cost.stage == "pretrain"]
    if not pretraining:
        raise UserError(f"{sweep} has no pre-training whose steps could be chosen: expected bert_*")
    total = sum(cost.seconds(cost.steps) for cost in found) / 60
    print(f"as declared: {total:.1f} minutes of the device")
    fitting = fitting_steps(found, minutes=minutes)
    if fitting < 1:
        print(f"{minutes:g} minutes: too few, whatever the steps of pre-training; fewer runs fit")
        return
    tokens = fitting * pretraining[0].tokens_a_step / 1e6
    print(f"{minutes:g} minutes: trainer.max_steps={fitting}, {tokens:,.1f} million tokens an arm")
