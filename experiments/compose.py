"""From what the user typed to a validated configuration: Hydra composes, the schemas check.

Every mistake becomes one sentence (`UserError`): unknown keys with the nearest known one, wrong
types, unknown choices, impossible combinations. Nothing heavier than Hydra is imported.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.contents import identity_of
from experiments.components import ROOT, signature, validate
from experiments.config import COMPONENTS, RunConfig
from experiments.data_files import count_training_examples, data_files
from experiments.errors import UserError, did_you_mean
from experiments.lineage import with_parents
from lightning_modules.residual import residual_name, residual_set

CONF = ROOT / "conf"


def choices(group: str) -> list[str]:
    """The options of a config group: the YAML files in conf/<group>/."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def groups() -> list[str]:
    """The config groups: the folders of conf/."""
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The validated config of one run, as nested dicts and lists, from Hydra overrides."""
    if not any(override.lstrip("+~").startswith("experiment=") for override in overrides):
        names = ", ".join(choices("experiment"))
        raise UserError(f"No experiment was named: type experiment=<name>, one of {names}")
    return validated(_hydra_compose(overrides))


@functools.cache  # once is enough, and each time costs as much as reading a config
def register_schema() -> None:
    """Make RunConfig the base that conf/config.yaml names, so that Hydra checks what is typed."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="run_config", node=RunConfig)


def _hydra_compose(overrides: Sequence[str]) -> Any:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    register_schema()
    for override in overrides:
        _check_choice(override)
    try:
        if GlobalHydra.instance().is_initialized():
            return hydra_compose(config_name="config", overrides=list(overrides))
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            return hydra_compose(config_name="config", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_sentence(error, overrides)) from error


def _check_choice(override: str) -> None:
    """What can be said more plainly than Hydra does: no '=' at all, an unknown group's option."""
    group, separator, option = override.lstrip("+").partition("=")
    if not separator and not override.startswith("~"):
        raise UserError(f"'{override}' is no override: type {override}=<value>")
    if not separator or group not in groups() or "," in option:
        return
    if option not in choices(group):
        raise UserError(
            f"{group}={option} is not known: expected one of {', '.join(choices(group))}."
            + did_you_mean(option, choices(group))
        )


