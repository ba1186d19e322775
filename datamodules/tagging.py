"""Token tagging: word labels on first sub-tokens, and F1 over whole entities (IOB2), as CoNLL does.

first_subtoken_labels([0, 0, 1], [3, 4])                    # [3, -100, 4]
tagging_scores([[1, 2, 0]], {"logits": ...}, tags=("O", "B-PER", "I-PER"))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from datamodules.finetuning import IGNORED, Outputs


def first_subtoken_labels(word_of: Sequence[int | None], labels: Sequence[int]) -> list[int]:
    """A label for each token: its word's where it begins the word, else IGNORED.

    word_of: the index of each token's word, None at special tokens.
    """
    previous: int | None = None
    of_token = []
    for word in word_of:
        begins = word is not None and word != previous
        of_token.append(labels[word] if begins and word is not None else IGNORED)
        previous = word
    return of_token


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """(type, first, last) of the entities of a sentence's tags "O", "B-<type>", "I-<type>".

    As in conlleval, an I- that continues nothing of its type begins an entity.
    """
    found: set[tuple[str, int, int]] = set()
    kind, first = "", 0
    for index, tag in enumerate([*tags, "O"]):
        prefix, _, named = tag.partition("-")
        if prefix == "I" and named == kind:
            continue
        if kind:
            found.add((kind, first, index - 1))
        kind, first = named, index
    return found


def tagging_scores(
    labels: Sequence[Sequence[int]], outputs: Outputs, *, tags: Sequence[str]
) -> dict[str, float]:
    """f1 over entities, which is the score, its precision and recall, and the tokens' accuracy.

    labels: a row's tags at its tokens, IGNORED ones left out; outputs: "logits" [N, T, C].
    degenerate: 1 where every token got the same tag.
    """
    right = predicted = true = 0
    correct: list[bool] = []
    answers: set[int] = set()
    for row, logits in zip(labels, outputs["logits"], strict=True):
        counted = [index for index, label in enumerate(row) if label != IGNORED]
        chosen = np.asarray(logits)[counted].argmax(axis=1).tolist()
        wanted = [row[index] for index in counted]
        mine, theirs = (entities([tags[x] for x in one]) for one in (chosen, wanted))
        right, predicted, true = (
            right + len(mine & theirs),
            predicted + len(mine),
            true + len(theirs),
        )
        correct += [a == b for a, b in zip(chosen, wanted, strict=True)]
        answers |= set(chosen)
    f1 = 2 * right / (predicted + true) if predicted + true else 1.0
    return {
        "score": f1,
        "f1": f1,
        "precision": right / predicted if predicted else 0.0,
        "recall": right / true if true else 0.0,
        "accuracy": float(np.mean(correct)),
        "degenerate": float(len(answers) == 1),
    }
