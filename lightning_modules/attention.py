"""Multi-head self-attention with the three masks and the position encoding's hooks.

Shapes: B sequences, T tokens, D hidden size, H heads, K = D / H.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.dropout import dropout as drop
from lightning_modules.positions.base import PositionEncoding

ATTENTION_MASKS = ("bidirectional", "causal", "reverse")


def visible(
    attention_mask: str, *, length: int, padding_mask: torch.Tensor | None, device: torch.device
) -> torch.Tensor | None:
    """True where a query may look at a key: [T, T] or [B, 1, T, T]; None when it may everywhere.

    `padding_mask` [B, T] is True at real tokens. A token always sees itself, so that a row of
    padding has something to attend to and gives no NaN; its output is never used.
    """
    mask = None
    if attention_mask != "bidirectional":
        mask = torch.ones(length, length, dtype=torch.bool, device=device)
        mask = mask.tril() if attention_mask == "causal" else mask.triu()
    if padding_mask is None:
        return mask
    keys = padding_mask[:, None, None, :] | torch.eye(length, dtype=torch.bool, device=device)
    return keys if mask is None else keys & mask


def attend_on_cpu(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    *,
    bias: torch.Tensor | None,
    mask: torch.Tensor | None,
    dropout: float,
) -> torch.Tensor:
    """What scaled_dot_product_attention computes on a CPU with dropout or a trained bias, where it
    has no fused kernel: bit for bit, but for the draws of dropout. It would also search every row
    of scores for one that may look nowhere, in three passes over [B, H, T, T]; here a token always
    sees itself."""
    scale = math.sqrt(1 / math.sqrt(q.shape[-1]))
    scores = (q * scale) @ (k.transpose(-2, -1) * scale)
    if bias is not None:
        scores += bias
    if mask is not None:
        scores.masked_fill_(~mask, float("-inf"))
    weights = scores.softmax(-1)
    return (drop(weights, dropout) if dropout else weights) @ v


class Attention(nn.Module):
    """softmax(q k^T / sqrt(K) + bias) v through scaled_dot_product_attention."""

    def __init__(self, *, hidden_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.out = nn.Linear(hidden_size, hidden_size)

    def forward(
        self,
        x: torch.Tensor,
        *,
        position: PositionEncoding,
        positions: torch.Tensor,
        mask: torch.Tensor | None,
        is_causal: bool,
    ) -> torch.Tensor:
        """[B, T, D] -> [B, T, D]. `is_causal` says that `mask` is exactly the causal one."""
        B, T, D = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.num_heads, D // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        q, k = position.rotate(q, k, positions)
        bias = position.bias(q, k, positions, mask)
        dropout = self.dropout if self.training else 0.0
        learned = bias is not None and bias.requires_grad
        if (dropout or learned) and q.device.type == "cpu":
            y = attend_on_cpu(q, k, v, bias=bias, mask=mask, dropout=dropout)
        else:
            if bias is not None:
                mask = bias if mask is None else bias.masked_fill(~mask, float("-inf"))
            # is_causal reaches the fused kernel without materialising a mask.
            fused = is_causal and bias is None
            y = F.scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=None if fused else mask,
                is_causal=fused,
                dropout_p=dropout,
            )
        return self.out(y.transpose(1, 2).reshape(B, T, D))
