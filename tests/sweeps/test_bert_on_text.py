"""BERT's sweeps on real text: arms share the parents they should and differ in one thing."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.claims import load_claims
from analysis.judgement import in_plan
from analysis.tuning import choose
from experiments.compose import compose
from experiments.identity import identity, run_id
from experiments.lineage import parent_configs
from sweeps.declaration import load
from sweeps.plan import Plan, make_plan
from tests.datamodules.official import sentence, write_glue


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many examples as the sweeps ask for; the text is never read here, only its contents."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("corpus", "vocab", "conll2003"):
        (folder / name).mkdir()
    line = json.dumps({"text": sentence(1)}) + "\n"
    (folder / "corpus/enwiki_subset.jsonl.bz2").write_text(line, encoding="utf-8")
    (folder / "vocab/bert-base-uncased-vocab.txt").write_text("[PAD]\n", encoding="utf-8")
    write_glue(folder, "mnli", train=13_000, dev=3100)
    write_glue(folder, "mrpc", train=400)  # of the experiment as it stands
    for part, count in (("train", 4600), ("testa", 5)):
        words = "".join(f"w{i} NN I-NP O\n\n" for i in range(count))
        (folder / f"conll2003/eng.{part}").write_text(words, encoding="utf-8")
    return folder


@functools.cache
def planned(sweep: str, profile: str, data_dir: Path) -> Plan:
    """As tables read it: at one of the rates that are tried."""
    declared = load(sweep, profile, seeds=2)
    plan = make_plan(declared, common=[f"paths.data={data_dir}"], claims=[])
    return choose(plan, pd.DataFrame({"run_id": []}))[0]


def cells(plan: Plan) -> list[dict[str, Any]]:
    return [run for run in plan["runs"] if run["role"] == "cell"]


def differences(one: Any, other: Any, path: str = "") -> set[str]:
    """The dotted keys in which two nested mappings differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return {d for key in one for d in differences(one[key], other[key], f"{path}.{key}")}
    return set() if one == other else {path[1:]}


PROFILES = ["cpu", "gpu", "paper"]


@pytest.mark.parametrize("profile", PROFILES)
def test_table_7_is_one_pretraining_a_seed_with_a_cased_vocabulary(
    profile: str, data_dir: Path
) -> None:
    plan = planned("bert_features", profile, data_dir)
    parents = {
        (run["config"]["pretraining"]["seed"], run["parents"][0]["run_id"]) for run in cells(plan)
    }
    assert {seed for seed, _ in parents} == {0, 1}
    assert len(parents) == 2
    by_id = {run["run_id"]: run for run in plan["runs"]}
    assert not any(by_id[parent]["config"]["data"]["lowercase"] for _, parent in parents)
    assert all(run["config"]["data"]["test_part"] == "testa" for run in cells(plan))


