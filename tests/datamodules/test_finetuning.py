"""Fine-tuning batches: epochs as permutations, BERT's input of one text or two, padding."""

from __future__ import annotations

import itertools

import pytest
import torch

from datamodules.encoding import encode_pair, padded
from datamodules.finetuning import FinetuningDataModule, Row, classification_scores, majority_share

CLS, SEP = 101, 102


class Numbers(FinetuningDataModule):
    """Row i: i + 1 tokens i, of class i % 2."""

    kind, num_labels, vocab_size = "classification", 2, 100

    def rows(self, split):
        count = {"train": 10, "validation": 3, "test": 300}[split]
        return [
            Row(tokens=[i] * (i + 1), segments=[1] * (i + 1), label=i % 2) for i in range(count)
        ]

    def score(self, split, outputs):
        return classification_scores([row["label"] for row in self.rows(split)], outputs)


@pytest.fixture
def data():
    return Numbers(
        batch_size=4, sequence_length=300, seed_for=lambda stream, step: 7 + step, num_workers=0
    )


def seen(batch):
    return batch["tokens"][:, 0].tolist()


def test_an_epoch_shows_every_example_once_and_keeps_its_short_last_batch(data):
    assert data.steps_per_epoch == 3
    epochs = [[seen(data.batch(3 * epoch + k)) for k in range(3)] for epoch in range(2)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4, 2]
        assert sorted(itertools.chain(*epoch)) == list(range(10))
    assert epochs[0] != epochs[1]


def test_a_batch_depends_on_its_step_alone(data):
    late = data.batch(5)
    data.batch(0)
    again = data.batch(5)
    assert all(torch.equal(late[key], again[key]) for key in late)


def test_a_batch_is_padded_to_its_longest_row(data):
    batch = data.collate(data.rows("train")[:3])
    assert batch["tokens"].tolist() == [[0, 0, 0], [1, 1, 0], [2, 2, 2]]
    assert batch["segments"].tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert batch["padding_mask"].tolist() == [[True, False, False], [True, True, False], [True] * 3]
    assert batch["labels"].tolist() == [0, 1, 0]


def test_evaluation_batches_hold_a_split_in_order(data):
    batches = data.test_batches()
    assert len(batches) > 1
    assert list(itertools.chain(*map(seen, batches))) == list(range(300))


def test_a_pair_is_cut_longest_first_and_of_equal_texts_the_second():
    tokens, segments = encode_pair([1, 2, 3, 4, 5], [6, 7], length=8, cls=CLS, sep=SEP)
    assert tokens == [CLS, 1, 2, 3, SEP, 6, 7, SEP]
    assert segments == [0, 0, 0, 0, 0, 1, 1, 1]
    assert encode_pair([1, 2], [3, 4], length=6, cls=CLS, sep=SEP)[0] == [CLS, 1, 2, SEP, 3, SEP]
    assert encode_pair([1, 2], [3, 4], length=9, cls=CLS, sep=SEP)[0][1:3] == [1, 2]


def test_one_text_has_one_segment():
    assert encode_pair([1, 2, 3], None, length=4, cls=CLS, sep=SEP) == (
        [CLS, 1, 2, SEP],
        [0, 0, 0, 0],
    )
    with pytest.raises(ValueError, match="expected room for a token"):
        encode_pair([1], [2], length=3, cls=CLS, sep=SEP)


def test_padding_is_marked_as_not_real():
    values, is_real = padded([[5, 6], [7]], fill=9)
    assert values.tolist() == [[5, 6], [7, 9]]
    assert is_real.tolist() == [[True, True], [True, False]]


def test_answering_one_class_always_is_degenerate(data):
    logits = torch.tensor([[0.0, 1.0]] * 3).numpy()
    scores = data.score("validation", {"logits": logits})
    assert scores == {
        "score": pytest.approx(1 / 3),
        "accuracy": pytest.approx(1 / 3),
        "degenerate": 1,
    }
    logits[0] = [1.0, 0.0]
    assert data.score("validation", {"logits": logits})["degenerate"] == 0
    assert majority_share([0, 1, 1, 2]) == 0.5
