"""From a validated config to what a run folder holds: ids, labels and the digest of the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.compose import factor_levels
from experiments.identity import arm_id, run_id
from experiments.provenance import sources_digest

SPEC_SCHEMA = 1


def variant_name(levels: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """An arm told as its difference from the baseline: 'position=learned,residual=none'. A factor
    that the baseline does not have, as a later stage's, is always told."""
    changed = [f"{name}={level}" for name, level in levels.items() if baseline.get(name) != level]
    return ",".join(changed) or "baseline"


def make_spec(
    config: dict[str, Any], *, baseline: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """run.json of a validated config; `baseline` are the factor levels its variant is told from."""
    levels = factor_levels(config)
    if not config["variant"]:
        config = {**config, "variant": variant_name(levels, baseline or levels)}
    return {
        "schema": SPEC_SCHEMA,
        "run_id": run_id(config),
        "arm": arm_id(config),
        "sources": sources_digest(),
        "factors": levels,
        "labels": {name: config[name] for name in ("experiment", "variant", "sweep", "tags")},
        "config": config,
    }