@pytest.mark.parametrize("profile", PROFILES)
def test_table_7s_features_differ_in_the_layers_that_are_read_and_in_nothing_else(
    profile: str, data_dir: Path
) -> None:
    plan = planned("bert_features", profile, data_dir)
    first = {run["variant"]: identity(run["config"]) for run in cells(plan) if run["seed"] == 0}
    tuned = first.pop("bert")
    assert not tuned["module"]["frozen"]
    layers = ["embeddings", "second_to_last", "last", "sum_last_four", "concat_last_four"]
    # Of 4 layers, the last four are all.
    layers += ["sum_all"] if tuned["model"]["num_layers"] > 4 else []
    assert list(first) == [f"features_{name}" for name in layers]
    last = first["features_last"]
    for name, features in first.items():
        assert differences(features, last) <= {"module.layers"}
        assert features["module"]["layers"] == name.removeprefix("features_")
        assert features["module"]["frozen"]
        assert features["module"]["bilstm_layers"] == 2
        assert features["module"]["bilstm_size"] == features["model"]["hidden_size"]
    assert differences(last, tuned) == {
        *("module.frozen", "module.bilstm_layers", "module.bilstm_size"),
        "optimizer.lr",
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_figure_5_reads_kept_weights_from_one_run_and_decayed_ones_from_their_own(
    profile: str, data_dir: Path
) -> None:
    plan = planned("bert_steps", profile, data_dir)
    by_id = {run["run_id"]: run for run in plan["runs"]}
    whole: dict[tuple[str, int], set[str]] = {}
    for run in cells(plan):
        (parent,) = run["parents"]
        factors, steps = run["factors"], by_id[parent["run_id"]]["config"]["trainer"]["max_steps"]
        assert parent["step"] == factors["step"]
        assert by_id[parent["run_id"]]["variant"] == factors["variant"]
        if factors["decayed"]:
            assert steps == factors["step"]
        else:
            whole.setdefault((factors["variant"], run["seed"]), set()).add(parent["run_id"])
    assert whole.keys() == {("bert", 0), ("bert", 1), ("ltr", 0), ("ltr", 1)}
    assert all(len(parents) == 1 for parents in whole.values())
    longest = {by_id[p]["config"]["trainer"]["max_steps"] for ids in whole.values() for p in ids}
    assert longest == {max(run["factors"]["step"] for run in cells(plan))}


@pytest.mark.parametrize("profile", PROFILES)
def test_figure_5s_points_of_one_variant_differ_in_the_weights_that_they_start_from_alone(
    profile: str, data_dir: Path
) -> None:
    plan = planned("bert_steps", profile, data_dir)
    arms: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in cells(plan):
        if run["seed"] == 0:
            key = (run["factors"]["variant"], run["factors"]["task"])
            arms.setdefault(key, []).append(identity(run["config"]))
    assert len(arms) == 4
    starts = []
    for points in arms.values():
        assert len(points) == 5
        assert all(differences(point, points[0]) <= {"parents"} for point in points)
        starts.append(sorted((p["parents"][0]["run_id"], p["parents"][0]["step"]) for p in points))
    # MNLI and the held-out loss are measured on the same weights.
    assert sorted(starts[:2]) == sorted(starts[2:])


@pytest.mark.parametrize("objective", ["bert", "ltr"])
def test_figure_5s_whole_pretrainings_are_those_of_table_5(objective: str, data_dir: Path) -> None:
    plan = planned("bert_steps", "cpu", data_dir)
    recipe = ["experiment=bert_text_pretrain", f"objective={objective}", f"paths.data={data_dir}"]
    alone = compose(recipe)
    (found,) = [run for run in plan["runs"] if run["run_id"] == run_id(alone)]
    assert found["role"] == "parent"


@pytest.mark.parametrize("profile", PROFILES)
def test_held_out_loss_is_scored_on_what_the_pretraining_was_tested_on(
    profile: str, data_dir: Path
) -> None:
    plan = planned("bert_steps", profile, data_dir)
    scored = [run for run in cells(plan) if run["factors"]["task"] == "corpus"]
    assert scored
    for run in scored:
        (parent,) = parent_configs(run["config"])
        assert run["config"]["trainer"]["max_steps"] == 0
        mine, theirs = run["config"]["data"], parent["data"]
        assert differences(mine, theirs) <= {"batch_size"}
        assert run["config"]["module"] == parent["module"]


def test_every_claim_on_figure_5_is_of_cells_that_one_profile_plans(data_dir: Path) -> None:
    claims = load_claims("bert_steps")
    judged = [
        {claim["id"] for claim in in_plan({**plan, "claims": claims})[0]}
        for plan in (planned("bert_steps", profile, data_dir) for profile in PROFILES)
    ]
    assert all(judged)
    assert sorted(itertools.chain(*judged)) == sorted(claim["id"] for claim in claims)


GPU_PRETRAININGS = 4  # cells of the profile: bert, no_nsp, ltr, rtl


@functools.cache
def on_gpu(data_dir: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The configs of the profile's pre-training cells, and of its arms on MRPC."""
    declared = load("bert_text", "gpu")
    recipe = [f"experiment={declared.experiment}", *declared.overrides, f"paths.data={data_dir}"]
    mrpc = [arm for arm in declared.arms if "data.task=mrpc" in arm]
    arms = [*declared.arms[:GPU_PRETRAININGS], *mrpc]
    configs = [compose([*recipe, *arm]) for arm in arms]
    return configs[:GPU_PRETRAININGS], configs[GPU_PRETRAININGS:]


def test_the_gpus_pretraining_cells_are_what_its_arms_start_from(data_dir: Path) -> None:
    pretraining, tuned = on_gpu(data_dir)
    names = ["bert", "no_nsp", "ltr", "rtl"]
    by_id = {run_id(config): config["variant"] for config in pretraining}
    assert list(by_id.values()) == names
    starts = {
        config["variant"]: [by_id[parent["run_id"]] for parent in config["parents"]]
        for config in tuned
    }
    alone = {name: [name] for name in names}
    assert starts == {**alone, "ltr_bilstm": ["ltr"], "ltr_rtl": ["ltr", "rtl"]}


def test_figure_5_on_the_gpu_shares_what_table_5_trains(data_dir: Path) -> None:
    """Its whole pre-trainings, and MNLI fine-tuned from their last step."""
    declared = load("bert_text", "gpu")
    recipe = [f"experiment={declared.experiment}", *declared.overrides, f"paths.data={data_dir}"]
    arms = [arm for arm in declared.arms if "data.task=mnli" in arm]
    table_5 = {
        run_id(compose([*recipe, *arm])) for arm in [*declared.arms[:GPU_PRETRAININGS], *arms]
    }
    runs = [run for run in planned("bert_steps", "gpu", data_dir)["runs"] if run["seed"] == 0]
    last = max(run["factors"].get("step", 0) for run in runs)
    whole = [run for run in runs if run["config"]["trainer"]["max_steps"] == last]
    tuned = [
        run for run in runs if run["factors"].items() >= {"task": "mnli", "step": last}.items()
    ]
    for shared in (whole, tuned):
        assert [run["variant"] for run in shared] == ["bert", "ltr"]
        assert {run["run_id"] for run in shared} <= table_5


def test_figure_5_on_the_gpu_fits_25_minutes_at_the_prices_it_states(data_dir: Path) -> None:
    declared = load("bert_steps", "gpu")
    assert isinstance(declared.seconds_per_run, dict)
    plan = planned("bert_steps", "gpu", data_dir)  # of two seeds
    seconds = sum(declared.seconds_per_run[run["stage"]] for run in plan["runs"])
    assert seconds * declared.seeds / 2 / 6 <= 25 * 60  # six side by side


def test_the_gpu_profile_is_large_half_precision_and_compiled(data_dir: Path) -> None:
    for config in itertools.chain(*on_gpu(data_dir)):
        model = config["model"]
        assert (model["num_layers"], model["hidden_size"]) == (4, 512)
        assert config["trainer"]["precision"] == "bfloat16"
        assert config["runtime"]["compile"]


def test_the_gpu_profile_fits_25_minutes_at_the_prices_it_states() -> None:
    declared = load("bert_text", "gpu")
    assert isinstance(declared.seconds_per_run, dict)
    assert declared.seeds >= 3
    pretraining = sum("experiment=bert_text_pretrain" in arm for arm in declared.arms)
    assert pretraining == GPU_PRETRAININGS
    # As many seeds of the A/A row again.
    runs = {
        stage: declared.seeds
        * sum(
            ("experiment=bert_text_pretrain" in arm) == own for arm in declared.arms + declared.aa
        )
        for stage, own in (("pretrain", True), ("finetune", False))
    }
    assert runs == {"pretrain": 15, "finetune": 96}
    seconds = sum(count * declared.seconds_per_run[stage] for stage, count in runs.items())
    side_by_side = 6  # as the profile's comment says
    assert seconds / side_by_side <= 25 * 60
