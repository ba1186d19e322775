"""The ceilings of symmetric models on addition, against brute force and against known values."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter, defaultdict

import pytest

from datamodules.addition_format import FORMATS, AdditionFormat
from datamodules.symmetric_ceiling import digit_ceilings, exact_match_ceiling

# Counted once over all problems by another program, rounded to four places.
KNOWN = {
    (2, "mingpt"): ([0.43, 0.9835, 0.9891], 0.43),
    (2, "reversed"): ([0.293, 0.9835, 0.9891], 0.285),
    (2, "mingpt_plain"): ([0.8515, 0.4554, 0.9622], 0.43),
    (2, "plain"): ([0.7975, 0.4554, 0.9622], 0.285),
    (3, "mingpt"): ([0.3576, 0.2752, 0.5717, 0.9429], 0.0945),
    (3, "reversed"): ([0.2251, 0.2752, 0.5717, 0.9429], 0.0532),
    (3, "mingpt_plain"): ([0.7554, 0.3114, 0.3499, 0.6451], 0.0945),
    (3, "plain"): ([0.7293, 0.3114, 0.3499, 0.6451], 0.0532),
}


def brute_force(digits: int, format: str, known: int, predicted: slice) -> float:
    """The share of problems right when each group answers its commonest continuation."""
    layout = AdditionFormat(digits, format)
    groups: dict[tuple, Counter] = defaultdict(Counter)
    for a in range(10**digits):
        for text in layout.text(layout.encode([a] * 10**digits, range(10**digits))):
            groups["".join(sorted(text[: known - 1])), text[known - 1]][text[predicted]] += 1
    return sum(max(group.values()) for group in groups.values()) / 100**digits


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("digits", [1, 2])
def test_exact_match_ceiling_equals_brute_force(digits, format):
    prompt = AdditionFormat(digits, format).prompt_length
    expected = brute_force(digits, format, prompt, slice(prompt, None))
    assert exact_match_ceiling(digits, format) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("digits", [1, 2])
def test_digit_ceilings_equal_brute_force(digits, format):
    prompt = AdditionFormat(digits, format).prompt_length
    expected = [
        brute_force(digits, format, prompt + t, slice(prompt + t, prompt + t + 1))
        for t in range(digits + 1)
    ]
    assert digit_ceilings(digits, format) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("digits", "format"), KNOWN)
def test_ceilings_equal_the_known_values(digits, format):
    by_digit, whole = KNOWN[digits, format]
    # 0.22515 and 0.88515 lie on the edge of rounding.
    assert digit_ceilings(digits, format) == pytest.approx(by_digit, abs=0.51e-4)
    assert exact_match_ceiling(digits, format) == pytest.approx(whole, abs=0.51e-4)


def test_exact_counts_at_four_digits():
    """The values of a count over all 10^8 problems, done once by enumeration."""
    assert exact_match_ceiling(4, "reversed") == pytest.approx(0.008051, abs=1e-12)
    assert exact_match_ceiling(4, "mingpt") == pytest.approx(0.0156492, abs=1e-12)


def test_one_digit_addition_is_symmetric_and_has_no_ceiling():
    assert exact_match_ceiling(1, "reversed") == exact_match_ceiling(1, "mingpt") == 1.0


def test_the_ceiling_of_three_digits_takes_well_under_a_second():
    start = time.perf_counter()
    exact_match_ceiling(3, "reversed")
    assert time.perf_counter() - start < 1


def test_user_mistakes_are_value_errors_that_say_what_was_expected():
    with pytest.raises(ValueError, match="no addition format 'eq'"):
        exact_match_ceiling(2, "eq")
    with pytest.raises(ValueError, match="expected at most 5 digits"):
        exact_match_ceiling(6, "reversed")
    with pytest.raises(ValueError, match="expected at most 3 digits, not 4"):
        digit_ceilings(4, "reversed")


def test_counting_needs_no_torch():
    code = "import sys, datamodules.symmetric_ceiling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
