"""BERT's `paper` profiles: the published optimiser and rates, on every run that they plan."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from sweeps.declaration import load
from sweeps.plan import Plan, make_plan
from tests.datamodules.official import squad, write_glue, write_vocabulary

SWEEPS = ["bert_text", "bert_size", "bert_features", "bert_masking", "bert_steps"]
# Of what is fine-tuned, by data: section 4.1, appendix A.3, section 4.2.
RATES = {
    "glue": {5e-5, 4e-5, 3e-5, 2e-5},
    "conll": {5e-5, 3e-5, 2e-5},
    "squad": {5e-5},
}


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


@functools.cache
def planned(sweep: str, data_dir: Path) -> Plan:
    declared = load(sweep, "paper", seeds=1)
    return make_plan(declared, common=[f"paths.data={data_dir}"], claims=[])


@pytest.mark.parametrize("sweep", SWEEPS)
def test_adam_is_berts_in_both_stages(sweep: str, data_dir: Path) -> None:
    """Appendix A.2; epsilon and clipping are the public code's."""
    plan = planned(sweep, data_dir)
    assert {run["stage"] for run in plan["runs"]} == {"pretrain", "finetune"}
    published = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-6, "weight_decay": 0.01, "clip": 1.0}
    for run in plan["runs"]:
        optimizer = run["config"]["optimizer"]
        assert {key: optimizer[key] for key in published} == published, run["variant"]
        assert optimizer["schedule"] == "linear"
        if run["stage"] == "pretrain":
            assert (optimizer["lr"], optimizer["warmup_steps"]) == (1e-4, 10_000)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_fine_tuned_arm_tries_the_papers_rates(sweep: str, data_dir: Path) -> None:
    """Features are read by what is random at first, and have a rate of their own."""
    plan = planned(sweep, data_dir)
    assert plan["tune"] == {"factor": "lr", "by": "validation_score"}
    tried: dict[tuple[Any, ...], set[float]] = {}
    for run in plan["runs"]:
        config = run["config"]
        if run["stage"] == "finetune" and config["trainer"]["max_steps"]:
            levels = tuple(sorted((k, v) for k, v in run["factors"].items() if k != "lr"))
            frozen = config["module"]["frozen"]
            arm = (config["data"]["name"], frozen, run["role"], levels)
            tried.setdefault(arm, set()).add(config["optimizer"]["lr"])
    assert any(role == "aa" for _, _, role, _ in tried)
    for (data, frozen, _, _), rates in tried.items():
        assert rates == ({1e-3} if frozen else RATES[data])


@pytest.mark.parametrize("sweep", SWEEPS)
def test_the_rates_that_an_arm_tries_are_all_that_differs_in_it(sweep: str, data_dir: Path) -> None:
    arms: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in planned(sweep, data_dir)["runs"]:
        if run["role"] != "parent":
            levels = tuple(sorted((k, str(v)) for k, v in run["factors"].items() if k != "lr"))
            arms.setdefault((run["role"], run["seed"], levels), []).append(run["config"])
    assert any(len(configs) > 1 for configs in arms.values())
    for configs in arms.values():
        for config in configs:
            same = {**config["optimizer"], "lr": configs[0]["optimizer"]["lr"]}
            assert {**config, "optimizer": same} == configs[0]


def test_the_bilstms_rate_and_squads_windows_are_stated(data_dir: Path) -> None:
    arms = load("bert_text", "paper").arms
    bilstms = [arm for arm in arms if "arm=ltr_bilstm" in arm]
    assert bilstms
    assert all("module.bilstm_lr=3e-3" in arm for arm in bilstms)
    plan = planned("bert_text", data_dir)
    by_id = {run["run_id"]: run["config"] for run in plan["runs"]}
    squads = [config for config in by_id.values() if config["data"]["name"] == "squad"]
    assert len(squads) == len([arm for arm in arms if "data=squad" in arm]) + 1  # A/A
    for config in squads:
        data = config["data"]
        lengths = {by_id[p["run_id"]]["data"]["sequence_length"] for p in config["parents"]}
        assert {data["sequence_length"]} == lengths == {128}
        # Six passes over the questions: three over so short windows, two to a question.
        assert config["trainer"]["max_steps"] == 6 * -(-data["train_size"] // 32)
