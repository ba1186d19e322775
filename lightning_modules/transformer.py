"""One Transformer encoder for every study, BERT-Base included; each switch in one place.

    model = Transformer(vocab_size=12, max_length=11, num_layers=2, hidden_size=64, num_heads=4,
                        intermediate_size=256, attention_mask="causal", residual=["0.mlp"],
                        position=PositionEncoding(hidden_size=64, num_heads=4, max_length=11))
    logits = model(tokens)                      # [B, T, V]

Shapes: B sequences, T tokens, D hidden size, V vocabulary. The model holds no state beyond its
parameters: positions, segments and padding are inputs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.attention import ATTENTION_MASKS, Attention, visible
from lightning_modules.dropout import Dropout
from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.position_ids import consecutive

ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}


class Trace(NamedTuple):
    """What the layers compute: hidden[0] is the embedding output, hidden[l] layer l's output and
    attention[l - 1] what layer l's attention adds; each [B, T, D]."""

    hidden: list[torch.Tensor]
    attention: list[torch.Tensor]


class MLP(nn.Module):
    """Linear, activation, linear, applied to each token."""

    def __init__(self, *, hidden_size: int, intermediate_size: int, activation: str) -> None:
        super().__init__()
        self.up = nn.Linear(hidden_size, intermediate_size)
        self.out = nn.Linear(intermediate_size, hidden_size)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.activation(self.up(x)))


class Block(nn.Module):
    """Attention and MLP, each with or without its residual connection, pre- or post-norm."""

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        intermediate_size: int,
        activation: str,
        norm: str,
        layer_norm_eps: float,
        dropout: float,
        keep_attention: bool,
        keep_mlp: bool,
    ) -> None:
        super().__init__()
        self.attention = Attention(hidden_size=hidden_size, num_heads=num_heads, dropout=dropout)
        self.mlp = MLP(
            hidden_size=hidden_size, intermediate_size=intermediate_size, activation=activation
        )
        self.attention_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.mlp_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.dropout = Dropout(dropout)
        self.pre_norm = norm == "pre"
        self.keep_attention = keep_attention
        self.keep_mlp = keep_mlp

    def forward(self, x: torch.Tensor, **context: object) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, T, D] -> the block's output and its attention's output, both [B, T, D]."""
        attended = self.attention(self.attention_norm(x) if self.pre_norm else x, **context)
        y = self.dropout(attended)
        x = x + y if self.keep_attention else y
        x = x if self.pre_norm else self.attention_norm(x)
        y = self.dropout(self.mlp(self.mlp_norm(x) if self.pre_norm else x))
        x = x + y if self.keep_mlp else y
        return (x if self.pre_norm else self.mlp_norm(x)), attended


class Transformer(nn.Module):
    """Embeddings, blocks and (optionally) an output embedding.

    residual: the sublayers that keep their residual connection, as "<layer>.attention|mlp".
    norm: "pre" ends in a final LayerNorm; "post" (BERT) has one after the embeddings instead.
    num_segments: 0 for none, 2 for BERT's sentence A and B.
    output: with a matrix to the vocabulary, tied to the token embedding or its own.
    """

    version = 1

    def __init__(
        self,
        *,
        vocab_size: int,
        max_length: int,
        num_layers: int,
        hidden_size: int,
        num_heads: int,
        intermediate_size: int,
        attention_mask: str,
        residual: Collection[str],
        position: PositionEncoding,
        activation: str = "gelu",
        norm: str = "pre",
        layer_norm_eps: float = 1e-5,
        dropout: float = 0.0,
        num_segments: int = 0,
        output: bool = True,
        tie_embeddings: bool = False,
    ) -> None:
        super().__init__()
        assert attention_mask in ATTENTION_MASKS
        self.attention_mask = attention_mask
        self.max_length = max_length
        self.num_layers = num_layers
        self.hidden_size = hidden_size
        self.num_heads = num_heads
        self.intermediate_size = intermediate_size
        self.activation = activation
        self.tokens = nn.Embedding(vocab_size, hidden_size)
        self.segments = nn.Embedding(num_segments, hidden_size) if num_segments else None
        self.position = position
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(
                hidden_size=hidden_size,
                num_heads=num_heads,
                intermediate_size=intermediate_size,
                activation=activation,
                norm=norm,
                layer_norm_eps=layer_norm_eps,
                dropout=dropout,
                keep_attention=f"{layer}.attention" in residual,
                keep_mlp=f"{layer}.mlp" in residual,
            )
            for layer in range(num_layers)
        )
        # Post-norm blocks end in a norm of their own, but their first block's input needs one.
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.pre_norm = norm == "pre"
        self.output = nn.Linear(hidden_size, vocab_size, bias=False) if output else None
        if self.output is not None and tie_embeddings:
            self.output.weight = self.tokens.weight

    @property
    def pooling(self) -> str:
        """The token that has seen the whole sequence: "last" from left to right, else "first"."""
        return "last" if self.attention_mask == "causal" else "first"

    def embed(
        self, tokens: torch.Tensor, segments: torch.Tensor | None, positions: torch.Tensor
    ) -> torch.Tensor:
        """Token, segment and position embeddings, summed: [B, T, D]."""
        x = self.tokens(tokens)
        if self.segments is not None:
            x = x + self.segments(torch.zeros_like(tokens) if segments is None else segments)
        x = self.position.embed(x, positions)
        return self.dropout(x if self.pre_norm else self.norm(x))

    def trace(
        self,
        tokens: torch.Tensor,
        *,
        segments: torch.Tensor | None = None,
        padding_mask: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> Trace:
        """Every layer's output for tokens [B, T]; before the final norm of a pre-norm model."""
        length = tokens.shape[1]
        if positions is None:
            positions = consecutive(length, tokens.device)
        mask = visible(
            self.attention_mask, length=length, padding_mask=padding_mask, device=tokens.device
        )
        is_causal = self.attention_mask == "causal" and padding_mask is None
        hidden, attention = [self.embed(tokens, segments, positions)], []
        for block in self.blocks:
            x, attended = block(
                hidden[-1],
                position=self.position,
                positions=positions,
                mask=mask,
                is_causal=is_causal,
            )
            hidden.append(x)
            attention.append(attended)
        return Trace(hidden, attention)

    def compile(self, **options: Any) -> None:
        """Compile what every pass goes through, whichever method it enters by: `trace`. Options are
        torch.compile's."""
        self.trace = torch.compile(self.trace, **options)  # type: ignore[method-assign]

    def encode(self, tokens: torch.Tensor, **inputs: torch.Tensor | None) -> torch.Tensor:
        """Final hidden states [B, T, D] of tokens [B, T]; inputs as in `trace`.

        padding_mask [B, T] is True at real tokens; segments [B, T]; positions [T] or [B, T].
        """
        return self.layers(tokens, **inputs)[-1]

    def layers(self, tokens: torch.Tensor, **inputs: torch.Tensor | None) -> list[torch.Tensor]:
        """Every layer's output [B, T, D], the embedding output first and the last one final."""
        hidden = self.trace(tokens, **inputs).hidden
        return [*hidden[:-1], self.norm(hidden[-1])] if self.pre_norm else hidden

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Vocabulary scores [..., V] of final hidden states [..., D]."""
        assert self.output is not None, "this Transformer was built without an output embedding"
        return self.output(hidden)

    def forward(self, tokens: torch.Tensor, **inputs: torch.Tensor | None) -> torch.Tensor:
        """Vocabulary scores [B, T, V] of tokens [B, T]; inputs as in `trace`."""
        return self.logits(self.encode(tokens, **inputs))
