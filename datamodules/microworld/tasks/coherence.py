"""Coherence: do two texts belong to one story?

Both tell what two people have; the people are the same. B's things are of A's setting (1) or of
another (0). None occurs in both texts, so that only who knows the settings can tell. What
next-sentence prediction trains; there are so few examples that it helps to know the task already.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS_OF, SETTINGS, the
from datamodules.microworld.tasks.base import Text, joined

LABELS = ("broken", "coherent")


def draw(random: Random, label: str) -> Text:
    people = random.sample(NAMES, 2)
    setting, other = random.sample(SETTINGS, 2)
    if label == "coherent":
        other = setting
    things = random.sample(OBJECTS_OF[setting], 2)
    others = random.sample([thing for thing in OBJECTS_OF[other] if thing not in things], 2)
    first, second = (_told(random, people, told) for told in (things, others))
    return Text(first, second, LABELS.index(label))


def _told(random: Random, people: list[str], things: list[str]) -> str:
    told = zip(things, random.sample(people, 2), strict=True)
    return joined([f"now {the(thing)} was with {person}" for thing, person in told])
