"""Each shipped experiment's first five losses, against a committed fixture.

When this fails, the numbers of every stored run are no longer what the code computes. If that was
meant, raise `version` on what moved (a component's class, or WORKER_VERSION in
experiments/identity.py) so that no stored run is reused wrongly, and write the fixture again:

    python -m tests.experiments.test_numerics
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from experiments.compose import choices, compose
from tests.datamodules.official import write_corpus, write_glue, write_vocabulary

FIXTURE = Path(__file__).parent / "numerics.json"
VARIANTS = {
    "symmetry": {
        "causal": [],
        "bidirectional": ["attention_mask=bidirectional", "position=learned"],
        "no_residuals": ["residual=none", "position=sinusoidal", "model.dropout=0.1"],
    },
    "bert_pretrain": {
        "bert": ["objective=bert", "model.dropout=0.1"],
        "no_nsp": ["objective=no_nsp"],
        "ltr": ["objective=ltr"],
    },
    "bert": {
        "spans": ["arm=no_pretraining", "data.task=spans"],
        "bilstm": ["arm=no_pretraining", "data.task=entailment", "module.bilstm_layers=1"],
        "features": ["arm=no_pretraining", "data.task=sentiment", "module.frozen=true"],
    },
    "bert_text_pretrain": {
        "ltr": ["objective=ltr"],
    },
    "bert_text": {
        "mrpc": ["arm=no_pretraining", "data.vocabulary=vocab.txt"],
    },
    "positions": {
        "rope": [],
        "alibi": ["position=alibi"],
    },
    "positions_extension": {
        "yarn": ["parents=[]", "extension=yarn", "data.evaluate_to=4"],
    },
    "positions_tasks": {
        "copy": [],
        "passkey": ["data.task=passkey", "data.length=32", "position=t5"],
    },
}
CORPUS = "corpus/enwiki_subset.jsonl.bz2"
CASES = [(experiment, name) for experiment, cases in VARIANTS.items() for name in cases]


def write_data(folder: Path) -> None:
    """What experiments on real text read, of our own writing."""
    write_corpus(folder / CORPUS)
    write_glue(folder, "mrpc", train=400)
    write_vocabulary(folder)


def losses(experiment: str, variant: str, data_dir: Path) -> list[float]:
    """The training losses of five steps, through the worker's own construction."""
    import pytorch_lightning as pl

    from experiments.worker import build_run

    class Watch(pl.Callback):
        def __init__(self) -> None:
            self.losses: list[float] = []

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
            self.losses.append(outputs["loss"].item())

    recipe = [f"experiment={experiment}", *VARIANTS[experiment][variant]]
    run = ["trainer.max_steps=5", "runtime.device=cpu", f"paths.data={data_dir}"]
    config = compose([*recipe, *run])
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


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


def test_every_shipped_experiment_has_a_fixture() -> None:
    assert set(VARIANTS) == set(choices("experiment"))


@pytest.mark.parametrize(("experiment", "variant"), CASES)
def test_the_first_five_losses_are_those_of_the_stored_runs(
    experiment: str, variant: str, data_dir: Path
) -> None:
    expected = json.loads(FIXTURE.read_text(encoding="utf-8"))[experiment][variant]
    found = losses(experiment, variant, data_dir)
    assert len(found) == 5
    # Other machines round differently in the last bits; a changed computation is far from it.
    assert found == pytest.approx(expected, rel=2e-5), "raise a `version`: see this file's head"


if __name__ == "__main__":
    with TemporaryDirectory() as data:
        write_data(Path(data))
        written = {
            experiment: {name: losses(experiment, name, Path(data)) for name in cases}
            for experiment, cases in VARIANTS.items()
        }
    FIXTURE.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
