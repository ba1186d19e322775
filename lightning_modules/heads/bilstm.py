"""A bidirectional LSTM over an encoder's token states, between the encoder and a task's head.

It is what the BERT paper adds, randomly initialised and only at fine-tuning, to see whether a
left-to-right model can be repaired (section 5.1).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class BiLSTM(nn.Module):
    """Token states [B, T, D] -> [B, T, 2H]: the forward direction's states, then the backward's.

    sizes: (H, H), so that a Pooler can take each direction where it has read everything.
    """

    def __init__(self, *, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__()
        self.sizes = (hidden_size, hidden_size)
        self.hidden_size = 2 * hidden_size
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )

    def forward(
        self, hidden: torch.Tensor, padding_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Padding follows the real tokens of a row, is never read, and comes out as zeros."""
        if padding_mask is None:
            return self.lstm(hidden)[0]
        lengths = padding_mask.sum(1).cpu()
        packed = pack_padded_sequence(hidden, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=hidden.shape[1]
        )
        return states
