"""What a position encoding derives from the positions alone, computed once for all layers.

    cos, sin = self.memo(positions, q.dtype, lambda: self.tables(positions, q.dtype))

Every layer of a pass hands the same tensor of positions to the one encoding it shares, and so does
every pass of the same length (`position_ids.consecutive`). The memo holds the last value only, and
only while that very tensor is unchanged, so it can never alter a result.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch

Value = TypeVar("Value")


class Memo:
    """memo(positions, key, compute) -> compute(), or the value it gave for the same arguments.

    `compute` must depend on nothing but `positions` and `key`; its tensors carry no gradient.
    """

    def __init__(self) -> None:
        self.positions: torch.Tensor | None = None
        self.version: tuple[int, Hashable] | None = None
        self.value: Any = None

    def __call__(
        self, positions: torch.Tensor, key: Hashable, compute: Callable[[], Value]
    ) -> Value:
        # A compiled graph finds the common part of its layers by itself; an inference tensor does
        # not count its changes.
        if torch.compiler.is_compiling() or positions.is_inference():
            return compute()
        version = (positions._version, key)
        if positions is not self.positions or version != self.version:
            # What an evaluation leaves here, the next training step must be able to save.
            with torch.inference_mode(False), torch.no_grad():
                value = compute()
            self.positions, self.version, self.value = positions, version, value
        return self.value
