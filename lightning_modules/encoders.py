"""One or more Transformers side by side, their final states concatenated per token.

A left-to-right and a right-to-left model together see both sides of every token, each in its own
layers: the ELMo-like alternative that the BERT paper argues against (section 5.1). Two
left-to-right models of different seeds have the same width and cost, and see one side only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from lightning_modules.transformer import Transformer


class Encoders(nn.Module):
    """encode(tokens) -> [B, T, sum of the widths]; each encoder keeps its own attention mask.

    sizes, depths: the widths and numbers of layers in order. poolings: for each, the end of the
    sequence that has seen all of it.
    """

    def __init__(self, encoders: Sequence[Transformer]) -> None:
        super().__init__()
        assert encoders
        self.encoders = nn.ModuleList(encoders)
        self.sizes = [encoder.hidden_size for encoder in encoders]
        self.depths = [encoder.num_layers for encoder in encoders]
        self.poolings = [encoder.pooling for encoder in encoders]

    @property
    def hidden_size(self) -> int:
        return sum(self.sizes)

    def compile(self, **options: Any) -> None:
        """Compile each encoder; options are torch.compile's."""
        for encoder in self.encoders:
            encoder.compile(**options)

    def layers(
        self, tokens: torch.Tensor, **inputs: torch.Tensor | None
    ) -> list[list[torch.Tensor]]:
        """For each encoder its hidden states [B, T, D], the embedding output first and the final
        one last; inputs as in `Transformer.trace`."""
        states = []
        for encoder in self.encoders:
            assert isinstance(encoder, Transformer)
            states.append(encoder.layers(tokens, **inputs))
        return states

    def encode(self, tokens: torch.Tensor, **inputs: torch.Tensor | None) -> torch.Tensor:
        """Final hidden states of tokens [B, T]."""
        return torch.cat([hidden[-1] for hidden in self.layers(tokens, **inputs)], dim=-1)
