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
    """`entity_scores` of rows' tags at their tokens, IGNORED ones left out.

    outputs: "logits" [N, T, C].
    """
    wanted, chosen = [], []
    for row, logits in zip(labels, outputs["logits"], strict=True):
        counted = [index for index, label in enumerate(row) if label != IGNORED]
        wanted.append([tags[row[index]] for index in counted])
        chosen.append([tags[tag] for tag in np.asarray(logits)[counted].argmax(axis=1)])
    return entity_scores(wanted, chosen)


def entity_scores(
    wanted: Sequence[Sequence[str]], chosen: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Of sentences' tags: f1 over entities, which is the score, its precision and recall, and the
    tags' accuracy; all as seqeval computes them, 0 where there is nothing to divide by.

    degenerate: 1 where every word got the same tag.
    """
    right = predicted = true = correct = 0
    for theirs, mine in zip(wanted, chosen, strict=True):
        found, expected = entities(mine), entities(theirs)
        right += len(found & expected)
        predicted += len(found)
        true += len(expected)
        correct += sum(a == b for a, b in zip(theirs, mine, strict=True))
    f1 = 2 * right / (predicted + true) if predicted + true else 0.0
    return {
        "score": f1,
        "f1": f1,
        "precision": right / predicted if predicted else 0.0,
        "recall": right / true if true else 0.0,
        "accuracy": correct / sum(map(len, wanted)),
        "degenerate": float(len({tag for mine in chosen for tag in mine}) == 1),
    }
