"""Paraphrase: do two sentences mean the same?

They hold the same people and things; the roles, told by word order and voice, make the difference
("mara gave ka box to tom", "tom got ka box from mara"). The bag of words has no part in it: each
pair of one class becomes one of the other by exchanging two names.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS, the
from datamodules.microworld.sentences import transfer
from datamodules.microworld.tasks.base import Text

LABELS = ("different", "same")


def draw(random: Random, label: str) -> Text:
    giver, getter = random.sample(NAMES, 2)
    thing = the(random.choice(OBJECTS))
    roles = (getter, giver) if label == "different" else (giver, getter)
    first, second = transfer(random, giver, getter, thing), transfer(random, *roles, thing)
    return Text(f"{first} .", f"{second} ?", LABELS.index(label))