def validated(config: Any) -> dict[str, Any]:
    """A composed config checked against the schemas and brought into its one normal form."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        typed = OmegaConf.merge(OmegaConf.structured(RunConfig), _without_hydra(config))
        plain = OmegaConf.to_container(typed, resolve=True, throw_on_missing=True, enum_to_str=True)
    except OmegaConfBaseException as error:
        raise UserError(_sentence(error, ())) from error
    assert isinstance(plain, dict)
    return with_parents(normalised({str(key): value for key, value in plain.items()}))


def _without_hydra(config: Any) -> Any:
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    assert isinstance(plain, dict)
    plain.pop("hydra", None)
    return plain


def normalised(config: dict[str, Any]) -> dict[str, Any]:
    """Spellings removed and combinations checked; see the schemas for the fields."""
    for name in COMPONENTS:
        config[name] = validate(config[name], where=name)
    model, trainer = config["model"], config["trainer"]
    try:
        config["residual"] = residual_set(
            config["residual"],
            num_layers=model["num_layers"],
            placement_seed=config["placement_seed"],
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    _check_files(config)
    _set_budget(trainer, config["data"], Path(config["paths"]["data"]))
    optimizer = config["optimizer"]
    if optimizer["warmup_share"] is not None:
        optimizer["warmup_steps"] = round(optimizer["warmup_share"] * trainer["max_steps"])
    _check_combinations(config)
    return config


def _set_budget(trainer: dict[str, Any], data: dict[str, Any], data_dir: Path) -> None:
    """Steps and examples of the budget, from whichever spelling was given; steps decide."""
    batch_size = data["batch_size"]
    attributes = signature(data["_target_"]).attributes
    if "examples" in attributes:
        data["train_size"] = count_training_examples(data, data_dir)
    elif "train_sizes" in attributes and data["train_size"] is None:
        data["train_size"] = attributes["train_sizes"][data["task"]]
    if trainer["max_steps"] is None and trainer["epochs"] is not None:
        if "train_size" not in data:
            raise UserError(
                f"trainer.epochs={trainer['epochs']}, but data={data['name']} has no train_size: "
                "type trainer.max_steps=<int> or trainer.max_examples=<int>"
            )
        trainer["max_steps"] = trainer["epochs"] * -(-data["train_size"] // batch_size)
    if trainer["max_steps"] is None:
        if trainer["max_examples"] is None:
            raise UserError("No budget: type trainer.max_steps=<int> or trainer.max_examples=<int>")
        trainer["max_steps"] = -(-trainer["max_examples"] // batch_size)
    trainer["max_examples"] = trainer["max_steps"] * batch_size
    trainer["measure_at"] = sorted(set(trainer["measure_at"]))


def _check_files(config: dict[str, Any]) -> None:
    """Whatever the data names below paths.data is there."""
    data = config["data"]
    for name, value in data_files(data).items():
        try:
            identity_of(value, Path(config["paths"]["data"]))
        except ValueError as error:
            raise UserError(f"data.{name}={data[name]}: {error}") from error


def _check_combinations(config: dict[str, Any]) -> None:
    model, trainer = config["model"], config["trainer"]
    positive = {
        "model.num_layers": model["num_layers"],
        "model.num_heads": model["num_heads"],
        "data.batch_size": config["data"]["batch_size"],
        "trainer.evaluate_every": trainer["evaluate_every"],
        "runtime.threads": config["runtime"]["threads"],
    }
    if not config["parents"]:  # a parent's weights can be scored as they are
        positive["trainer.max_steps"] = trainer["max_steps"]
    for key, value in positive.items():
        if value < 1:
            raise UserError(f"{key}={value} is too small: expected 1 or more")
    if config["seed"] < 0:
        raise UserError(f"seed={config['seed']} is negative: expected 0 or more")
    if not 0 <= model["dropout"] < 1:
        raise UserError(f"model.dropout={model['dropout']} is no probability: expected [0, 1)")
    if model["hidden_size"] % model["num_heads"]:
        raise UserError(
            f"model.hidden_size={model['hidden_size']} cannot be split over "
            f"model.num_heads={model['num_heads']}: choose a multiple of it"
        )
    data = config["data"]
    reads_text = "parent_vocabulary" in signature(data["_target_"]).context
    if reads_text and data["vocabulary"] is None and not config["parents"]:
        raise UserError(
            f"data={data['name']} is read with its parent's vocabulary, and this run has none: "
            "type data.vocabulary=<WordPiece vocabulary below paths.data>"
        )
    kind = signature(config["position"]["_target_"])
    module = signature(config["module"]["_target_"])
    masks = {config["attention_mask"], *(parent["attention_mask"] for parent in config["parents"])}
    left_to_right = masks <= {"causal", None}
    if kind.attributes.get("causal_only") and not left_to_right:
        raise UserError(
            f"position={config['position']['name']} is defined for a left-to-right model only: "
            f"type attention_mask=causal, or choose another position"
        )
    if module.attributes.get("causal_only") and not left_to_right:
        raise UserError(
            f"module={config['module']['name']} predicts each token from those before it, which "
            "another mask than the causal one shows to the model: type attention_mask=causal"
        )
    head_size = model["hidden_size"] // model["num_heads"]
    if kind.attributes.get("even_heads") and head_size % 2:
        raise UserError(
            f"position={config['position']['name']} turns pairs of a head's dimensions, and a head "
            f"has {head_size}: type model.hidden_size=<an even multiple of model.num_heads>"
        )
    for mask in sorted(masks - {None}):
        told = {**config["position"], "head_size": head_size, "attention_mask": mask}
        if kind.mistake and (mistake := kind.mistake(**told)):
            raise UserError(mistake)


def factor_levels(config: dict[str, Any]) -> dict[str, Any]:
    """The run's level of each factor its experiment names, under the factor's short name: the last
    part of its key, or what stands before it as in "steps=trainer.max_steps".

    A component's level is its `name`, the residual set's its shortest spelling.
    """
    levels = {}
    for factor in config["factors"]:
        name, _, path = factor.rpartition("=")
        value: Any = config
        for key in path.split("."):
            if not isinstance(value, dict) or key not in value:
                raise UserError(
                    f"factors names {path}, and this run has no such key: type factors=[...] with "
                    "those that it has"
                )
            value = value[key]
        if path == "residual":
            value = residual_name(value, num_layers=config["model"]["num_layers"])
        elif isinstance(value, dict):
            value = value["name"]
        levels[name or path.rpartition(".")[2]] = value
    return levels


def baseline_levels(config: dict[str, Any]) -> dict[str, Any]:
    """The levels of the config's experiment as it stands, its data where the config's lies."""
    recipe = [f"experiment={config['experiment']}", data_override(config["paths"]["data"])]
    return factor_levels(compose(recipe))


def data_override(folder: str) -> str:
    """paths.data as an override, whatever characters are in it."""
    quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
    return f"paths.data='{quoted}'"


@functools.cache
def known_keys() -> list[str]:
    """Every dotted key a user may override, for the did-you-mean."""
    from omegaconf import OmegaConf

    schema = OmegaConf.to_container(OmegaConf.structured(RunConfig))
    assert isinstance(schema, dict)
    components = [(name, option) for name in COMPONENTS for option in choices(name)]
    settings = []
    for name, option in components:
        chosen = OmegaConf.load(CONF / name / f"{option}.yaml")
        settings += [f"{name}.{key}" for key in signature(chosen._target_).settings]
    return [*groups(), *_leaves(schema), *settings]


def _leaves(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield prefix + str(key)
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")


def _sentence(error: Exception, overrides: Sequence[str]) -> str:
    """Hydra's and OmegaConf's many-lined errors as one sentence that says what to type."""
    cause = error.__cause__ or error
    text = str(error)
    unknown = re.search(r"Could not override '([^']+)'", text) or re.search(
        r"Key '([^']+)' (?:is )?not in", text
    )
    full_key = getattr(cause, "full_key", None) or getattr(error, "full_key", None)
    first = str(cause).splitlines()[0] if str(cause) else text.splitlines()[0]
    if unknown and "not in" in f"{text}{cause}":
        key = unknown[1]
        typed = [o.partition("=")[0].lstrip("+~") for o in overrides]
        key = next((name for name in typed if name.endswith(key)), key)
        if key in known_keys():
            return f"{key} is not named by the chosen file in conf/: type +{key}=<value>"
        near = did_you_mean(key, known_keys())
        return f"{key} is not a key of the configuration.{near} `--help` lists the keys"
    if full_key:
        return f"{full_key}: {first}"
    return first
