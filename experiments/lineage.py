"""Runs that start from other runs: a fine-tuning run names its parents by how they are pre-trained.

    pretraining: {experiment: bert_pretrain, overrides: [trainer.max_steps=2000]}
    parents:
      - {recipe: [objective=ltr]}

composes the parent's config from the experiment, its recipe and the common overrides, with the
model, the position encoding and the seed of the run itself (`own: [position]` leaves the position
encoding to the recipe). It is a run like any other: whoever asks for it first trains it, and
everyone else finds it. `pretraining.step` starts from it as it was at that step, and with
`pretraining.decayed` from one that ends there.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datamodules.contents import identity_of
from experiments.errors import UserError, did_you_mean
from experiments.identity import arm_id, run_id
from experiments.weights import kept_steps

# A parent has these of its child: its weights would not fit another model.
SHARED = ("model", "position", "residual", "wandb", "tracking", "paths")
RUNTIME = ("device", "threads", "workers", "compile", "checkpoint_seconds", "checkpoint_steps")


def with_parents(config: dict[str, Any]) -> dict[str, Any]:
    """The validated config with its recipes resolved to runs; `pretraining.seed` is filled in."""
    if config["stage"] != "finetune":
        return config
    config = copy.deepcopy(config)
    if config["pretraining"]["seed"] is None:
        config["pretraining"]["seed"] = config["seed"]
    for parent in config["parents"]:
        if parent["attention_mask"] is None:
            parent["attention_mask"] = config["attention_mask"]
        if parent["folder"]:
            _import(parent, config)
            continue
        made = parent_config(config, parent)
        last, step = made["trainer"]["max_steps"], config["pretraining"]["step"]
        kept = kept_steps(last, keep=made["runtime"]["keep_weights"])
        if parent["step"] is None:
            parent["step"] = last if step is None else round(step * parent["steps_factor"])
        if parent["step"] not in kept:
            raise UserError(
                f"parents: step={parent['step']} is not among the steps at which the pre-training "
                f"keeps its weights ({', '.join(map(str, kept)) or 'none'}): name one of these, or "
                "raise runtime.keep_weights of the pre-training"
            )
        parent["run_id"], parent["arm"] = run_id(made), arm_id(made)
    return config


def with_seed(
    config: dict[str, Any], seed: int, *, pretraining_seed: int | None = None
) -> dict[str, Any]:
    """The same arm with another seed, its own and (the same one, unless given) its parents'."""
    config = {**copy.deepcopy(config), "seed": seed}
    if config["stage"] == "finetune":
        config["pretraining"]["seed"] = pretraining_seed
    return with_parents(config)


def parent_config(config: dict[str, Any], parent: dict[str, Any]) -> dict[str, Any]:
    """The validated config of a parent's run."""
    from experiments.compose import data_override, normalised

    pretraining = config["pretraining"]
    if not pretraining["experiment"]:
        raise UserError("parents: no experiment trains them: type pretraining.experiment=<name>")
    # Its data lies where the run's own does.
    overrides = (
        data_override(config["paths"]["data"]),
        *parent["recipe"],
        *pretraining["overrides"],
    )
    made = _composed(pretraining["experiment"], overrides)
    budget = pretraining["step"] if pretraining["decayed"] else made["trainer"]["max_steps"]
    if budget is None:
        raise UserError(
            "pretraining.decayed=true ends the parents' schedule at pretraining.step, which is not "
            "given: type pretraining.step=<int>"
        )
    steps = round(budget * parent["steps_factor"])
    if steps != made["trainer"]["max_steps"]:
        overrides = (*overrides, f"trainer.max_steps={steps}")
        made = _composed(pretraining["experiment"], overrides)
    for name in pretraining["own"]:
        if name not in SHARED:
            raise UserError(
                f"pretraining.own={name} is nothing that a parent shares with its child: expected "
                f"some of {', '.join(SHARED)}." + did_you_mean(name, SHARED)
            )
    shared = {key: config[key] for key in SHARED if key not in pretraining["own"]}
    made = {**copy.deepcopy(made), **copy.deepcopy(shared)}
    made["runtime"] |= {key: config["runtime"][key] for key in RUNTIME}
    made["seed"] = pretraining["seed"] + parent["seed_offset"]
    return normalised(made)


def parent_configs(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The validated config of each parent that is a run, in the order in which they are named."""
    for parent in config["parents"]:
        if not parent["folder"]:
            yield parent_config(config, parent)


def _import(parent: dict[str, Any], config: dict[str, Any]) -> None:
    """What stands for a parent that no run here trained: its contents."""
    try:
        contents = identity_of(parent["folder"], Path(config["paths"]["data"]))
    except ValueError as error:
        raise UserError(f"parents: folder={parent['folder']}: {error}") from error
    parent["run_id"] = parent["arm"] = contents[:16]
    parent["step"] = 0


@functools.cache
def _composed(experiment: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    from experiments.compose import compose

    return compose([f"experiment={experiment}", *overrides])
