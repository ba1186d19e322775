"""AdamW with and without bias correction, against formulas written out in plain numbers."""

from __future__ import annotations

import math

import pytest
import torch

from lightning_modules.optimizers import UncorrectedAdamW, decay_groups, make_optimizer

SETTINGS = {
    "lr": 0.02,
    "beta1": 0.9,
    "beta2": 0.99,
    "eps": 1e-6,
    "weight_decay": 0.1,
    "bias_correction": True,
}


def gradient(step: int) -> float:
    return math.sin(1 + 2 * step)


def by_hand(start: float, steps: int, *, corrected: bool, decay: float) -> float:
    """One scalar under decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2)."""
    p, m, v = start, 0.0, 0.0
    for step in range(1, steps + 1):
        g = gradient(step)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g * g
        mean = m / (1 - 0.9**step) if corrected else m
        square = v / (1 - 0.99**step) if corrected else v
        p = p - 0.02 * (mean / (math.sqrt(square) + 1e-6) + decay * p)
    return p


def trained(*, bias_correction: bool, steps: int) -> tuple[torch.nn.Parameter, torch.nn.Parameter]:
    """A matrix and a vector, all of whose entries see the same gradients."""
    matrix = torch.nn.Parameter(torch.full((2, 3), 0.7, dtype=torch.float64))
    vector = torch.nn.Parameter(torch.full((4,), 0.7, dtype=torch.float64))
    optimizer = make_optimizer(
        decay_groups([matrix, vector], weight_decay=SETTINGS["weight_decay"]),
        SETTINGS | {"bias_correction": bias_correction},
    )
    for step in range(1, steps + 1):
        for parameter in (matrix, vector):
            parameter.grad = torch.full_like(parameter, gradient(step))
        optimizer.step()
    return matrix, vector


@pytest.mark.parametrize("steps", [1, 2, 25])
@pytest.mark.parametrize("corrected", [True, False])
def test_steps_are_those_of_the_formula_and_decay_is_for_matrices(
    corrected: bool, steps: int
) -> None:
    matrix, vector = trained(bias_correction=corrected, steps=steps)
    for parameter, decay in ((matrix, 0.1), (vector, 0.0)):
        expected = by_hand(0.7, steps, corrected=corrected, decay=decay)
        torch.testing.assert_close(
            parameter.detach(), torch.full_like(parameter, expected), rtol=0, atol=1e-12
        )


def test_the_first_uncorrected_step_is_the_longer_one() -> None:
    corrected, uncorrected = (
        0.7 - trained(bias_correction=choice, steps=1)[1][0].item() for choice in (True, False)
    )
    assert uncorrected / corrected == pytest.approx(0.1 / math.sqrt(0.01), rel=1e-4)


def test_it_resumes_from_its_state_bit_for_bit() -> None:
    def make() -> tuple[torch.nn.Parameter, UncorrectedAdamW]:
        parameter = torch.nn.Parameter(torch.linspace(-1, 1, 5))
        return parameter, UncorrectedAdamW([parameter], lr=0.1, betas=(0.9, 0.99), eps=1e-8)

    def advance(parameter: torch.nn.Parameter, optimizer: UncorrectedAdamW, steps: range) -> None:
        for step in steps:
            optimizer.zero_grad()
            (parameter * (parameter - step)).sum().backward()
            optimizer.step()

    through, optimizer = make()
    advance(through, optimizer, range(6))
    halted, first = make()
    advance(halted, first, range(3))
    resumed, second = make()
    resumed.data.copy_(halted.data)
    second.load_state_dict(first.state_dict())
    advance(resumed, second, range(3, 6))
    assert torch.equal(through, resumed)


def test_a_parameter_without_a_gradient_stays_as_it_is() -> None:
    used, unused = (torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2))
    optimizer = make_optimizer(
        decay_groups([used, unused], weight_decay=SETTINGS["weight_decay"]),
        SETTINGS | {"bias_correction": False},
    )
    used.sum().backward()
    optimizer.step()
    assert torch.equal(unused, torch.ones(2, 2))
    assert (used < 1).all()
