"""Sequence tasks: what each problem asks, which lengths training draws, where a passkey lies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules import sequence_problems as sequences
from datamodules.sequence_problems import ASK, END, KEY, PADDING, PLUS, START
from datamodules.sequence_tasks import SequenceTask
from experiments.randomness import streams


def task(name: str, *, seed: int = 0, **settings) -> SequenceTask:
    context = {"seed_for": streams(seed), "num_workers": 0}
    return SequenceTask(
        **{"task": name, "length": 12, "evaluation_size": 40, **context, **settings}
    )


def problems(batches) -> list[tuple[list[int], list[int]]]:
    """(prompt, answer) of each problem without START, ASK and END, which are checked here."""
    read = []
    for batch in batches:
        for tokens, scored in zip(batch["tokens"], batch["scored"], strict=True):
            row = tokens[tokens != PADDING].tolist()
            ask = row.index(ASK)
            assert (row[0], row[-1], row.count(ASK)) == (START, END, 1)
            assert tokens[scored].tolist() == row[ask + 1 :]
            read.append((row[1:ask], row[ask + 1 : -1]))
    return read


def number(digits: list[int]) -> int:
    """Digits, units first, as Python's own integer."""
    return int("".join(map(str, reversed(digits))))


@pytest.mark.parametrize("length", [12, 18, 24])
@pytest.mark.parametrize(
    ("name", "answer"),
    [("copy", list), ("reverse", lambda x: list(reversed(x))), ("sort", sorted)],
)
def test_an_answer_is_the_prompt_copied_reversed_or_sorted(name, answer, length):
    asked = problems(task(name).problems_of(length))
    assert len(asked) == 40
    for prompt, given in asked:
        assert len(prompt) == length
        assert given == answer(prompt)
        assert min(prompt) >= sequences.FIRST_SYMBOL


@pytest.mark.parametrize("length", [1, 12, 40])
def test_a_sum_of_any_number_of_digits_is_right(length):
    for prompt, given in problems(task("addition").problems_of(length)):
        plus = prompt.index(PLUS)
        a, b = prompt[:plus], prompt[plus + 1 :]
        assert len(a) == len(b) == length
        assert len(given) == length + 1
        assert number(given) == number(a) + number(b)


def test_a_passkey_stands_once_at_the_stated_depth():
    depths = np.arange(15)
    prompts, keys = sequences.passkeys(np.random.default_rng(0), depths, 20, 16)
    for prompt, key, depth in zip(prompts.tolist(), keys.tolist(), depths.tolist(), strict=True):
        assert prompt.count(KEY) == 1
        assert prompt.index(KEY) == depth
        assert prompt[depth + 1 : depth + 6] == key
        filler = prompt[:depth] + prompt[depth + 6 :]
        assert len(filler) == 14
        assert min(filler) >= sequences.FIRST_SYMBOL


def test_passkeys_lie_anywhere_in_the_filler():
    asked = problems(task("passkey", evaluation_size=400).problems_of(12))
    depths = [prompt.index(KEY) for prompt, _ in asked]
    assert set(depths) == set(range(7))
    assert all(prompt[d + 1 : d + 6] == key for (prompt, key), d in zip(asked, depths, strict=True))


def test_passkeys_by_distance_reach_the_longest_length():
    data = task("passkey", length=64, evaluate_to=4.0)
    distances = []
    for distance, batch in data.passkeys_by_distance():
        for prompt, key in problems([batch]):
            assert len(prompt) - prompt.index(KEY) == distance
            assert prompt[1:6] == key
        assert len(batch["tokens"]) == 10
        distances.append(distance)
    assert distances == [8 * number for number in range(1, 33)]
    assert list(task("copy").passkeys_by_distance()) == []


@pytest.mark.parametrize("name", sorted(sequences.TASKS))
def test_training_draws_every_length_up_to_n_and_none_beyond(name):
    data = task(name, batch_size=300)
    asked = problems([data.batch(0)])
    lengths = [len(prompt) // 2 if name == "addition" else len(prompt) for prompt, _ in asked]
    assert set(lengths) == set(range(data.shortest, 13))
    assert data.batch(0)["tokens"].shape == data.batch(1)["tokens"].shape


@pytest.mark.parametrize("name", sorted(sequences.TASKS))
def test_stated_lengths_are_those_of_the_problems(name):
    tokens = sequences.problems(name, np.random.default_rng(0), 3, 9, 16)
    assert tokens.shape == (3, sequences.total_length(name, 9))
    answers = tokens.shape[1] - 1 - tokens[0].tolist().index(ASK)
    assert answers == sequences.answer_length(name, 9)
    data = task(name, evaluate_to=1.5)
    longest = next(iter(data.problems_of(data.lengths["x1_5"])))
    assert data.sequence_length == longest["tokens"].shape[1]


def test_a_batch_follows_from_seed_and_step_and_tests_from_neither():
    one, same, other = task("copy"), task("copy", evaluate_to=8.0), task("copy", seed=1)
    assert one.batch(5)["tokens"].equal(same.batch(5)["tokens"])
    assert not one.batch(5)["tokens"].equal(other.batch(5)["tokens"])
    first, second = (next(iter(data.test_batches()))["tokens"] for data in (one, other))
    assert first.equal(second)
    assert not first.equal(next(iter(one.validation_batches()))["tokens"])


def test_lengths_are_multiples_of_n():
    expected = {"x1": 20, "x1_1": 22, "x1_25": 25, "x1_5": 30, "x2": 40}
    assert task("copy", length=20).lengths == expected
    assert "x8" in task("copy", evaluate_to=8.0).lengths


def test_a_length_without_room_for_a_key_is_refused():
    with pytest.raises(ValueError, match=r"data\.length=5 is too short: passkey needs 6"):
        task("passkey", length=5)


def test_what_is_scored_does_not_depend_on_padding():
    data = task("reverse", batch_size=50)
    batch = data.batch(2)
    answers = batch["scored"].sum(1)
    lengths = (batch["tokens"] != PADDING).sum(1)
    assert torch.equal(lengths, 2 * (answers - 1) + 3)
