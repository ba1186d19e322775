"""A parent's weights into the parts of a model that starts from them."""

from __future__ import annotations

import torch
from torch import nn

POSITION_TABLE = "position.table"  # of learned positions, [T, D]


def load_part(module: nn.Module, state: dict[str, torch.Tensor], prefix: str) -> None:
    """The values below the prefix into the module: all of its parameters, in their shapes. A task
    of shorter sequences takes the first of the parent's positions."""
    for name, parameter in module.named_parameters():
        value = state.get(prefix + name)
        if value is not None and name == POSITION_TABLE:
            value = value[: len(parameter)]
        if value is None or value.shape != parameter.shape:
            found = "missing" if value is None else f"of shape {tuple(value.shape)}"
            raise ValueError(
                f"the parent's {prefix}{name} is {found}, expected {tuple(parameter.shape)}: "
                "it was pre-trained as another model, or for other sequences"
            )
        with torch.no_grad():
            parameter.copy_(value)
