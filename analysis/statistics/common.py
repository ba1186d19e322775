"""What every statistic here speaks in: the tables' level, and an interval."""

from __future__ import annotations

from typing import NamedTuple

ALPHA = 0.05  # every table: 95 % intervals, before any adjustment
POWER = 0.8


class Interval(NamedTuple):
    low: float
    high: float
