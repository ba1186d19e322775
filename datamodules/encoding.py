"""BERT's input of one text or a pair: [CLS] A [SEP] or [CLS] A [SEP] B [SEP], and its padding.

tokens, segments = encode_pair(a, b, length=128, cls=101, sep=102)
batch = padded([tokens, ...], fill=0)           # [B, longest], and which are real
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def encode_pair(
    first: Sequence[int], second: Sequence[int] | None, *, length: int, cls: int, sep: int
) -> tuple[list[int], list[int]]:
    """(tokens, segments) of at most `length`; segment 0 up to the first [SEP], 1 after it.

    Longest first: while they do not fit, the last token of the longer text is dropped, of the
    second where both are as long.
    """
    first, second = list(first), None if second is None else list(second)
    room = length - (2 if second is None else 3)
    if room < 1:
        raise ValueError(f"length is {length}; expected room for a token beside [CLS] and [SEP]")
    if second is None:
        tokens = [cls, *first[:room], sep]
        return tokens, [0] * len(tokens)
    while len(first) + len(second) > room:
        (first if len(first) > len(second) else second).pop()
    tokens = [cls, *first, sep, *second, sep]
    return tokens, [0] * (len(first) + 2) + [1] * (len(second) + 1)


def padded(rows: Sequence[Sequence[int]], *, fill: int) -> tuple[Tensor, Tensor]:
    """Rows of any length -> int64 [B, longest] and bool [B, longest], True where real."""
    lengths = [len(row) for row in rows]
    longest = max(lengths)
    filled = [[*row, *[fill] * (longest - len(row))] for row in rows]
    is_real = np.arange(longest) < np.array(lengths)[:, None]
    return torch.from_numpy(np.array(filled, dtype=np.int64)), torch.from_numpy(is_real)
