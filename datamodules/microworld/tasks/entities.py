"""Entities: who gives, who gets, and which thing; a tag for every word.

Giver and getter are told by word order and voice, for the getter of "mara was given ka box by tom"
from its right. A tagging task.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS
from datamodules.microworld.sentences import transfer
from datamodules.microworld.tasks.base import TaggedText, coloured, joined

LABELS = ("tagged",)
TAGS = ("O", "B-GIVER", "B-GETTER", "B-THING", "I-THING")
NUM_SENTENCES = 2


def draw(random: Random, label: str) -> TaggedText:
    people = random.sample(NAMES, 2 * NUM_SENTENCES)
    things = [coloured(random, thing) for thing in random.sample(OBJECTS, NUM_SENTENCES)]
    tags: list[str] = []
    sentences = []
    for giver, getter, thing in zip(people[::2], people[1::2], things, strict=True):
        sentences.append(transfer(random, giver, getter, thing))
        of_word = {giver: "B-GIVER", getter: "B-GETTER"}
        of_word |= dict.fromkeys(thing.split(), "I-THING") | {thing.split()[0]: "B-THING"}
        tags += [of_word.get(word, "O") for word in [*sentences[-1].split(), "."]]
    return TaggedText(joined(sentences), tuple(tags))
