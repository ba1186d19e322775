"""Each measure of order against constructed cases whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lightning_modules.measures.adjacency import adjacency_cosine
from lightning_modules.measures.attention_variance import (
    attention_output_variance,
    attention_variance_slope,
)
from lightning_modules.measures.index_correlation import index_correlation
from lightning_modules.measures.invariance import invariance
from lightning_modules.measures.position_probe import position_probe
from lightning_modules.measures.ridge import ridge_predictions
from lightning_modules.measures.vertical_slices import vertical_slices


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def digits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(10, shape, generator=generator(seed))


# Ridge


def test_ridge_equals_the_augmented_least_squares_solution():
    x, y, x_new = noise(30, 4), noise(30, 2, seed=1), noise(7, 4, seed=2)
    mean, std = x.numpy().mean(0), x.numpy().std(0)
    z, z_new = (x.numpy() - mean) / std, (x_new.numpy() - mean) / std
    rows = np.vstack([z, np.sqrt(0.1 * 30) * np.eye(4)])
    targets = np.vstack([y.numpy() - y.numpy().mean(0), np.zeros((4, 2))])
    expected = z_new @ np.linalg.lstsq(rows, targets, rcond=None)[0] + y.numpy().mean(0)
    np.testing.assert_allclose(ridge_predictions(x, y, x_new, ridge=0.1), expected, atol=1e-12)


def test_ridge_does_not_amplify_the_rounding_of_a_constant_feature():
    x = torch.cat([noise(50, 1), 1 + 1e-16 * noise(50, 1, seed=1)], dim=1)
    x_new = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
    without = ridge_predictions(x[:, :1], x[:, :1], x_new[:, :1], ridge=1e-6)
    torch.testing.assert_close(ridge_predictions(x, x[:, :1], x_new, ridge=1e-6), without)


# Invariance


def bag_logits(tokens: torch.Tensor) -> torch.Tensor:
    """A symmetric model: the sum over all tokens of a table's rows."""
    return noise(10, 10)[tokens].sum(dim=1)


def test_a_symmetric_model_is_invariant_to_the_last_bits():
    value = invariance(bag_logits, digits(64, 9), generator())
    assert value is not None
    assert value < 1e-14


def test_a_model_that_reads_the_last_token_only_is_exactly_invariant():
    assert invariance(lambda t: noise(10, 10)[t[:, -1]], digits(64, 9), generator()) == 0.0


def test_a_model_that_reads_one_column_is_far_from_invariant():
    value = invariance(lambda t: noise(10, 10)[t[:, 0]], digits(64, 9), generator())
    assert value is not None
    assert value > 1


def test_invariance_is_in_units_of_the_logits_own_spread():
    def one_swap(tokens):
        return (tokens[:, :1] < tokens[:, 1:2]).double() * torch.tensor([3.0, 0.0])

    tokens = torch.tensor([[0, 1, 5], [1, 0, 5]])
    # Logits 3, 0, 0, 0: a swap changes the first by 3, and their s.d. is 3 sqrt(3) / 4.
    value = invariance(one_swap, tokens, generator(), permutations=50)
    assert value == pytest.approx(4 / math.sqrt(3))


def test_the_last_token_is_never_permuted_and_every_multiset_is_kept():
    tokens, seen = digits(32, 6), []
    invariance(lambda t: (seen.append(t), bag_logits(t))[1], tokens, generator(), permutations=3)
    assert len(seen) == 4
    for permuted in seen[1:]:
        assert torch.equal(permuted[:, -1], tokens[:, -1])
        assert torch.equal(permuted.sort(dim=1)[0], tokens.sort(dim=1)[0])
        assert not torch.equal(permuted, tokens)


def test_invariance_is_undefined_for_constant_logits_and_for_one_token_to_permute():
    assert invariance(lambda t: torch.ones(len(t), 10), digits(8, 5), generator()) is None
    assert invariance(bag_logits, digits(8, 2), generator()) is None
    assert invariance(lambda t: bag_logits(t) * math.nan, digits(8, 5), generator()) is None


# Position probe


def test_the_probe_reads_an_index_that_is_written_linearly():
    hidden = noise(64, 9, 5) @ noise(5, 5, seed=1)
    hidden[:, :, 2] += 1e3 * torch.arange(9)
    r2, mae = position_probe(hidden)
    assert r2 == pytest.approx(1, abs=1e-4)
    assert mae == pytest.approx(0, abs=0.02)


def test_the_probe_finds_nothing_in_states_without_order():
    r2, mae = position_probe(noise(400, 9, 8))
    assert r2 == pytest.approx(0, abs=0.03)
    # The mean |index - 4| over 0..8.
    assert mae == pytest.approx(20 / 9, abs=0.05)


def test_the_probe_equals_a_fit_by_numpy_on_even_and_a_score_on_odd_sequences():
    hidden = noise(41, 6, 4)
    hidden[:, :, 0] += torch.arange(6)
    y = np.arange(6.0)

    def design(x):
        return np.c_[x.reshape(-1, 4), np.ones(x.shape[0] * 6)]

    x, x_new = hidden[::2].numpy(), hidden[1::2].numpy()
    weights = np.linalg.lstsq(design(x), np.tile(y, 21), rcond=None)[0]
    error = design(x_new) @ weights - np.tile(y, 20)
    r2, mae = position_probe(hidden, ridge=1e-12)
    assert r2 == pytest.approx(1 - (error**2).mean() / y.var())
    assert mae == pytest.approx(np.abs(error).mean())


