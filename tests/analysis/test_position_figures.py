"""The positions study's figures, on a synthetic study of every kind of arm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.cells import measure, planned, rows_of
from analysis.figures.encoding_maps import DECK, encoding_values, heads, rotation_angles
from analysis.figures.positions import FIGURES, by_position, extension, lengths
from analysis.frame import plan_frame
from tests.analysis.position_runs import EXTENDED, LOSSES, SLOPE


def test_lines_go_through_the_means_at_the_lengths_that_were_evaluated(positions):
    frame = plan_frame(positions.plan, positions.root)
    whole, last = lengths(positions.plan, frame).axes
    drawn = {line.get_label(): line for line in whole.lines if line.get_marker() == "o"}
    assert list(drawn) == list(LOSSES)
    assert list(drawn["t5"].get_xdata()) == [1, 2, 4, 8]
    assert list(drawn["t5"].get_ydata()) == pytest.approx(LOSSES["t5"])
    assert last.get_title(loc="left") == "Last eighth of the window"


def test_loss_by_position_has_a_point_and_a_band_in_each_eighth_of_the_longest_window(positions):
    frame = plan_frame(positions.plan, positions.root)
    encodings, methods = by_position(positions.plan, frame).axes
    drawn = {line.get_label(): line for line in encodings.lines if line.get_marker() == "o"}
    assert list(drawn) == list(LOSSES)
    assert list(drawn["t5"].get_xdata()) == [k + 0.5 for k in range(8)]
    assert list(drawn["t5"].get_ydata()) == pytest.approx([LOSSES["t5"][-1] + s for s in SLOPE])
    values = measure(rows_of(frame, planned(positions.plan, {"position": "t5"})), "eighth_1_x8")
    ends = stats.t.interval(0.95, 2, values.values.mean(), stats.sem(values.values))
    band = encodings.collections[list(LOSSES).index("t5")].get_paths()[0].vertices
    assert sorted(set(band[band[:, 0] == 0.5][:, 1])) == pytest.approx(ends)
    extended = {line.get_label(): line for line in methods.lines if line.get_marker() == "o"}
    assert list(extended) == [method for method, factor in EXTENDED if factor == 8]
    assert list(extended["yarn"].get_ydata()) == pytest.approx(
        [EXTENDED["yarn", 8][0] + slope for slope in SLOPE]
    )


def test_extension_shows_both_what_is_gained_and_what_it_costs(positions):
    frame = plan_frame(positions.plan, positions.root)
    extended, trained = extension(positions.plan, frame).axes
    for panel, which in ((extended, 0), (trained, 1)):
        drawn = {line.get_label(): line for line in panel.lines if line.get_marker() == "o"}
        assert list(drawn["linear"].get_ydata()) == pytest.approx(
            [EXTENDED["linear", factor][which] for factor in (2, 4, 8)]
        )


def test_the_maps_show_the_slides_encoding_with_both_exponents():
    for panel, (first, encoding) in zip(
        encoding_values().axes, ((f, e) for e in DECK.values() for f in (0, 1)), strict=False
    ):
        (shown,) = panel.images
        assert shown.get_extent() == [0, 3072, 8192, 0]
        values = np.asarray(shown.get_array())
        # The slowest element, at the last position: a sine is m w, a cosine 1 - (m w)^2 / 2.
        angle = 8191 * encoding.frequencies[-1]
        assert values[-1, -1] == pytest.approx((np.sin, np.cos)[first](angle), abs=0.02)
        assert values.std(axis=0)[0] == pytest.approx(0.5**0.5, abs=0.03)  # the fastest: noise
    standard, _ = rotation_angles().axes[:2]
    one_turn = standard.lines[0]
    assert one_turn.get_xdata()[-1] == pytest.approx(0.779 * 3072, abs=3)


def test_every_figure_is_declared_and_a_heads_map_is_as_wide_as_the_head():
    assert set(FIGURES) == {
        *("lengths", "by_position", "extension"),
        *("encoding_values", "rotation_angles", "heads", "spectra"),
    }
    widths = [panel.images[0].get_extent()[1] for panel in heads().axes[:4]]
    assert widths == [64, 64, 128, 128]
