"""What a permutation-symmetric model can at best reach on addition, counted exactly; numpy only.

    exact_match_ceiling(3, "reversed")    # 0.0532...
    digit_ceilings(3, "reversed")         # [0.2251, 0.2752, 0.5717, 0.9429]

Without positions and without a causal mask, a prediction depends on the last token and on the
multiset of the tokens before it. All problems that share these form a group and get the same
answer, so at most the group's commonest sum is right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.addition_format import AdditionFormat

Ints = NDArray[np.int64]

# A state is one int64: [4 bits: last prompt token][9 x 4 bits: how often 0..8 occurs][sum]. The
# count of 9 follows from the others, so it needs no room.
SUM_BITS = 23
LAST_SHIFT = SUM_BITS + 9 * 4
MAX_CEILING_DIGITS = 5


def exact_match_ceiling(digits: int, format: str) -> float:
    """The upper bound on exact match of a permutation-symmetric model over all 100^digits problems.

    Reversing the sum does not move it; without '=' the last prompt token is b's last digit and
    known. Measured on one core, with '=' / without: 0.03 s up to 3 digits, 0.8 / 1.4 s at 4, and
    at 5 64 / 124 s of CPU time and 1.4 / 2.9 GB.
    """
    layout = AdditionFormat(digits, format)
    if digits > MAX_CEILING_DIGITS:
        raise ValueError(
            f"the ceiling of {digits}-digit addition is too much to count (each digit multiplies "
            f"the work by 55); expected at most {MAX_CEILING_DIGITS} digits"
        )
    states = _units_column(last_is_known=not layout.separators)
    for exponent in range(1, digits - 1):
        states = _merge(*_add_column(states, _column_pairs(), 10**exponent))
    if digits == 1:
        return _largest_of_each_group(_merge(*states)) / 100
    # Writing 9 - d for every digit d maps the groups whose digits total t onto those that total
    # 18 digits - t, so the lower half, counted twice, and the middle are enough.
    middle = 9 * digits
    best = 0
    for total in range(middle + 1):
        expanded = _last_column(states, 10 ** (digits - 1), total)
        best += (1 if total == middle else 2) * _largest_of_each_group(_merge(*expanded))
    return best / 100**digits


def digit_ceilings(digits: int, format: str) -> list[float]:
    """The highest accuracy of such a model at each answer digit in turn, given the digits before.

    By enumeration: 100^digits problems, at most 3 digits.
    """
    layout = AdditionFormat(digits, format)
    if digits > 3:
        raise ValueError(f"digit ceilings are enumerated; expected at most 3 digits, not {digits}")
    operands = np.arange(100**digits)
    tokens = layout.encode(operands // 10**digits, operands % 10**digits)
    ceilings = []
    for column in range(layout.prompt_length, layout.sequence_length):
        # Counts of 0..9 in 4 bits each; '+' and '=' are in every group alike, and drop out.
        seen = tokens[:, : column - 1]
        key = np.where(seen < 10, np.int64(1) << 4 * np.minimum(seen, 9), 0).sum(axis=1)
        key = (key << 4 | tokens[:, column - 1]) << 4 | tokens[:, column]
        pairs, counts = np.unique(key, return_counts=True)
        starts = _starts(pairs >> 4)
        ceilings.append(float(np.maximum.reduceat(counts, starts).sum() / len(tokens)))
    return ceilings


class _States(NamedTuple):
    """Prompts so far: what is known of them and their sum, the digits' total, and how many."""

    key: Ints
    total: Ints
    number: Ints


def _column_pairs() -> _States:
    """The 55 unordered pairs of digits in a column; weight 2 where the two differ."""
    a, b = np.triu_indices(10)
    return _States((_one(a) + _one(b)) + a + b, a + b, np.where(a == b, 1, 2))


def _units_column(*, last_is_known: bool) -> _States:
    if not last_is_known:
        return _column_pairs()
    a, b = (side.ravel() for side in np.indices((10, 10)))
    return _States((b << LAST_SHIFT) + _one(a) + a + b, a + b, np.ones(100, np.int64))


def _one(digit: Ints) -> Ints:
    """One more occurrence of a digit."""
    return np.where(digit < 9, np.int64(1) << SUM_BITS + 4 * np.minimum(digit, 8), 0)


def _add_column(states: _States, pairs: _States, place: int) -> _States:
    # A pair's key holds its sum at place 1; what is missing at its true place is added.
    step = pairs.key + pairs.total * (place - 1)
    return _States(
        (states.key[:, None] + step).ravel(),
        (states.total[:, None] + pairs.total).ravel(),
        (states.number[:, None] * pairs.number).ravel(),
    )


def _last_column(states: _States, place: int, total: int) -> _States:
    """The states after the last column whose digits add up to `total`. No group has two totals, so
    they are taken one by one: all of them would not fit into memory at 5 digits."""
    pairs = _column_pairs()
    parts = [
        _add_column(
            _where(states, states.total == total - t), _where(pairs, pairs.total == t), place
        )
        for t in range(19)
    ]
    return _States(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _where(states: _States, condition: NDArray[np.bool_]) -> _States:
    return _States(*(field[condition] for field in states))


def _merge(key: Ints, total: Ints, number: Ints) -> _States:
    """Equal states become one, sorted by key, their numbers added."""
    order = np.argsort(key)
    key = key[order]
    starts = _starts(key)
    return _States(key[starts], total[order][starts], np.add.reduceat(number[order], starts))


def _largest_of_each_group(states: _States) -> int:
    """Over groups, the number of problems with the group's commonest sum, added up."""
    return int(np.maximum.reduceat(states.number, _starts(states.key >> SUM_BITS)).sum())


def _starts(ordered: Ints) -> NDArray[np.intp]:
    """Where each run of equal values begins."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
