"""Training as one stream of steps, driven by a real trainer."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from datamodules.base import StepDataModule

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def seed_for(stream: str, step: int) -> int:
    return 1000 + step


class Counting(StepDataModule):
    """Batch k holds k and one random number drawn from k's own seed."""

    def batch(self, step):
        generator = torch.Generator().manual_seed(self.seed_for("data", step))
        return {"tokens": torch.tensor([step, torch.randint(1000, (), generator=generator)])}

    def validation_batches(self):
        return [{"tokens": torch.tensor([-1])}, {"tokens": torch.tensor([-2])}]

    def test_batches(self):
        return iter([{"tokens": torch.tensor([-3])}])


class Recorder(pl.LightningModule):
    """A model that remembers the steps it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.trained: list[int] = []
        self.evaluated: list[int] = []
        self.epochs = 0

    def on_train_epoch_start(self):
        self.epochs += 1

    def training_step(self, batch, batch_idx):
        self.trained.append(int(batch["tokens"][0]))
        return self.weight * 1.0

    def validation_step(self, batch, batch_idx):
        self.evaluated.append(int(batch["tokens"][0]))

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(max_steps: int, **settings) -> pl.Trainer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pl.Trainer(max_steps=max_steps, **{**QUIET, **settings})


@pytest.mark.filterwarnings("ignore")
def test_training_sees_batch_k_at_step_k_and_ends_at_max_steps():
    model, fit = Recorder(), trainer(7, num_sanity_val_steps=0)
    fit.fit(model, Counting(seed_for=seed_for, num_workers=0))
    assert model.trained == list(range(7))
    assert fit.global_step == 7


@pytest.mark.filterwarnings("ignore")
def test_a_run_resumed_in_the_middle_sees_the_steps_that_were_left(tmp_path):
    data = Counting(seed_for=seed_for, num_workers=0)
    first, fit = Recorder(), trainer(5)
    fit.fit(first, data)
    fit.save_checkpoint(tmp_path / "five.ckpt")
    resumed, fit = Recorder(), trainer(12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit.fit(
            resumed, Counting(seed_for=seed_for, num_workers=0), ckpt_path=tmp_path / "five.ckpt"
        )
    assert first.trained + resumed.trained == list(range(12))
    assert first.epochs == resumed.epochs == 1
    assert not [w for w in caught if "not resumable" in str(w.message)]


@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_from_inside_training_resumes_at_its_step(tmp_path):
    class SaveAtFour(pl.Callback):
        def on_train_batch_end(self, trainer, *args):
            if trainer.global_step == 4:
                trainer.save_checkpoint(tmp_path / "four.ckpt")

    trainer(10, callbacks=[SaveAtFour()]).fit(
        Recorder(), Counting(seed_for=seed_for, num_workers=0)
    )
    resumed = Recorder()
    trainer(10).fit(
        resumed, Counting(seed_for=seed_for, num_workers=0), ckpt_path=tmp_path / "four.ckpt"
    )
    assert resumed.trained == list(range(4, 10))


@pytest.mark.filterwarnings("ignore")
def test_validation_and_test_batches_come_in_their_own_order():
    model, data = Recorder(), Counting(seed_for=seed_for, num_workers=0)
    trainer(4, num_sanity_val_steps=0, val_check_interval=2).fit(model, data)
    assert model.evaluated == [-1, -2, -1, -2]
    model.evaluated.clear()
    trainer(4).test(model, data, verbose=False)
    assert model.evaluated == [-3]


def test_worker_processes_do_not_change_the_batches():
    def batches(num_workers: int) -> list[list[int]]:
        data = Counting(seed_for=seed_for, num_workers=num_workers)
        data.trainer = SimpleNamespace(global_step=0, max_steps=5, unpicklable=lambda: None)
        return [batch["tokens"].tolist() for batch in data.train_dataloader()]

    here = batches(0)
    assert [step for step, _ in here] == list(range(5))
    assert batches(2) == here


def test_a_stream_without_an_end_is_a_mistake():
    data = Counting(seed_for=seed_for, num_workers=0)
    with pytest.raises(ValueError, match="attach a trainer with max_steps"):
        data.train_dataloader()
    with pytest.raises(ValueError, match="num_workers is -1; expected 0 or more"):
        Counting(seed_for=seed_for, num_workers=-1)
