"""What relative encodings share: the offset of a key from a query, and a table read at it.

Shapes: B sequences, T tokens, H heads, N rows of a table.
"""

from __future__ import annotations

import torch


def offsets(positions: torch.Tensor) -> torch.Tensor:
    """The key's position minus the query's, [1, 1, T, T] of positions [T], [B, 1, T, T] of [B, T].

    Four dimensions, because a mask of three keeps attention from its fused kernel on a CPU.
    """
    relative = positions[..., None, :] - positions[..., :, None]
    return relative[:, None] if positions.dim() == 2 else relative[None, None]


def look_up(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Row index[...] of a table [N, H] for each head: index [B, 1, T, T] -> [B, H, T, T].

    Through index_select: its backward pass on the CPU takes a tenth of indexing's, a thirtieth of
    F.embedding's.
    """
    values = table.t().index_select(1, index.flatten())
    return values.view(-1, *index[:, 0].shape).transpose(0, 1)


def clipped(positions: torch.Tensor, *, max_distance: int) -> torch.Tensor:
    """The row, 0 ... 2 max_distance, that an offset has in a table of offsets clipped to
    +- max_distance; shaped as `offsets`. ValueError where positions are no whole numbers."""
    if positions.is_floating_point():
        raise ValueError(
            "a table of offsets has a row for each whole distance: expected positions of an "
            f"integer type, not {positions.dtype}"
        )
    return offsets(positions).clamp(-max_distance, max_distance) + max_distance
