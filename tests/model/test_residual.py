"""Residual sets: every spelling of a set is one set, and counts say where they are placed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_modules.residual import all_sublayers, residual_name, residual_set


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("all", ["0.attention", "0.mlp", "1.attention", "1.mlp"]),
        ("none", []),
        ("attention", ["0.attention", "1.attention"]),
        ("mlp", ["0.mlp", "1.mlp"]),
        ("first3", ["0.attention", "0.mlp", "1.attention"]),
        ("last1", ["1.mlp"]),
        ("first0", []),
        ("last4", ["0.attention", "0.mlp", "1.attention", "1.mlp"]),
        (["1.mlp", "0.attention"], ["0.attention", "1.mlp"]),
    ],
)
def test_spellings(spelling: str | list[str], expected: list[str]) -> None:
    assert residual_set(spelling, num_layers=2) == expected


@given(layers=st.integers(1, 4), seed=st.integers(0, 99), data=st.data())
def test_a_random_placement_has_the_count_and_belongs_to_its_own_seed(layers, seed, data) -> None:
    count = data.draw(st.integers(0, 2 * layers))
    kept = residual_set(f"random{count}", num_layers=layers, placement_seed=seed)
    assert len(kept) == len(set(kept)) == count
    assert kept == [name for name in all_sublayers(layers) if name in kept]
    assert kept == residual_set(f"random{count}", num_layers=layers, placement_seed=seed)


@given(layers=st.integers(1, 3), data=st.data())
def test_a_name_spells_its_set(layers, data) -> None:
    kept = [name for name in all_sublayers(layers) if data.draw(st.booleans())]
    name = residual_name(kept, num_layers=layers)
    assert residual_set(name.split("+") if "." in name else name, num_layers=layers) == kept


@pytest.mark.parametrize("wrong", ["al", "first5", "3", ["2.mlp"], 7])
def test_what_names_no_set_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="residual="):
        residual_set(wrong, num_layers=2)
