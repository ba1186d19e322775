"""A sinusoidal position encoding in closed form: one frequency and one phase an element.

    deck = Encoding(dim=3072, length=8192)                       # Vaswani et al. 2017
    slip = Encoding(dim=3072, length=8192, exponent="literal")   # as the slides write it
    deck.values()                                                # [length, dim]

Rotary positions (Su et al. 2021) turn pair p of a query or key by the same angle m theta_p, so
that with dim = the width of a head an Encoding describes them too.

Shapes: L positions, D elements, P = D / 2 pairs. Frequencies are in radians a position.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

BASE = 10_000.0


@dataclass(frozen=True)
class Encoding:
    """Element j at position m is cos(m w_j - phase_j), where a sine has the phase pi/2.

    exponent: "standard", w_j = base^(-2 floor(j/2) / dim), a pair sharing its frequency; or
    "literal", w_j = base^(-2j / dim) with j the element, as Hirata (2024, slides) writes it: the
    exponent runs to 2 instead of 1, and no two elements share a frequency.
    factor: position interpolation (Chen et al. 2023, arXiv:2306.15595), m / factor for m.
    """

    dim: int
    length: int
    base: float = BASE
    exponent: Literal["standard", "literal"] = "standard"
    factor: float = 1.0

    def __post_init__(self) -> None:
        if self.dim < 2 or self.dim % 2:
            raise ValueError(f"dim is {self.dim}; expected an even number of elements")
        if self.length < 2 or self.base <= 1 or self.factor <= 0:
            raise ValueError(
                f"{self}: expected a length of 2 or more, a base above 1 and a factor above 0"
            )
        if self.exponent not in ("standard", "literal"):
            raise ValueError(f"exponent is '{self.exponent}'; expected standard or literal")

    @property
    def frequencies(self) -> np.ndarray:
        """[D], the frequency of each element."""
        element = np.arange(self.dim)
        if self.exponent == "standard":
            element = element // 2 * 2
            return self.base ** (-element / self.dim) / self.factor
        return self.base ** (-2 * element / self.dim) / self.factor

    @property
    def phases(self) -> np.ndarray:
        """[D]: pi/2 (a sine) at even elements, 0 (a cosine) at odd ones."""
        return np.where(np.arange(self.dim) % 2 == 0, math.pi / 2, 0.0)

    @property
    def log_span(self) -> float:
        """ln of the ratio between the ends of the spectrum: ln(base), twice that if literal."""
        return math.log(self.base) * (1 if self.exponent == "standard" else 2)

    def angles(self, positions: np.ndarray | None = None) -> np.ndarray:
        """[L, D], how far each element has turned, in radians; of all positions unless given."""
        if positions is None:
            positions = np.arange(self.length)
        return positions[:, None] * self.frequencies

    def values(self, positions: np.ndarray | None = None) -> np.ndarray:
        """[L, D], the encoding itself."""
        return np.cos(self.angles(positions) - self.phases)

    def interpolated(self, factor: float) -> Encoding:
        """Position interpolation to `factor` times the length."""
        return replace(self, factor=self.factor * factor, length=round(self.length * factor))

    def ntk_aware(self, factor: float) -> Encoding:
        """The NTK-aware base for `factor` times the length (YaRN, arXiv:2309.00071, eq. 16).

        The fastest pair keeps its frequency, and the slowest becomes exactly the interpolated one.
        """
        base = self.base * factor ** (self.dim / (self.dim - 2))
        return replace(self, base=base, length=round(self.length * factor))
