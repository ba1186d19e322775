"""The statistics of the tables: small pure functions of numbers.

    intervals   mean, median, interquartile mean; rates of counts
    contrasts   weighted sums of cell means: Welch, paired, bootstrap; Holm over a table's claims
    bootstrap   stratified and two-level resampling, and its interval
    censored    steps of seeds that did not all converge
    exact       tests of counts and signs, where the design can reach the level
    power       what a design can resolve, and the seeds that would

An interval that the data cannot give (fewer than two seeds, no spread at all) is None: a zero-width
interval would claim a certainty that nobody has.
"""

from .censored import (
    kaplan_meier,
    log_rank,
    median_steps,
    restricted_log_steps,
    restricted_mean,
)
from .common import ALPHA, POWER, Interval
from .contrasts import Contrast, contrast_of, holm, is_resampled, paired_contrast, welch_contrast
from .exact import exact_interval, fisher, p_above, permutation, sign_flip, wilson_interval
from .intervals import iqm, iqm_interval, mean_interval, median_interval
from .power import seeds_to_resolve, smallest_difference, smallest_margin

__all__ = [
    "ALPHA",
    "POWER",
    "Contrast",
    "Interval",
    "contrast_of",
    "exact_interval",
    "fisher",
    "holm",
    "iqm",
    "iqm_interval",
    "is_resampled",
    "kaplan_meier",
    "log_rank",
    "mean_interval",
    "median_interval",
    "median_steps",
    "p_above",
    "paired_contrast",
    "permutation",
    "restricted_log_steps",
    "restricted_mean",
    "seeds_to_resolve",
    "sign_flip",
    "smallest_difference",
    "smallest_margin",
    "welch_contrast",
    "wilson_interval",
]
