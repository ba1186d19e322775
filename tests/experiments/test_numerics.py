"""Each shipped experiment's first five losses, against a committed fixture.

When this fails, the numbers of every stored run are no longer what the code computes. If that was
meant, raise `version` on what moved (a component's class, or WORKER_VERSION in
experiments/identity.py) so that no stored run is reused wrongly, and write the fixture again:

    python -m tests.experiments.test_numerics
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.compose import choices, compose

FIXTURE = Path(__file__).parent / "numerics.json"
VARIANTS = {
    "causal": [],
    "bidirectional": ["attention_mask=bidirectional", "position=learned"],
    "no_residuals": ["residual=none", "position=sinusoidal", "model.dropout=0.1"],
}


def losses(overrides: list[str]) -> list[float]:
    """The training losses of five steps, through the worker's own construction."""
    import pytorch_lightning as pl

    from experiments.worker import build_run

    class Watch(pl.Callback):
        def __init__(self) -> None:
            self.losses: list[float] = []

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
            self.losses.append(outputs["loss"].item())

    config = compose([*overrides, "trainer.max_steps=5", "runtime.device=cpu"])
    module, data = build_run(config)
    watch = Watch()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=5,
        gradient_clip_val=config["optimizer"]["clip"],
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(module, datamodule=data)
    return watch.losses


@pytest.mark.parametrize("experiment", choices("experiment"))
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_five_losses_are_those_of_the_stored_runs(experiment: str, variant: str) -> None:
    expected = json.loads(FIXTURE.read_text(encoding="utf-8"))[experiment][variant]
    found = losses([f"experiment={experiment}", *VARIANTS[variant]])
    assert len(found) == 5
    # Other machines round differently in the last bits; a changed computation is far from it.
    assert found == pytest.approx(expected, rel=2e-5), "raise a `version`: see this file's head"


if __name__ == "__main__":
    written = {
        experiment: {
            name: losses([f"experiment={experiment}", *overrides])
            for name, overrides in VARIANTS.items()
        }
        for experiment in choices("experiment")
    }
    FIXTURE.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
