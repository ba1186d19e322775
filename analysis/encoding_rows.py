"""One row an encoding: what of it is idle, computed from its formula; `rows: encodings`.

    encodings:
      - {name: head of 64, dim: 64, length: 512, base: 10_000, exponent: standard}

A row is `name` and the arguments of positions.encodings.Encoding. No run is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from experiments.errors import UserError

from .columns import Cell, number
from .positions import idle
from .positions.encodings import Encoding


class EncodingRow(NamedTuple):
    name: str
    encoding: Encoding


def encoding_rows(declared: Iterable[Mapping[str, Any]], where: str) -> list[EncodingRow]:
    """UserError for an encoding that makes no sense."""
    rows = []
    for spec in declared:
        arguments = {key: value for key, value in spec.items() if key != "name"}
        try:
            rows.append(EncodingRow(str(spec["name"]), Encoding(**arguments)))
        except KeyError:
            raise UserError(f"{where}: the encoding {arguments} lacks its name.") from None
        except (TypeError, ValueError) as error:
            raise UserError(f"{where}, encoding '{spec['name']}': {error}.") from None
    return rows


def encoding(of: EncodingRow) -> Cell:
    return Cell(of.name, {"": of.name})


def turning_less(of: EncodingRow, *, turns: float = 0, radians: float = 0) -> Cell:
    """Share of the elements that turn by less than that over the whole length: '0.221'."""
    return _cell(idle.share_below(of.encoding, 2 * math.pi * turns + radians), digits=3)


def expected(of: EncodingRow, *, turns: float = 1) -> Cell:
    """The same from length and base alone."""
    return _cell(idle.expected_share_below(of.encoding, 2 * math.pi * turns), digits=3)


def variance_spread(of: EncodingRow) -> Cell:
    """Participation ratio of the elements' variances, as a share of the elements."""
    weights = idle.variances(of.encoding)
    return _cell(idle.participation_ratio(weights) / of.encoding.dim, digits=2)


def raw_participation(of: EncodingRow) -> Cell:
    """Participation ratio of the spectrum as it is, which needs no eigenvalues."""
    return _cell(idle.participation_ratio_of(idle.gram(of.encoding)), digits=1)


def participation(of: EncodingRow) -> Cell:
    """Participation ratio of the centred spectrum."""
    return _cell(idle.participation_ratio(idle.spectrum(of.encoding, centred=True)), digits=1)


def effective_rank(of: EncodingRow) -> Cell:
    """exp of the entropy of the centred spectrum."""
    return _cell(idle.effective_rank(idle.spectrum(of.encoding, centred=True)), digits=1)


def directions(of: EncodingRow, *, share: float) -> Cell:
    """How few directions hold that share of the centred energy."""
    return _cell(idle.count_for(idle.spectrum(of.encoding, centred=True), share), digits=0)


def rank(of: EncodingRow) -> Cell:
    """Numerical rank of the centred encoding."""
    return _cell(idle.numerical_rank(idle.spectrum(of.encoding, centred=True)), digits=0)


def neighbours(of: EncodingRow, *, method: str, factor: float) -> Cell:
    """Distance of neighbouring positions after an extension, as a share of before."""
    extend = {"interpolation": Encoding.interpolated, "ntk": Encoding.ntk_aware}[method]
    before, after = of.encoding, extend(of.encoding, factor)
    return _cell(idle.neighbour_distance(after) / idle.neighbour_distance(before), digits=3)


def _cell(value: float, *, digits: int) -> Cell:
    return Cell(number(value, digits=digits), {"": value})


ENCODING_KINDS: dict[str, Callable[..., Cell]] = {
    kind.__name__: kind
    for kind in (
        *(encoding, turning_less, expected, variance_spread, raw_participation),
        *(participation, effective_rank, directions, rank, neighbours),
    )
}
