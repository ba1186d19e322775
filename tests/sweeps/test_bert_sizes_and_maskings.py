"""BERT's Tables 6 and 8 as sweeps: they plan, and their arms differ in the factor named alone."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.claims import load_claims
from analysis.declaration import load_table
from analysis.judgement import in_plan
from analysis.published import published_table
from analysis.tuning import choose
from sweeps.declaration import load
from sweeps.plan import Plan, make_plan
from tests.datamodules.official import sentence, write_glue, write_vocabulary

PROFILES = ("cpu", "gpu", "paper")
EXAMPLES = 13_000  # more than any profile but `paper`, which takes all, asks for
SIZE = {f"model.{key}" for key in ("num_layers", "hidden_size", "num_heads", "intermediate_size")}
SHARES = {"data.mask_token_share", "data.random_token_share"}
# What is no part of a run, or follows from what is compared.
LABELS = ("variant", "tags", "pretraining", "parents", "residual")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    """Files under the names that the sweeps give, as far as planning reads them."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("corpus", "vocab", "conll2003"):
        (folder / name).mkdir()
    (folder / "corpus/enwiki_subset.jsonl.bz2").write_bytes(b"not read by a plan")
    vocabulary = folder / write_vocabulary(folder)
    vocabulary.rename(folder / "vocab/bert-base-uncased-vocab.txt")
    for task in ("mnli", "mrpc", "sst2"):
        write_glue(folder, task, train=EXAMPLES)
    for name in ("train", "testa"):
        sentences = (sentence(i).split() for i in range(EXAMPLES // 2))
        text = "\n\n".join("\n".join(f"{w} NN I-NP O" for w in words) for words in sentences)
        (folder / f"conll2003/eng.{name}").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def plans(data_dir: Path) -> dict[tuple[str, str], Plan]:
    """By sweep and profile, of one seed; as tables read them, at one of the rates tried."""
    common, no_runs = [f"paths.data={data_dir}"], pd.DataFrame({"run_id": []})
    return {
        (sweep, profile): choose(
            make_plan(load(sweep, profile, seeds=1), common=common, claims=[]), no_runs
        )[0]
        for sweep in ("bert_size", "bert_masking")
        for profile in PROFILES
    }


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    parts = (flat(value[key], f"{prefix}.{key}".strip(".")) for key in value)
    return {key: leaf for part in parts for key, leaf in part.items()}


def differing(runs: list[dict[str, Any]]) -> set[str]:
    """The keys in which the configs of some runs differ, labels aside."""
    configs = [flat({k: v for k, v in run["config"].items() if k not in LABELS}) for run in runs]
    keys = {key for config in configs for key in config}
    return {key for key in keys if any(c.get(key) != configs[0].get(key) for c in configs)}


def by_task(plan: Plan) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """The cells, by every factor but the variant, of one seed of fine-tuning."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in plan["runs"]:
        if run["role"] == "cell" and run["seed"] == 0:
            rest = tuple((k, v) for k, v in run["factors"].items() if k != "variant")
            groups.setdefault(rest, []).append(run)
    return groups


@pytest.mark.parametrize("profile", PROFILES)
def test_sizes_differ_in_the_model_alone(plans, profile: str) -> None:
    groups = by_task(plans["bert_size", profile])
    tasks = [dict(rest) for rest in groups]
    assert tasks == [{"stage": "pretrain"}, *({"task": t} for t in tasks_of_table_6(profile))]
    for runs in groups.values():
        known = SIZE if profile == "paper" else SIZE | {"model.init.std"}
        assert differing(runs) == known
        assert {run["variant"] for run in runs} == {name_of(run) for run in runs}


def tasks_of_table_6(profile: str) -> list[str]:
    return ["mnli", "mrpc", "sst2"] if profile == "paper" else ["mrpc", "mnli", "sst2"]


def name_of(run: dict[str, Any]) -> str:
    model = run["config"]["model"]
    return "l{num_layers}_h{hidden_size}_a{num_heads}".format(**model)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_initial_deviation_is_berts_at_its_width_and_dropout_in_its_recipe_alone(
    plans, profile: str
) -> None:
    for run in plans["bert_size", profile]["runs"]:
        model = run["config"]["model"]
        assert model["dropout"] == (0.1 if profile == "paper" else 0.0)
        scaled = 0.02 * (768 / model["hidden_size"]) ** 0.5
        expected = 0.02 if profile == "paper" else round(scaled / 0.005) * 0.005
        assert model["init"]["std"] == pytest.approx(expected)


@pytest.mark.parametrize("profile", PROFILES)
def test_perplexity_is_of_the_very_models_that_are_fine_tuned(plans, profile: str) -> None:
    runs = {run["run_id"]: run for run in plans["bert_size", profile]["runs"]}
    assert {run["role"] for run in runs.values()} == {"cell", "aa"}  # none is a parent alone
    for run in runs.values():
        for parent in run["parents"]:
            assert runs[parent["run_id"]]["variant"] == run["variant"]
            assert runs[parent["run_id"]]["role"] == run["role"]


def test_the_paper_profile_has_the_published_sizes(plans) -> None:
    cells = [run for run in plans["bert_size", "paper"]["runs"] if run["role"] == "cell"]
    assert list(dict.fromkeys(r["variant"] for r in cells)) == list(
        published_table("bert/table_6").rows
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_maskings_differ_in_the_shares_of_their_pretraining_alone(plans, profile: str) -> None:
    plan = plans["bert_masking", profile]
    groups = by_task(plan)
    assert [dict(rest) for rest in groups] == [
        {"task": "mnli", "layers": "last"},
        {"task": "ner", "layers": "last"},
        {"task": "ner", "layers": "concat_last_four"},
    ]
    runs = {run["run_id"]: run for run in plan["runs"]}
    for cells in groups.values():
        assert [run["variant"] for run in cells] == list(published_table("bert/table_8").rows)
        assert differing(cells) == set()
        pretrained = [runs[run["parents"][0]["run_id"]] for run in cells]
        assert differing(pretrained) == SHARES
        assert not any(run["config"]["data"]["lowercase"] for run in pretrained)
        for run, parent in zip(cells, pretrained, strict=True):
            data = parent["config"]["data"]
            mask, other = (data[key.removeprefix("data.")] for key in sorted(SHARES))
            shares = [round(100 * share) for share in (mask, 1 - mask - other, other)]
            assert shares == [int(n) for n in re.findall(r"\d+", run["variant"])]


@pytest.mark.parametrize("profile", PROFILES)
def test_features_and_fine_tuning_start_from_the_same_models(plans, profile: str) -> None:
    _, tuned, features = by_task(plans["bert_masking", profile]).values()
    for run, other in zip(tuned, features, strict=True):
        assert run["parents"] == other["parents"]
        assert all(k.startswith("module.") or k == "optimizer.lr" for k in differing([run, other]))
        module, model = other["config"]["module"], other["config"]["model"]
        assert (module["frozen"], module["bilstm_layers"]) == (True, 2)
        assert module["bilstm_size"] == model["hidden_size"]


@pytest.mark.parametrize("sweep", ["bert_size", "bert_masking"])
def test_every_claim_is_of_cells_that_some_profile_plans(plans, sweep: str) -> None:
    claims = load_claims(sweep)
    judged = {
        profile: {c["id"] for c in in_plan({**plans[sweep, profile], "claims": claims})[0]}
        for profile in PROFILES
    }
    assert set.union(*judged.values()) == {claim["id"] for claim in claims}
    if sweep == "bert_size":  # each has sizes, and so claims, of its own
        assert not any(a & b for a, b in itertools.combinations(judged.values(), 2))
        assert all(judged.values())


@pytest.mark.parametrize(
    ("sweep", "table"), [("bert_size", "bert_size_table6"), ("bert_masking", "bert_masking_table8")]
)
def test_the_table_names_every_arm_and_shows_every_cell(plans, sweep: str, table: str) -> None:
    columns = load_table(table).columns
    cells = [r for p in PROFILES for r in plans[sweep, p]["runs"] if r["role"] == "cell"]
    assert set(columns[0].options["names"]) == {run["variant"] for run in cells}
    shown = [c.options["where"] for c in columns if c.kind == "mean"]
    factors = [{k: v for k, v in r["factors"].items() if k != "variant"} for r in cells]
    assert all(where in factors for where in shown)
    assert all(levels in shown for levels in factors)
