"""Every random draw of a run is a function of (seed, stream, step), and of nothing else.

Streams: `init/<parameter name>`, `data`, `mask`, `positions`, `dropout`, `probe`. So a resumed run
needs no generator state, worker counts cannot matter, and arms share every draw that they have in
common.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable


def stream_seed(seed: int, stream: str, step: int = 0) -> int:
    """A seed in [0, 2^63) for one draw: the first 63 bits of SHA-256 of 'seed/stream/step'."""
    hashed = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    return int.from_bytes(hashed[:8], "big") >> 1


def streams(seed: int) -> Callable[[str, int], int]:
    """`stream_seed` of one run, as the components take it: seed_for(stream, step)."""
    return functools.partial(stream_seed, seed)
