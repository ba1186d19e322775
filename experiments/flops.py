"""Floating-point operations of a training step, counted where it runs: two for each multiplication
in a matrix product, forward and backward. What is elementwise is left out, as are the optimiser and
the inside of an LSTM, whose kernels show no product to count.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def _added_in_place(_: list[int], a: list[int], b: list[int], **others: Any) -> int:
    """Of sum += a [M, K] @ b [K, N], which torch's own table lacks."""
    return 2 * a[0] * a[1] * b[1]


FURTHER = {torch.ops.aten.addmm_: _added_in_place}


def flops_per_step(module: Any, data: Any) -> int:
    """Of one training step on the first batch, padding included; the gradients are cleared.

    The count is the same on every machine: attention is computed as the two matrix products that
    a fused kernel would hide, all T x T scores of a causal mask among them.
    """
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False, custom_mapping=FURTHER) as counter,
    ):
        module.training_step(data.batch(0), 0).backward()
    module.zero_grad()
    return counter.get_total_flops()
