"""What a run starts from: its parents' weights, and the vocabulary that they were trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

from datamodules.contents import find
from datamodules.downstream.examples import find_file
from datamodules.vocabulary import Vocabulary
from experiments.errors import UserError
from experiments.weights import load_vocabulary, load_weights
from lightning_modules.huggingface import load_bert


class Parent(NamedTuple):
    """name: for messages; vocabulary: None where the weights know of none."""

    name: str
    state: dict[str, torch.Tensor]
    vocabulary: Vocabulary | None


def read_parents(config: dict[str, Any], runs: Path | None) -> list[Parent]:
    """The parents of a validated config, in its order; `runs` is the folder that holds them."""
    found = []
    for parent in config["parents"]:
        assert runs is not None, "a run with parents is built where their weights are"
        if parent["folder"]:
            path = find(parent["folder"], Path(config["paths"]["data"]))
            found.append(imported(path, config["model"]))
            continue
        folder, step = runs / parent["run_id"], parent["step"]
        found.append(
            Parent(parent["run_id"], load_weights(folder, step), load_vocabulary(folder, step))
        )
    return found


def imported(folder: Path, model: dict[str, Any]) -> Parent:
    """Weights and vocabulary of a folder in Hugging Face's layout; UserError unless they are of a
    model of these settings."""
    from datamodules.text.wordpiece import read_vocabulary  # brings the library `tokenizers`

    bert = load_bert(folder)
    theirs = {
        "num_layers": bert.model.num_layers,
        "hidden_size": bert.model.hidden_size,
        "num_heads": bert.model.num_heads,
        "activation": bert.model.activation,
        "layer_norm_eps": bert.model.norm.eps,
        "norm": "post",
    }
    for name, value in theirs.items():
        if model[name] != value:
            raise UserError(
                f"model.{name}={model[name]}, but the weights in {folder} are of a model with "
                f"{value}: type model.{name}={value}, or model=<the size> where conf/model/ has it"
            )
    tokenizer = folder / "tokenizer_config.json"
    settings = json.loads(tokenizer.read_text(encoding="utf-8")) if tokenizer.is_file() else {}
    vocabulary = Vocabulary(
        read_vocabulary(find_file(folder, "vocab.txt")), settings.get("do_lower_case", True)
    )
    return Parent(str(folder), bert.state(), vocabulary)


def check_vocabulary(vocabulary: Vocabulary | None, parents: list[Parent]) -> None:
    """UserError unless this run's data and all its parents mean the same by every token."""
    for parent in parents:
        if vocabulary is None or parent.vocabulary is None:
            continue
        if difference := vocabulary.difference(parent.vocabulary):
            raise UserError(
                f"the parent {parent.name} was trained on another vocabulary than this run's data "
                f"has: {difference}; type data.vocabulary=null to take the parent's where the data "
                "has that setting, or pre-train on the data's"
            )
