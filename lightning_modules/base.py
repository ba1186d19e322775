"""What every study's LightningModule shares: the optimiser and the re-seeding before each step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch

from lightning_modules.encoders import Encoders
from lightning_modules.optimizers import decay_groups, make_optimizer
from lightning_modules.transformer import Transformer

Batch = dict[str, torch.Tensor]


def warmup_then(schedule: str, *, warmup_steps: int, max_steps: int) -> Callable[[int], float]:
    """The factor on the learning rate at a step: linear warm-up, then constant, linear or cosine
    to 0 at `max_steps`."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        left = 1 - (step - warmup_steps) / max(1, max_steps - warmup_steps)
        if schedule == "linear":
            return max(0.0, left)
        if schedule == "cosine":
            return 0.5 * (1 - math.cos(math.pi * max(0.0, left)))
        return 1.0

    return factor


class AblationModule(pl.LightningModule):
    """A model, its loss and its scores. A study's module adds `training_step`, `evaluate`, and the
    measures it reports.

    optimizer: the fields of OptimizerConfig. seed_for(stream, step): the run's random streams.
    """

    def __init__(
        self,
        *,
        model: Transformer | Encoders,
        optimizer: dict[str, Any],
        max_steps: int,
        seed_for: Callable[[str, int], int],
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.optimizer_settings = optimizer
        self.max_steps = max_steps
        self.seed_for = seed_for

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout draws from the global generator: seeding it for each step is what makes a resumed
        # run equal the uninterrupted one.
        seed = self.seed_for("dropout", self.global_step)
        if self.device.type == "cpu":
            # torch.manual_seed also writes down a stack trace for each backend that there is not.
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def configure_parameters(self) -> list[dict[str, Any]]:
        """The optimiser's groups: all that is trained, matrices apart from vectors."""
        trained = [p for p in self.parameters() if p.requires_grad]
        return decay_groups(trained, weight_decay=self.optimizer_settings["weight_decay"])

    def configure_optimizers(self) -> Any:
        settings = self.optimizer_settings
        optimizer = make_optimizer(self.configure_parameters(), settings)
        factor = warmup_then(
            settings["schedule"], warmup_steps=settings["warmup_steps"], max_steps=self.max_steps
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Scores on held-out batches, under short names such as `loss` and `exact_match`."""
        raise NotImplementedError

    def validate(self, datamodule: Any) -> dict[str, float]:
        """The scores on the validation set."""
        return self.evaluate(datamodule.validation_batches())

    def exported_state(self) -> dict[str, torch.Tensor]:
        """The parameters that a later stage can start from."""
        return dict(self.model.state_dict())

    def measure(self, datamodule: Any) -> dict[str, float | None]:
        """The study's measures of the model as it stands; none unless a study defines some."""
        return {}

    def test(self, datamodule: Any) -> dict[str, float | None]:
        """What is reported of the trained model: the scores on the test set."""
        return dict(self.evaluate(datamodule.test_batches()))