def test_the_probe_is_the_same_at_any_scale_of_the_states():
    hidden = noise(64, 9, 5).cumsum(dim=1)
    assert position_probe(hidden * 1e-6 + 3e-6) == pytest.approx(position_probe(hidden), rel=1e-6)


def test_the_probe_is_undefined_without_two_columns_or_two_sequences_or_finite_states():
    assert position_probe(noise(64, 1, 5)) == (None, None)
    assert position_probe(noise(1, 9, 5)) == (None, None)
    assert position_probe(noise(64, 9, 5) * math.inf) == (None, None)


# Vertical slices


def test_states_that_hold_their_own_token_are_slices():
    tokens = digits(300, 6)
    own, other = vertical_slices(noise(10, 16)[tokens], tokens)
    assert own == 1.0
    assert other == pytest.approx(0.1, abs=0.03)


def test_states_that_hold_the_next_token_are_read_from_the_neighbour():
    tokens = digits(300, 6)
    own, other = vertical_slices(noise(10, 16)[tokens.roll(-1, 1)], tokens)
    assert own == pytest.approx(0.1, abs=0.04)
    # One of the five other columns knows the token, the rest guess.
    assert other == pytest.approx((1 + 4 * 0.1) / 5, abs=0.03)


def test_columns_of_one_constant_token_are_not_predicted():
    tokens = digits(300, 6)
    tokens[:, 2], tokens[:, 5] = 10, 11
    hidden = noise(12, 16)[tokens]
    own, other = vertical_slices(hidden, tokens)
    assert own == 1.0
    assert other == pytest.approx(0.1, abs=0.03)
    assert vertical_slices(noise(8, 6, 4), torch.full((8, 6), 3)) == (None, None)


# Variance of attention's output


def test_causal_uniform_attention_has_slope_minus_one():
    values = noise(4000, 10, 8)
    causal = values.cumsum(dim=1) / torch.arange(1, 11)[:, None]
    expected = 1 / torch.arange(1, 11).double()
    torch.testing.assert_close(attention_output_variance(causal), expected, rtol=0.05, atol=0)
    assert attention_variance_slope(causal) == pytest.approx(-1, abs=0.02)


def test_bidirectional_uniform_attention_has_slope_zero():
    values = noise(64, 10, 8)
    uniform = values.mean(dim=1, keepdim=True).expand_as(values)
    assert attention_variance_slope(uniform) == pytest.approx(0, abs=1e-12)


def test_the_slope_equals_a_fit_by_numpy():
    attention = noise(16, 7, 3) * torch.linspace(1, 4, 7)[:, None]
    log_variance = np.log(attention.numpy().transpose(1, 0, 2).reshape(7, -1).var(axis=1))
    expected = np.polyfit(np.log(np.arange(1, 8)), log_variance, 1)[0]
    assert attention_variance_slope(attention) == pytest.approx(expected)


def test_the_slope_is_undefined_where_attention_puts_out_nothing():
    attention = noise(16, 7, 3)
    attention[:, 2] = 0
    assert attention_variance_slope(attention) is None
    assert attention_variance_slope(noise(16, 1, 3)) is None


# Adjacency


def test_states_that_turn_with_the_index_are_adjacent():
    angle = torch.arange(6) * math.pi / 12
    hidden = torch.stack([angle.cos(), angle.sin()], dim=1).expand(4, 6, 2)
    far = [math.cos(d * math.pi / 12) for d in (3, 3, 3, 4, 4, 5)]
    expected = math.cos(math.pi / 12) - sum(far) / 6
    assert adjacency_cosine(hidden) == pytest.approx(expected)
    assert adjacency_cosine(1e-20 * hidden) == pytest.approx(expected)


def test_states_without_order_are_not_adjacent():
    assert adjacency_cosine(noise(500, 9, 8)) == pytest.approx(0, abs=0.01)


def test_adjacency_is_undefined_for_three_columns_and_for_zero_states():
    assert adjacency_cosine(noise(5, 3, 4)) is None
    assert adjacency_cosine(torch.zeros(5, 6, 4)) is None


# Correlation of units with the index


def test_the_largest_correlation_equals_numpys():
    hidden = noise(20, 7, 5)
    hidden[:, :, 3] -= 0.5 * torch.arange(7)
    index = np.tile(np.arange(7), 20)
    units = hidden.reshape(-1, 5).numpy().T
    expected = max(abs(np.corrcoef(unit, index)[0, 1]) for unit in units)
    largest, null = index_correlation(hidden, generator())
    assert largest == pytest.approx(expected)
    assert null is not None
    assert null < 0.4 < expected


def test_states_without_order_exceed_the_null_about_one_time_in_twenty():
    pairs = [index_correlation(noise(32, 6, 16, seed=s), generator(s)) for s in range(200)]
    exceeded = sum(pair.largest > pair.null for pair in pairs)
    # Binomial(200, .05): 99.9 % lie in 2..21, widened for the quantile of 100 permutations.
    assert 1 <= exceeded <= 24


def test_constant_units_are_left_out_of_the_correlation():
    hidden = torch.cat([noise(8, 5, 2), torch.full((8, 5, 1), 0.1)], dim=2)
    assert index_correlation(hidden, generator()) == index_correlation(hidden[..., :2], generator())
    assert index_correlation(torch.ones(8, 5, 3), generator()) == (None, None)
    assert index_correlation(noise(8, 5, 3) * math.nan, generator()) == (None, None)


def test_float32_states_are_measured_in_float64():
    single, double = noise(32, 9, 6).float(), noise(32, 9, 6).float().double()
    for measure in (position_probe, adjacency_cosine, attention_variance_slope):
        assert measure(single) == measure(double)
