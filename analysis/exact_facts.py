"""Facts that hold exactly, whatever was learned: a run that breaks one has a bug.

Without positional encoding, a model is invariant to permutations of tokens 1..n-1 if every token
sees all others (bidirectional, at any depth), if the last token sees only itself (reverse), or if
one causal layer lets the last token see the rest as a set. Such a model cannot be right more often
than the `ceiling` of its task, a population value: on a test set it is compared by an exact test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

INVARIANCE = 1e-9  # float64 rounding is 1e-15; a broken symmetry 0.1
SURPRISE = 1e-6  # one-sided: a symmetric run exceeds its ceiling this rarely by luck


class Violation(NamedTuple):
    run_id: str
    column: str
    sentence: str


def symmetric(row: Any) -> bool:
    """Whether a row's arm (a mapping with 'factors.x') cannot see the order of its prompt."""
    return row.get("factors.position") == "none" and (
        row.get("factors.attention_mask") in ("bidirectional", "reverse")
        or row.get("factors.num_layers") == 1
    )


def check(frame: pd.DataFrame) -> Iterator[Violation]:
    """Every broken fact, with the run and the column that shows it."""
    for _, row in frame.iterrows():
        if not symmetric(row):
            continue
        name = f"{row['variant']}, seed {row['seed']} (run {row['run_id']})"
        # nan (a diverged run measured nothing) compares as False: unknown is not violated.
        invariance = row.get("metrics.invariance", float("nan"))
        if invariance > INVARIANCE:
            yield Violation(
                row["run_id"],
                "metrics.invariance",
                f"{name}: permuting the prompt moves the logits by {invariance:.1e} s.d.; "
                f"a symmetric arm stays below {INVARIANCE:.0e}.",
            )
        match, ceiling, size = (
            row.get(f"metrics.{key}", float("nan"))
            for key in ("exact_match", "ceiling", "test_size")
        )
        if match > ceiling and size > 0:
            from .statistics import p_above

            p = p_above(round(match * size), int(size), ceiling)
            if p < SURPRISE:
                yield Violation(
                    row["run_id"],
                    "metrics.exact_match",
                    f"{name}: exact match {match:.3f} on {size:.0f} problems is above the ceiling "
                    f"{ceiling:.3f} of a symmetric model (p = {p:.0e}); the mask leaks or "
                    "positions are left over.",
                )


def violations(frame: pd.DataFrame) -> list[str]:
    return [violation.sentence for violation in check(frame)]
