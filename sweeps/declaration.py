"""A sweep's declaration, sweeps/<name>.yaml: which arms and seeds its tables need, per profile.

study: symmetry
experiment: symmetry            # the recipe; as it stands it is the baseline
claims: symmetry                # analysis/claims/<name>.yaml
tables: [symmetry_cells, symmetry_claims]
profiles:
  quick:
    title: "two digits ..."     # stands above every table
    seeds: 5
    overrides: [data.digits=2]  # of every arm
    arms:                       # grids: the product of the listed levels; a level that is a mapping
                                # is several overrides that go together, its key a name and no more
      - {attention_mask: causal, position: [none, learned]}
      - {size: [{model.num_layers: 1, model.hidden_size: 32}, {model.num_layers: 2}]}
    seconds_per_run: 30         # a first guess for `make plan`, before anything was measured; or
                                # one a stage: {pretrain: 60, finetune: 10}
    aa: [{data.task: [a, b]}]   # the baseline's arms that are compared with themselves; default: it
    finetune_seeds: 1           # fine-tuning runs of each pre-training seed
    further_tables: []          # what only this profile has runs for
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.errors import UserError, did_you_mean

FOLDER = Path(__file__).resolve().parent
OPTIONAL = {"overrides", "claims", "tune", "aa", "finetune_seeds", "further_tables"}
PROFILE_KEYS = {"title", "seeds", "arms", "seconds_per_run", *(OPTIONAL - {"claims"})}
SWEEP_KEYS = {"study", "experiment", "claims", "tables", "profiles"}


@dataclass(frozen=True)
class Declaration:
    """One profile of one sweep. `arms` are lists of Hydra overrides, the baseline's is empty.

    Where runs have parents, `seeds` counts those of the pre-training: they are the unit.
    """

    sweep: str
    profile: str
    study: str
    experiment: str
    claims: str
    tables: list[str]
    title: str
    seeds: int
    overrides: list[str]
    arms: list[list[str]]
    seconds_per_run: float | dict[str, float]
    tune: dict[str, str] | None = None
    aa: list[list[str]] = field(default_factory=lambda: [[]])
    finetune_seeds: int = 1


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _only(known: set[str], given: dict[str, Any], where: str) -> None:
    for key in given:
        if key not in known:
            raise UserError(
                f"{where}: {key} is not known: expected {', '.join(sorted(known))}."
                + did_you_mean(key, known)
            )
    for key in known - OPTIONAL:
        if key not in given:
            raise UserError(f"{where}: {key} is missing")


def expand(grids: list[dict[str, Any]]) -> list[list[str]]:
    """Every point of every grid as overrides; a point that two grids share is one arm."""
    arms: list[list[str]] = []
    for grid in grids:
        levels = [value if isinstance(value, list) else [value] for value in grid.values()]
        for point in itertools.product(*levels):
            pairs = zip(grid, point, strict=True)
            arm = [override for key, level in pairs for override in _overrides(key, level)]
            if arm not in arms:
                arms.append(arm)
    return arms


def _overrides(key: str, level: Any) -> list[str]:
    together = level if isinstance(level, dict) else {key: level}
    return [f"{name}={'null' if value is None else value}" for name, value in together.items()]


def load(sweep: str, profile: str, *, seeds: int | None = None) -> Declaration:
    """The declaration of `sweep` at `profile`, with another number of seeds if given."""
    import yaml

    if sweep not in names():
        raise UserError(
            f"SWEEP={sweep} is not known: expected one of {', '.join(names())}."
            + did_you_mean(sweep, names())
        )
    path = FOLDER / f"{sweep}.yaml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    _only(SWEEP_KEYS, declared, path.name)
    profiles = declared["profiles"]
    if profile not in profiles:
        raise UserError(
            f"PROFILE={profile} is not known to {path.name}: expected one of "
            f"{', '.join(profiles)}." + did_you_mean(profile, profiles)
        )
    chosen = profiles[profile]
    _only(PROFILE_KEYS, chosen, f"{path.name}, profile {profile}")
    if seeds is not None and seeds < 1:
        raise UserError(f"SEEDS={seeds} is too few: expected 1 or more")
    return Declaration(
        sweep=sweep,
        profile=profile,
        study=declared["study"],
        experiment=declared["experiment"],
        claims=declared.get("claims", ""),
        tables=[*declared["tables"], *chosen.get("further_tables", [])],
        title=chosen["title"],
        seeds=chosen["seeds"] if seeds is None else seeds,
        overrides=chosen.get("overrides", []),
        arms=expand(chosen["arms"]),
        seconds_per_run=chosen["seconds_per_run"],
        tune=chosen.get("tune"),
        aa=expand(chosen.get("aa", [{}])),
        finetune_seeds=chosen.get("finetune_seeds", 1),
    )
