"""A text as bytes: what a model is trained on and what it never sees before its evaluation.

    parts = byte_parts("sympy_sources", held_out=0.05, data_dir=Path("data"))
    parts.train                    uint8 [15.0 million]
    segments(parts.test, count=32, lead=768, size=1024)      uint8 [32, 768 + 1024 + 1]

The text is cut into parts: files, and pieces of a file that is very long. Those with the smallest
hashes of their contents are held out, so neither a run's seed nor the order of files moves one, and
copies of a part fall on the same side.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.contents import find, visible_files
from datamodules.pinned_sources import NAME, pinned_sources

Bytes = NDArray[np.uint8]
LONGEST_PART = 1 << 18  # bytes


class Parts(NamedTuple):
    """uint8 vectors; in each the parts follow one another."""

    train: Bytes
    validation: Bytes
    test: Bytes


def byte_parts(corpus: str, *, held_out: float, data_dir: Path) -> Parts:
    """The corpus with a share `held_out` of its bytes (at least one part) for each of the
    evaluations; ValueError when it has too few parts for that."""
    pieces = [
        content[start : start + LONGEST_PART]
        for content in _contents(corpus, data_dir)
        for start in range(0, len(content), LONGEST_PART)
    ]
    if len(pieces) < 3:
        raise ValueError(
            f"data.corpus={corpus} is a single file or two, below {LONGEST_PART} bytes: expected "
            "more text, of which some can be held out"
        )
    pieces.sort(key=lambda piece: hashlib.sha256(piece).digest())
    ends = np.cumsum([len(piece) for piece in pieces])
    first = 1 + int(np.searchsorted(ends, held_out * ends[-1]))
    second = max(first + 1, 1 + int(np.searchsorted(ends, 2 * held_out * ends[-1])))
    test, validation, train = (
        np.frombuffer(b"".join(chosen), dtype=np.uint8)
        for chosen in (pieces[:first], pieces[first:second], pieces[second:])
    )
    return Parts(train, validation, test)


def segments(text: Bytes, *, count: int, lead: int, size: int) -> Bytes:
    """[count, lead + size + 1]: stretches of `size` bytes to be predicted, evenly spread over the
    text and without overlap, each after `lead + 1` bytes of context.

    Raises ValueError when the text is too short.
    """
    free = len(text) - (lead + size + 1)
    if free < (count - 1) * size:
        raise ValueError(
            f"{len(text)} bytes are held out, and {count} stretches of {size} with {lead} bytes "
            "before them do not fit: type a smaller data.evaluation_bytes, a smaller data.length "
            "or a larger data.held_out"
        )
    starts = np.linspace(0, free, count).astype(np.int64)
    return text[starts[:, None] + np.arange(lead + size + 1)]


def _contents(corpus: str, data_dir: Path) -> list[bytes]:
    if corpus == NAME:
        return [content for _, content in pinned_sources()]
    path = find(corpus, data_dir)
    return [file.read_bytes() for file in ([path] if path.is_file() else visible_files(path))]
