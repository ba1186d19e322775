"""Idle dimensions: closed forms against tables written out, numpy, scipy and the model itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from analysis.positions import idle
from analysis.positions.base_bound import preference, smallest_base
from analysis.positions.encodings import Encoding
from lightning_modules.positions import schedules
from lightning_modules.positions.sinusoidal import SinusoidalPositions
from lightning_modules.positions.sinusoidal_literal import LiteralSinusoidalPositions

SMALL = [
    Encoding(32, 256),
    Encoding(64, 512),
    Encoding(64, 100, exponent="literal"),
    Encoding(16, 300, base=50.0, factor=4.0),
]
# d, L, base -> wavelength above L, phase < 1, < 0.1, var PR / d, raw PR, centred PR, k99, rank:
# measured once by a singular value decomposition of the table itself.
MEASURED = {
    (128, 4096, 1e4): (0.281, 0.094, 0, 0.84, 18.6, 38.8, 76, 83),
    (128, 8192, 5e5): (0.453, 0.312, 0.125, 0.65, 6.6, 40.2, 64, 70),
    (64, 512, 1e4): (0.500, 0.312, 0.062, 0.62, 5.4, 19.6, 29, 34),
    (32, 256, 1e4): (0.562, 0.375, 0.125, 0.57, 4.1, 12.7, 15, 19),
    (64, 256, 256.0): (0.312, 0, 0, 0.88, 15.0, 18.0, 34, 40),
    (64, 256, 100.0): (0.188, 0, 0, 0.98, 22.3, 21.6, 38, 45),
}


def table(encoding: Encoding, *, centred: bool = False) -> np.ndarray:
    """The encoding written out from the formula of its paper, element by element."""
    d, rows = encoding.dim, np.empty((encoding.length, encoding.dim))
    for j in range(d):
        exponent = 2 * j / d if encoding.exponent == "literal" else 2 * (j // 2) / d
        angle = np.arange(encoding.length) / encoding.factor / encoding.base**exponent
        rows[:, j] = np.sin(angle) if j % 2 == 0 else np.cos(angle)
    return rows - rows.mean(axis=0) if centred else rows


# ---- the encodings ------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", SMALL, ids=str)
def test_an_encodings_values_are_the_papers_formula(encoding):
    assert encoding.values() == pytest.approx(table(encoding), abs=1e-10)


@pytest.mark.parametrize(
    ("exponent", "kind"),
    [("standard", SinusoidalPositions), ("literal", LiteralSinusoidalPositions)],
)
def test_the_values_are_what_the_models_add(exponent, kind):
    encoding = Encoding(16, 40, base=500.0, exponent=exponent)
    model = kind(hidden_size=16, num_heads=2, max_length=40, base=500.0)
    zeros = torch.zeros(1, 40, 16, dtype=torch.float64)
    embedded = model.embed(zeros, torch.arange(40))[0].numpy()
    assert encoding.values() == pytest.approx(embedded, abs=1e-12)


@pytest.mark.parametrize("factor", [1.0, 2.0, 8.0])
def test_the_frequencies_are_the_rotary_schedules_of_the_models(factor):
    encoding = Encoding(64, 512, base=500.0)
    told = {"linear": encoding.interpolated(factor), "ntk": encoding.ntk_aware(factor)}
    for name, extended in told.items():
        theta, _ = schedules.SCHEDULES[name](64, base=500.0, factor=factor)
        assert extended.frequencies[::2] == pytest.approx(theta.numpy(), rel=1e-12)


def test_the_ntk_aware_base_leaves_the_fastest_pair_and_interpolates_the_slowest():
    encoding = Encoding(64, 512)
    ratio = encoding.ntk_aware(4.0).frequencies / encoding.frequencies
    assert ratio[0] == pytest.approx(1.0)
    assert ratio[-1] == pytest.approx(1 / 4)
    assert (np.diff(ratio[::2]) < 0).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dim": 7}, "even number"),
        ({"length": 1}, "a length of 2 or more"),
        ({"base": 1.0}, "a base above 1"),
        ({"exponent": "litteral"}, "expected standard or literal"),
    ],
)
def test_an_encoding_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Encoding(**{"dim": 8, "length": 16, **wrong})


# ---- the measures -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", SMALL, ids=str)
@pytest.mark.parametrize("centred", [False, True])
def test_the_second_moments_are_those_of_the_table(encoding, centred):
    written = table(encoding, centred=centred)
    assert idle.gram(encoding, centred=centred) == pytest.approx(written.T @ written, abs=1e-9)
    singular = np.linalg.svd(written, compute_uv=False)
    top = min(written.shape)
    found = idle.spectrum(encoding, centred=centred)
    assert found[:top] == pytest.approx(singular**2, abs=1e-12 * singular[0] ** 2)
    assert idle.numerical_rank(found) == np.linalg.matrix_rank(written, rtol=1e-6)


@pytest.mark.parametrize("encoding", SMALL, ids=str)
def test_variances_and_neighbours_are_those_of_the_table(encoding):
    written = table(encoding)
    assert idle.variances(encoding) == pytest.approx(written.var(axis=0), abs=1e-12)
    apart = (np.diff(written, axis=0) ** 2).sum(axis=1)
    assert idle.neighbour_distance(encoding) == pytest.approx(math.sqrt(apart.mean()))


@pytest.mark.parametrize(("size", "told"), MEASURED.items(), ids=str)
def test_the_closed_forms_give_what_was_measured_by_decomposition(size, told):
    encoding = Encoding(*size)
    raw, centred = (idle.spectrum(encoding, centred=c) for c in (False, True))
    spread = idle.participation_ratio(idle.variances(encoding)) / encoding.dim
    shares = [idle.share_below(encoding, phase) for phase in (2 * math.pi, 1.0, 0.1)]
    assert shares == pytest.approx(told[:3], abs=6e-4)
    assert spread == pytest.approx(told[3], abs=6e-3)
    ratios = [idle.participation_ratio(raw), idle.participation_ratio(centred)]
    assert idle.participation_ratio_of(idle.gram(encoding)) == pytest.approx(ratios[0])
    assert ratios == pytest.approx(told[4:6], abs=0.051)
    assert (idle.count_for(centred, 0.99), idle.numerical_rank(centred)) == told[6:]


def test_of_the_slides_encoding_a_fifth_never_turns_and_with_their_exponent_three_fifths():
    """d = 3,072, L = 8,192; the participation ratios need no eigenvalues."""
    told = {"standard": (0.221, 0.021, 0, 33.7, 56.9), "literal": (0.61, 0.511, 0.386, 3.1, 54.8)}
    for exponent, expected in told.items():
        encoding = Encoding(3072, 8192, exponent=exponent)
        shares = [idle.share_below(encoding, phase) for phase in (2 * math.pi, 1.0, 0.1)]
        moments = [idle.gram(encoding, centred=centred) for centred in (False, True)]
        ratios = [idle.participation_ratio_of(m) for m in moments]
        assert [*shares, *ratios] == pytest.approx(expected, abs=0.06)


def test_of_the_slides_encoding_a_third_of_the_directions_hold_what_varies():
    told = {"standard": (978, 1029), "literal": (560, 595)}
    for exponent, expected in told.items():
        spectrum = idle.spectrum(Encoding(3072, 8192, exponent=exponent), centred=True)
        assert (idle.count_for(spectrum, 0.99), idle.numerical_rank(spectrum)) == expected


def test_a_wide_spectrum_is_computed_once_and_again_when_the_code_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(idle, "WIDE", 8)
    asked = []

    def counted(encoding, *, centred=False, gram=idle.gram):
        asked.append(encoding)
        return gram(encoding, centred=centred)

    monkeypatch.setattr(idle, "gram", counted)
    first, again = (idle.spectrum.__wrapped__(Encoding(8, 50), centred=True) for _ in range(2))
    assert (first == again).all()
    assert len(asked) == 1
    monkeypatch.setattr(idle, "_stamp", lambda: "another code")
    idle.spectrum.__wrapped__(Encoding(8, 50), centred=True)
    assert len(asked) == 2


@pytest.mark.parametrize("exponent", ["standard", "literal"])
@pytest.mark.parametrize("phase", [2 * math.pi, 1.0, 0.1, 1e-9])
def test_the_share_that_never_turns_depends_on_length_and_base_alone(exponent, phase):
    for dim in (64, 128, 3072):
        encoding = Encoding(dim, 8192, exponent=exponent)
        counted = idle.share_below(encoding, phase)
        assert counted == pytest.approx(
            idle.expected_share_below(encoding, phase), abs=2.01 / encoding.dim
        )


def test_how_many_is_n_for_n_equal_weights_and_one_for_a_single_one():
    even, single = np.ones(7), np.array([0.0, 3.0, 0.0])
    for measure in (idle.participation_ratio, idle.effective_rank):
        assert measure(even) == pytest.approx(7)
        assert measure(single) == pytest.approx(1)
    assert idle.count_for(even, 0.9) == 7
    assert idle.count_for(single, 0.9) == 1
    weights = np.array([0.5, 0.25, 0.15, 0.1])
    assert idle.effective_rank(weights) == pytest.approx(math.exp(stats.entropy(weights)))
    assert [idle.count_for(weights, share) for share in (0.5, 0.74, 0.8)] == [1, 2, 3]


def test_interpolation_brings_neighbours_together_and_the_ntk_aware_base_hardly():
    encoding = Encoding(64, 512)
    apart = idle.neighbour_distance(encoding)
    assert apart == pytest.approx(
        math.sqrt(sum(4 * math.sin(w / 2) ** 2 for w in encoding.frequencies[::2]))
    )
    for factor in (2.0, 4.0, 8.0):
        near = idle.neighbour_distance(encoding.interpolated(factor))
        # sin(w / 2s) is a little more than sin(w / 2) / s, for the fast pairs alone.
        assert 1 / factor < near / apart < 1.03 / factor
        assert idle.neighbour_distance(encoding.ntk_aware(factor)) > 0.9 * apart


# ---- the bound on a rotary base -----------------------------------------------------------------


@pytest.mark.parametrize(("length", "published"), [(1024, 4.3e3), (2048, 1.2e4), (4096, 2.7e4)])
def test_the_smallest_base_is_the_published_one(length, published):
    assert smallest_base(128, length) == pytest.approx(published, rel=0.05)


def test_below_the_smallest_base_some_distance_prefers_a_random_key():
    base = smallest_base(64, 200)
    distances = np.arange(200)
    assert preference(64, base, distances).min() >= 0
    for share in np.linspace(0.05, 0.998, 200):
        assert preference(64, share * base, distances).min() < 0
