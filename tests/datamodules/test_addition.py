"""The addition task: how it is written, how it is split, what training draws."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from datamodules.addition import Addition, pair_id, pair_of
from datamodules.addition_format import FORMATS, AdditionFormat

layouts = st.builds(AdditionFormat, st.integers(1, 8), st.sampled_from(sorted(FORMATS)))


def seed_for(stream: str, step: int) -> int:
    digest = hashlib.sha256(f"0/{stream}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def addition(**settings_) -> Addition:
    return Addition(**{"seed_for": seed_for, "num_workers": 0, **settings_})


def held_out_pairs(data: Addition) -> set[frozenset[int]]:
    problems = np.concatenate([data.validation_problems, data.test_problems])
    return {frozenset(problem) for problem in problems.tolist()}


# How a problem is written


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("reversed", "123+456=9750"),
        ("plain", "123+456=0579"),
        ("mingpt", "1234569750"),
        ("mingpt_plain", "1234560579"),
    ],
)
def test_a_problem_is_written_as_its_format_says(format, text):
    layout = AdditionFormat(3, format)
    tokens = layout.encode(123, 456)
    assert layout.text(tokens) == [text]
    assert tokens.shape == (1, layout.sequence_length)
    assert layout.text(tokens[:, : layout.prompt_length])[0] == text[:-4]


def test_mingpts_own_example_of_85_plus_50():
    assert AdditionFormat(2, "mingpt").text(AdditionFormat(2, "mingpt").encode(85, 50)) == [
        "8550531"
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_every_two_digit_problem_matches_string_formatting(format):
    a, b = (side.ravel() for side in np.indices((100, 100)))
    layout = AdditionFormat(2, format)
    plus, equals = ("+", "=") if layout.separators else ("", "")
    expected = []
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        answer = f"{x + y:03d}"
        expected.append(
            f"{x:02d}{plus}{y:02d}{equals}{answer[::-1] if layout.reversed_sum else answer}"
        )
    assert layout.text(layout.encode(a, b)) == expected


@given(layouts, st.data())
def test_decoding_inverts_encoding(layout, data):
    number = st.integers(0, 10**layout.digits - 1)
    a, b = data.draw(st.lists(st.tuples(number, number), min_size=1, max_size=5).map(np.transpose))
    decoded = layout.decode(layout.encode(a, b))
    np.testing.assert_array_equal(decoded, [a, b, a + b])


@given(layouts)
def test_tokens_lie_in_the_vocabulary_and_separators_only_where_there_are_some(layout):
    largest = 10**layout.digits - 1
    tokens = layout.encode([0, largest], [largest, largest])
    assert 0 <= tokens.min() <= tokens.max() < layout.vocab_size
    assert (tokens >= 10).sum(axis=1).tolist() == [2 * layout.separators] * 2


def test_user_mistakes_are_value_errors_that_say_what_was_expected():
    with pytest.raises(ValueError, match="no addition format 'backwards'; expected one of rev"):
        addition(format="backwards")
    for digits in (0, 9, -1):
        with pytest.raises(ValueError, match=f"digits is {digits}; expected 1 to 8"):
            addition(digits=digits)
    with pytest.raises(ValueError, match="batch_size is 0; expected 1 or more"):
        addition(batch_size=0)
    with pytest.raises(ValueError, match=r"outside 0\.\.99"):
        AdditionFormat(2).encode([100], [0])
    with pytest.raises(ValueError, match="expected \\[problems, 9\\]"):
        AdditionFormat(2).decode(np.zeros((1, 8), int))
    with pytest.raises(ValueError, match="expected them as in '00\\+00=000'"):
        AdditionFormat(2).decode(np.zeros((1, 9), int))


# The split


@pytest.mark.parametrize(
    ("digits", "pairs", "held_out"), [(1, 55, 5), (2, 5050, 505), (3, 500_500, 10_000)]
)
def test_the_split_has_exact_counts_and_shares_no_pair(digits, pairs, held_out):
    data = addition(digits=digits)
    ids = pair_id(*np.concatenate([data.validation_problems, data.test_problems]).T)
    assert data.validation_size == data.test_size == held_out
    assert len(np.unique(ids)) == 2 * held_out
    assert 0 <= ids.min() <= ids.max() < pairs
    doubles = sum(len(pair) == 1 for pair in held_out_pairs(data))
    assert data.num_train_problems == 100**digits - 4 * held_out + doubles


def test_evaluation_asks_each_held_out_problem_once_in_batches_of_at_most_2048():
    data = addition(digits=3)
    for batches, problems in [
        (data.validation_batches(), data.validation_problems),
        (data.test_batches(), data.test_problems),
    ]:
        assert [len(batch["tokens"]) for batch in batches] == [2048] * 4 + [1808]
        a, b, answer = data.decode(torch.cat([batch["tokens"] for batch in batches]))
        np.testing.assert_array_equal(np.stack([a, b], axis=1), problems)
        np.testing.assert_array_equal(answer, a + b)


def test_either_order_of_a_held_out_pair_is_asked_as_often():
    problems = addition(digits=3).test_problems
    first_is_larger = int((problems[:, 0] > problems[:, 1]).sum())
    unequal = int((problems[:, 0] != problems[:, 1]).sum())
    assert stats.binomtest(first_is_larger, unequal).pvalue > 1e-3


def test_the_split_belongs_to_the_task_and_not_to_the_run():
    one, other = addition(digits=2), addition(digits=2, seed_for=lambda stream, step: 7)
    np.testing.assert_array_equal(one.test_problems, other.test_problems)
    assert (addition(digits=2, split_seed=1).test_problems != one.test_problems).any()


def test_the_published_split_does_not_move():
    """It decides every number of the study: if this moves, raise Addition.version."""
    assert addition(digits=2).test_problems[:3].tolist() == [[18, 43], [5, 5], [91, 27]]
    assert addition(digits=8).test_problems[:1].tolist() == [[88954342, 33778312]]


@given(st.integers(0, 10**8 - 1), st.integers(0, 10**8 - 1))
@settings(max_examples=300)
def test_pair_ids_are_unordered_and_invertible(a, b):
    a_, b_ = np.array([a]), np.array([b])
    assert pair_id(a_, b_) == pair_id(b_, a_)
    assert [int(side[0]) for side in pair_of(pair_id(a_, b_))] == sorted((a, b))


def test_the_first_and_the_last_pair_of_a_large_number_are_inverted():
    large = np.arange(10**8 - 10**5, 10**8)
    for small in (np.zeros_like(large), large):
        np.testing.assert_array_equal(pair_of(pair_id(small, large)), [small, large])


def test_pair_ids_number_all_pairs_without_a_gap():
    a, b = np.triu_indices(100)
    assert sorted(pair_id(a, b)) == list(range(5050))


# Training batches


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_no_twin_of_a_held_out_pair_is_ever_trained_on(digits):
    data = addition(digits=digits, batch_size=512)
    tokens = torch.cat([data.batch(step)["tokens"] for step in range(200)])
    a, b, answer = data.decode(tokens)
    np.testing.assert_array_equal(answer, a + b)
    trained = {frozenset(pair) for pair in zip(a.tolist(), b.tolist(), strict=True)}
    assert not trained & held_out_pairs(data)


def test_a_batch_is_a_function_of_the_seed_and_the_step_alone():
    data = addition(digits=3)
    later = data.batch(41)["tokens"]
    data.batch(3), np.random.rand(), torch.rand(1)
    assert torch.equal(data.batch(41)["tokens"], later)
    assert torch.equal(addition(digits=3).batch(41)["tokens"], later)
    assert not torch.equal(data.batch(42)["tokens"], later)
    assert not torch.equal(
        addition(digits=3, seed_for=lambda stream, step: step).batch(41)["tokens"], later
    )


@pytest.mark.parametrize("digits", [1, 3, 8])
def test_a_batch_is_int64_of_the_stated_shape(digits):
    data = addition(digits=digits, batch_size=17)
    tokens = data.batch(0)["tokens"]
    assert tokens.dtype == torch.int64
    assert tokens.shape == (17, data.sequence_length)
    assert data.sequence_length == data.prompt_length + data.answer_length


def test_training_draws_every_order_of_every_training_pair_equally_often():
    data = addition(digits=1, batch_size=900)
    tokens = torch.cat([data.batch(step)["tokens"] for step in range(100)])
    a, b, _ = data.decode(tokens)
    counts = Counter(zip(a.tolist(), b.tolist(), strict=True))
    assert len(counts) == data.num_train_problems
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_training_operands_are_uniform_at_three_digits():
    data = addition(digits=3, batch_size=1000)
    a, b, _ = data.decode(torch.cat([data.batch(step)["tokens"] for step in range(100)]))
    for operand in (a, b):
        assert stats.chisquare(np.bincount(operand // 10, minlength=100)).pvalue > 1e-3


# Perturbations


@pytest.mark.parametrize("format", FORMATS)
def test_swapping_exchanges_the_operands_and_keeps_the_answer(format):
    data = addition(digits=2, format=format)
    tokens = data.batch(0)["tokens"]
    a, b, answer = data.decode(tokens)
    np.testing.assert_array_equal(data.decode(data.swapped(tokens)), [b, a, answer])
    assert torch.equal(data.swapped(data.swapped(tokens)), tokens)
    prompt = tokens[:, : data.prompt_length]
    assert torch.equal(data.swapped(prompt), data.swapped(tokens)[:, : data.prompt_length])


@pytest.mark.parametrize("format", FORMATS)
def test_shuffling_permutes_each_prompt_by_itself_up_to_its_last_token(format):
    data = addition(digits=3, format=format)
    tokens = data.batch(0)["tokens"]
    shuffled = data.shuffled(tokens, torch.Generator().manual_seed(0))
    free = data.prompt_length - 1
    assert torch.equal(shuffled[:, free:], tokens[:, free:])
    assert torch.equal(shuffled[:, :free].sort(dim=1)[0], tokens[:, :free].sort(dim=1)[0])
    assert (shuffled != tokens).any(dim=1).float().mean() > 0.95
    same_prompt = data.shuffled(tokens[:1].expand(50, -1), torch.Generator().manual_seed(0))
    assert len(same_prompt.unique(dim=0)) > 30
    again = data.shuffled(tokens, torch.Generator().manual_seed(0))
    assert torch.equal(again, shuffled)
