"""Coherence: does text B go on with the story of text A?

A tells what two people do. B names one of them and goes on with that person's thing or place (1),
with the other's (0), or is of another story, with other people and things (a share of 0). Only the
last kind can be told from the words without their order.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import HAVE, NAMES, OBJECTS, PLACES, the
from datamodules.microworld.sentences import VERBS, fact
from datamodules.microworld.tasks.base import Text, joined

LABELS = ("broken", "coherent")
ANOTHER_STORY = 0.5  # of the broken ones


def draw(random: Random, label: str) -> Text:
    hero, other, stranger = random.sample(NAMES, 3)
    kind = random.choice(("take", "go"))
    own, others, strange = random.sample(OBJECTS if kind == "take" else PLACES, 3)
    facts = [
        fact(random, random.choice(VERBS[kind]), person, noun, form="person_first")
        for person, noun in ((hero, own), (other, others))
    ]
    random.shuffle(facts)
    who, what = hero, own
    if label == "broken":
        who, what = (stranger, strange) if random.random() < ANOTHER_STORY else (hero, others)
    verb = random.choice(HAVE) if kind == "take" else "was in"
    return Text(joined(facts), f"now {who} {verb} {the(what)} .", LABELS.index(label))
