"""The verdict on a claim: what our adjusted interval says about its direction.

Only the direction is judged. In this order: the published setting predicts nothing for ours;
interval inside +-delta; interval wholly on one side of 0; else not resolved.
"""

from __future__ import annotations

from .statistics import Interval

AGREES = "agrees"
DISAGREES = "disagrees"
NOT_COMPARABLE = "not comparable"
NOT_RESOLVED = "not resolved"
VERDICTS = (AGREES, DISAGREES, NOT_COMPARABLE, NOT_RESOLVED)


def verdict(
    interval: Interval | None,
    *,
    claimed: str,
    direction: str,
    delta: float,
    comparable: bool = True,
) -> str:
    """`claimed`: "difference" or "absence". `direction`: "positive", "negative" or "none".

    Delta is the smallest *interesting* difference, so "inside" is strict: an interval that
    reaches delta still holds an interesting one. A claimed absence publishes neither side of 0,
    so an interval wholly on either side disagrees with it.
    """
    if not comparable:
        return NOT_COMPARABLE
    if interval is None:
        return NOT_RESOLVED
    if -delta < interval.low and interval.high < delta:
        return AGREES if claimed == "absence" else DISAGREES
    if interval.low > 0:
        return AGREES if direction == "positive" else DISAGREES
    if interval.high < 0:
        return AGREES if direction == "negative" else DISAGREES
    return NOT_RESOLVED
