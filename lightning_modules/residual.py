"""Residual connections as a set of sublayers: short names, counts with a placement, and back.

A model of L layers has 2L sublayers, in this order: 0.attention, 0.mlp, 1.attention, 1.mlp, ...
Every spelling of a set is normalised to the same tuple of such names. Free of torch, since
configurations are validated before anything heavy is imported.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

SUBLAYERS = ("attention", "mlp")
SPELLINGS = (
    "all, none, attention, mlp, first<n>, last<n>, random<n> or a list like [0.attention,1.mlp]"
)


def all_sublayers(num_layers: int) -> list[str]:
    """The 2L sublayer names in the order in which the model applies them."""
    return [f"{layer}.{kind}" for layer in range(num_layers) for kind in SUBLAYERS]


def residual_set(
    residual: str | Sequence[str], *, num_layers: int, placement_seed: int = 0
) -> list[str]:
    """The sublayers that keep their residual connection, in model order.

    `placement_seed` draws `random<n>`; it belongs to the level, never to a run's seed.
    Raises ValueError for an unknown spelling, an unknown sublayer or a count above 2L.
    """
    sublayers = all_sublayers(num_layers)
    if isinstance(residual, list | tuple):
        unknown = [name for name in residual if name not in sublayers]
        if unknown:
            raise ValueError(
                f"residual={unknown[0]} is no sublayer of a model with {num_layers} layers: "
                f"expected names among {', '.join(sublayers)}"
            )
        return [name for name in sublayers if name in residual]
    residual = str(residual)
    if residual in ("all", "none"):
        return sublayers if residual == "all" else []
    if residual in SUBLAYERS:
        return [name for name in sublayers if name.endswith(residual)]
    match = re.fullmatch(r"(first|last|random)(\d+)", residual)
    if match is None:
        raise ValueError(f"residual={residual} is not known: expected {SPELLINGS}")
    placement, count = match[1], int(match[2])
    if count > len(sublayers):
        raise ValueError(
            f"residual={residual} asks for {count} residual connections, but {num_layers} layers "
            f"have {len(sublayers)}"
        )
    if placement == "first":
        return sublayers[:count]
    if placement == "last":
        return sublayers[len(sublayers) - count :]
    kept = random.Random(placement_seed).sample(sublayers, count)
    return [name for name in sublayers if name in kept]


def residual_name(kept: Sequence[str], *, num_layers: int) -> str:
    """The shortest name of a set: the first spelling that gives it, else its members joined."""
    counts = range(2 * num_layers + 1)
    spellings = ["all", "none", *SUBLAYERS]
    spellings += [f"first{n}" for n in counts] + [f"last{n}" for n in counts]
    for spelling in spellings:
        if residual_set(spelling, num_layers=num_layers) == list(kept):
            return spelling
    return "+".join(kept)
