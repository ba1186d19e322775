"""An encoding's trained length is what its run trains on, not the longest that it is scored at."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from experiments.compose import compose
from experiments.worker import build_run

N = 64


def position(kind: str, *overrides: str) -> Any:
    """The encoding of a run that is trained at 64 bytes and scored up to 512."""
    config = compose(["experiment=positions", f"position={kind}", *overrides])
    module, data = build_run(config)
    assert (data.trained_length, data.sequence_length) == (N, 8 * N)
    return module.model.position


@pytest.mark.parametrize(
    "kind", ["rope_dynamic", "rope_yarn", "rope_llama3", "rope_longrope", "nope_temperature"]
)
def test_the_original_length_is_the_trained_one_unless_told(kind: str) -> None:
    assert position(kind).original_length == N
    assert position(kind, "position.original_length=32").original_length == 32


def test_dynamic_ntk_stretches_from_the_trained_length_on() -> None:
    dynamic, plain = position("rope_dynamic"), position("rope")
    for length, same in [(N, True), (N + 1, False), (8 * N, False)]:
        theta, expected = dynamic.frequencies(length)[0], plain.frequencies(length)[0]
        assert torch.equal(theta, expected) == same


def test_attention_without_positions_is_sharper_from_the_trained_length_on() -> None:
    encoding = position("nope_temperature")
    found = [encoding.sharpening(torch.arange(times * N)) for times in (1, 2, 8)]
    assert found == pytest.approx([1.0, 1.0693147, 1.2079442])


def test_music_transformer_has_a_row_for_no_offset_that_training_lacks() -> None:
    encoding = position("music")
    assert encoding.max_distance == N - 1
    q = torch.randn(1, encoding.num_heads, N, encoding.hidden_size // encoding.num_heads)
    encoding.bias(q, q, torch.arange(N), None).square().sum().backward()
    seen = encoding.table.grad.abs().sum((0, 2)) > 0
    assert seen[:N].all()  # those behind the query; a left-to-right model reads no others


def test_a_task_states_the_length_of_its_longest_training_problem() -> None:
    config = compose(["experiment=positions_tasks", "position=rope_dynamic"])
    module, data = build_run(config)
    assert data.trained_length == data.batch(0)["tokens"].shape[1] < data.sequence_length
    assert module.model.position.original_length == data.trained_length


def test_where_a_run_has_one_length_it_is_the_trained_one() -> None:
    config = compose(["experiment=symmetry", "data.digits=1", "model.hidden_size=32"])
    module, data = build_run(config)
    assert data.trained_length == data.sequence_length == module.model.max_length
