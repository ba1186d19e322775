"""BERT's `paper` profiles: the published optimiser, on every run that they plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.declaration import load
from sweeps.plan import make_plan
from tests.datamodules.official import squad, write_glue, write_vocabulary

SWEEPS = ["bert_text", "bert_size", "bert_features", "bert_masking", "bert_steps"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files under the names that the sweeps give, as far as planning reads them."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("corpus", "vocab", "conll2003", "squad"):
        (folder / name).mkdir()
    (folder / "corpus/own.txt").write_text("not read by a plan", encoding="utf-8")
    (folder / "corpus/enwiki_subset.jsonl.bz2").write_bytes(b"not read by a plan")
    vocabulary = folder / write_vocabulary(folder)
    vocabulary.rename(folder / "vocab/bert-base-uncased-vocab.txt")
    for task in ("mnli", "mrpc", "qnli", "sst2"):
        write_glue(folder, task, train=400)
    paragraphs = [(f"cat {i} .", [("what ?", [("cat", 0)])]) for i in range(400)]
    for part in ("train", "dev"):
        (folder / f"squad/{part}-v1.1.json").write_text(squad([paragraphs]), encoding="utf-8")
    words = "".join(f"w{i} NN I-NP O\n\n" for i in range(600))
    for part in ("train", "testa"):
        (folder / f"conll2003/eng.{part}").write_text(words, encoding="utf-8")
    return folder


@pytest.mark.parametrize("sweep", SWEEPS)
def test_adam_is_berts_in_both_stages(sweep: str, data_dir: Path) -> None:
    """Appendix A.2; epsilon and clipping are the public code's."""
    plan = make_plan(load(sweep, "paper", seeds=1), common=[f"paths.data={data_dir}"], claims=[])
    assert {run["stage"] for run in plan["runs"]} == {"pretrain", "finetune"}
    published = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-6, "weight_decay": 0.01, "clip": 1.0}
    for run in plan["runs"]:
        optimizer = run["config"]["optimizer"]
        assert {key: optimizer[key] for key in published} == published, run["variant"]
        assert optimizer["schedule"] == "linear"
        if run["stage"] == "pretrain":
            assert (optimizer["lr"], optimizer["warmup_steps"]) == (1e-4, 10_000)
