"""Paraphrase: do two sentences mean the same?

They hold the same people and the same thing; the roles, told by verb and word order, make the
difference ("mara gave ka box to tom", "tom got ka box from mara"). The bag of words has no part in
it: each pair of one class becomes one of the other by exchanging two names.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS, the
from datamodules.microworld.sentences import transfer
from datamodules.microworld.tasks.base import Text

LABELS = ("different", "same")
FORMS = ("to", "from")


def draw(random: Random, label: str) -> Text:
    giver, getter = random.sample(NAMES, 2)
    thing = the(random.choice(OBJECTS))
    roles = (getter, giver) if label == "different" else (giver, getter)
    first = transfer(random, giver, getter, thing, random.choice(FORMS))
    second = transfer(random, *roles, thing, random.choice(FORMS))
    return Text(f"{first} .", f"{second} ?", LABELS.index(label))
