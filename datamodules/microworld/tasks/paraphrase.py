"""Paraphrase: do two sentences mean the same?

They hold the same people and things; the roles, told by word order and voice, make the difference
("mara gave tom ka box", "tom was given ka box by mara"). The bag of words has no part in it: each
pair of one class becomes one of the other by exchanging two names.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS, the
from datamodules.microworld.sentences import taking, transfer
from datamodules.microworld.tasks.base import Text

LABELS = ("different", "same")


def draw(random: Random, label: str) -> Text:
    first, second = random.sample(NAMES, 2)
    things = [the(thing) for thing in random.sample(OBJECTS, 2)]
    is_transfer = random.random() < 0.5
    roles = (second, first) if label == "different" else (first, second)
    if is_transfer:
        texts = [transfer(random, *pair, things[0]) for pair in ((first, second), roles)]
    else:
        texts = [_two_takings(random, pair, things) for pair in ((first, second), roles)]
    return Text(f"{texts[0]} .", f"{texts[1]} ?", LABELS.index(label))


def _two_takings(random: Random, people: tuple[str, str], things: list[str]) -> str:
    clauses = [taking(random, *pair) for pair in zip(people, things, strict=True)]
    random.shuffle(clauses)
    return " and ".join(clauses)
