"""One run's course: what happens at its steps besides the gradient, as one Lightning callback.

At each step, in this order: note a divergence, measure, evaluate, apply the stop rule, keep the
weights, write the curve, make a checkpoint. The order matters: a checkpoint holds all that its step
has brought.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from experiments.attempt import Attempt
from experiments.weights import kept_steps

PRECISION: dict[str, Any] = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def trainer_settings(config: dict[str, Any], device: str) -> dict[str, Any]:
    """What the trainer of every run shares, whatever it is trained for: training and no more."""
    return {
        "accelerator": "gpu" if device == "cuda" else "cpu",
        "devices": 1,
        "precision": PRECISION[config["trainer"]["precision"]],
        "gradient_clip_val": config["optimizer"]["clip"] or None,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "limit_val_batches": 0,
        "num_sanity_val_steps": 0,
        "inference_mode": False,
    }


class CheckpointFile(TorchCheckpointIO):
    """Writes where it is told to. Lightning's own way goes through the system's folder for
    temporary files, which may be small, and where a kill would leave them."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        # Not torch.save(..., path): that tells a full disk as a RuntimeError about its archive.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        Path(path).write_bytes(buffer.getbuffer())


class Course(pl.Callback):
    """Follows one run. After `fit`, `status` says how it went and `interrupted` whether it was cut.

    should_stop() is asked after each step: True makes a checkpoint and ends the attempt. So does,
    without a checkpoint, TakenOver: another host has the run.
    """

    def __init__(
        self,
        *,
        attempt: Attempt,
        config: dict[str, Any],
        datamodule: pl.LightningDataModule,
        should_stop: Callable[[], bool],
    ) -> None:
        self.attempt = attempt
        self.settings = config["trainer"]
        self.runtime = config["runtime"]
        self.kept_steps = kept_steps(self.settings["max_steps"], keep=self.runtime["keep_weights"])
        self.data: Any = datamodule
        self.should_stop = should_stop
        self.interrupted = False
        self.diverged = False
        self.measures: dict[str, float | None] = {}
        self.scored: tuple[int, dict[str, float]] | None = None
        self.streak = 0
        self.first_reached: int | None = None
        self.seconds_before = 0.0
        self.core_seconds_before = 0.0
        self.started = time.monotonic()
        self.core_started = time.process_time()
        self.checkpoint_step = attempt.resume[0] if attempt.resume else 0
        self.checkpoint_time = time.monotonic()

    # State that a checkpoint carries

    def state_dict(self) -> dict[str, Any]:
        seconds, core_seconds = self.spent()
        return {
            "measures": self.measures,
            "streak": self.streak,
            "first_reached": self.first_reached,
            "seconds": seconds,
            "core_seconds": core_seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.measures = state_dict["measures"]
        self.streak = state_dict["streak"]
        self.first_reached = state_dict["first_reached"]
        self.seconds_before = state_dict["seconds"]
        self.core_seconds_before = state_dict["core_seconds"]

    def spent(self) -> tuple[float, float]:
        """Wall and processor seconds of this run, over all attempts as far as they count."""
        return (
            self.seconds_before + time.monotonic() - self.started,
            self.core_seconds_before + time.process_time() - self.core_started,
        )

    @property
    def converged(self) -> bool:
        return self.streak >= self.settings["stop_evaluations"]

    @property
    def status(self) -> str:
        if self.diverged:
            return "diverged"
        if self.settings["stop_at"] is None:
            return "completed"
        return "converged" if self.converged else "not_converged"

    # The steps

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.global_step == 0:
            self._measure(pl_module, "init", step=0)
            row = self._evaluate(pl_module, step=0)
            self.attempt.history.append({"step": 0, **row})

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.attempt.check()
        step = trainer.global_step
        last = step == trainer.max_steps
        row: dict[str, Any] = {}
        if step % self.runtime["log_every"] == 0 or last:
            row["train/loss"] = outputs["loss"].item()
            row["train/lr"] = trainer.optimizers[0].param_groups[0]["lr"]
            self.diverged = not math.isfinite(row["train/loss"])
        if step in self.settings["measure_at"] and not self.diverged:
            self._measure(pl_module, str(step), step=step)
        if step % self.settings["evaluate_every"] == 0 or last:
            row |= self._evaluate(pl_module, step=step)
            self._apply_stop_rule(step, row)
        if step in self.kept_steps and not self.diverged:
            state = pl_module.exported_state()
            self.attempt.save_weights(step, state, vocabulary=self.data.written_in())
        if row:
            finite = {k: v if math.isfinite(v) else None for k, v in row.items()}
            self.attempt.history.append({"step": step, **finite})
        if self.diverged or self.converged:
            trainer.should_stop = True
        elif not last and self.should_stop():
            self.interrupted = True
            self._checkpoint(trainer)
            trainer.should_stop = True
        elif not last and self._checkpoint_is_due(step):
            self._checkpoint(trainer)

    def _scores(self, module: Any, step: int) -> dict[str, float]:
        """The validation scores at this step: measures and the curve want the same ones."""
        if self.scored is None or self.scored[0] != step:
            self.scored = (step, module.validate(self.data))
        return self.scored[1]

    def _evaluate(self, module: Any, *, step: int) -> dict[str, float]:
        scores = self._scores(module, step)
        self.diverged = self.diverged or not math.isfinite(scores["loss"])
        return {f"validation/{name}": value for name, value in scores.items()}

    def _apply_stop_rule(self, step: int, row: dict[str, float]) -> None:
        if self.settings["stop_at"] is None:
            return
        reached = row[f"validation/{self.settings['stop_metric']}"] >= self.settings["stop_at"]
        self.streak = self.streak + 1 if reached else 0
        if self.streak == 1:
            self.first_reached = step
        elif not reached:
            self.first_reached = None

    def _measure(self, module: Any, when: str, *, step: int) -> dict[str, float | None]:
        """Take the study's measures and the validation scores, under their names and @when."""
        scores = self._scores(module, step)
        taken = {**module.measure(self.data)}
        taken |= {f"validation_{k}": v if math.isfinite(v) else None for k, v in scores.items()}
        self.measures |= {f"{name}@{when}": value for name, value in taken.items()}
        return taken

    def measure_end(self, module: Any, *, step: int) -> dict[str, float | None]:
        """The measures of the trained model, under their plain names; none where it diverged."""
        return {} if self.diverged else self._measure(module, "end", step=step)

    def _checkpoint_is_due(self, step: int) -> bool:
        steps, seconds = self.runtime["checkpoint_steps"], self.runtime["checkpoint_seconds"]
        if steps is not None and step % steps == 0:
            return True
        return seconds is not None and time.monotonic() - self.checkpoint_time >= seconds

    def _checkpoint(self, trainer: pl.Trainer) -> None:
        self.checkpoint_step = self.attempt.save_checkpoint(trainer)
        self.checkpoint_time = time.monotonic()
