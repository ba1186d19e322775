"""What a run starts from: its parents' weights, and the vocabulary that they were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from datamodules.vocabulary import Vocabulary
from experiments.errors import UserError
from experiments.weights import load_vocabulary, load_weights


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
        folder, step = runs / parent["run_id"], parent["step"]
        found.append(
            Parent(parent["run_id"], load_weights(folder, step), load_vocabulary(folder, step))
        )
    return found


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
