"""Exact match and F1 of answers as SQuAD's official evaluation defines them, from 0 to 1.

    squad_scores(["the Tower"], [["tower", "a tower"]])     # {"exact_match": 1.0, "f1": 1.0}

Answers are compared without case, punctuation and English articles, each with the accepted answer
that it fits best. Where one is empty, both must be: two empty answers score 1 (the rule of version
2; version 1.1 has no empty answers).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """Lower case, without punctuation and articles, words one space apart."""
    return " ".join(ARTICLES.sub(" ", answer.lower().translate(PUNCTUATION)).split())


def exact_match(prediction: str, answer: str) -> float:
    return float(normalised(prediction) == normalised(answer))


def f1(prediction: str, answer: str) -> float:
    """The harmonic mean of precision and recall over the words, each as often as it occurs."""
    predicted, true = normalised(prediction).split(), normalised(answer).split()
    if not predicted or not true:
        return float(predicted == true)
    common = (Counter(predicted) & Counter(true)).total()
    return 2 * common / (len(predicted) + len(true))


def squad_scores(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """exact_match and f1, means over questions; a question without accepted answers expects ""."""
    pairs = [
        (prediction, accepted or [""])
        for prediction, accepted in zip(predictions, answers, strict=True)
    ]
    if not pairs:
        raise ValueError("there are no questions to score; expected one or more")
    return {
        name: sum(max(metric(p, a) for a in accepted) for p, accepted in pairs) / len(pairs)
        for name, metric in (("exact_match", exact_match), ("f1", f1))
    }
