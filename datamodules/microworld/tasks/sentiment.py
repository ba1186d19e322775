"""Sentiment: is the text's verdict good or bad?

Negations turn a word round, two of them do not; intensifiers change nothing; in "x but y" and in
"although x , y" (or "y although x") the verdict is y's.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import (
    BAD,
    GOOD,
    HATE,
    INTENSIFIERS,
    LIKE,
    NAMES,
    NEGATIONS,
    OBJECTS,
    the,
)
from datamodules.microworld.tasks.base import Text

LABELS = ("bad", "good")
NUM_NEGATIONS = (0.55, 0.32, 0.13)  # how often none, one, two
ONE_CLAUSE, AGREEING = 0.35, 0.25  # the others contrast two clauses


def draw(random: Random, label: str) -> Text:
    is_good = label == "good"
    first, second = random.sample(OBJECTS, 2)
    verdict = _clause(random, first, is_good)
    form = random.random()
    if form < ONE_CLAUSE:
        text = verdict
    elif form < ONE_CLAUSE + AGREEING:
        text = f"{verdict} and {_clause(random, second, is_good)}"
    else:
        outweighed = _clause(random, second, not is_good)
        text = random.choice(
            (
                f"{outweighed} but {verdict}",
                f"although {outweighed} , {verdict}",
                f"{verdict} although {outweighed}",
            )
        )
    return Text(f"{text} .", None, LABELS.index(label))


def _clause(random: Random, thing: str, is_good: bool) -> str:
    """One clause of the given verdict: by an adjective, or by what somebody likes."""
    num_negations = random.choices(range(3), NUM_NEGATIONS)[0]
    said_good = is_good == (num_negations != 1)
    negations = random.sample(NEGATIONS, num_negations)
    intensifier = [random.choice(INTENSIFIERS)] if random.random() < 0.4 else []
    if random.random() < 0.3:
        verb = random.choice(LIKE if said_good else HATE)
        return " ".join([random.choice(NAMES), *negations, *intensifier, verb, the(thing)])
    word = random.choice(GOOD if said_good else BAD)
    return " ".join([the(thing), "was", *negations, *intensifier, word])
