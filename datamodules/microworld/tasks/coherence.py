"""Coherence: do two texts belong to one story?

Both tell who has one thing and where another lies; the person is the same. B's things and place are
of A's setting (1) or of another (0). None occurs in both texts, so that only who knows the settings
can tell. What next-sentence prediction trains; there are so few examples that it helps to know the
task already.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS_OF, PLACES_OF, SETTINGS, the
from datamodules.microworld.tasks.base import Text, joined

LABELS = ("broken", "coherent")


def draw(random: Random, label: str) -> Text:
    person = random.choice(NAMES)
    setting, other = random.sample(SETTINGS, 2)
    if label == "coherent":
        other = setting
    things, place = random.sample(OBJECTS_OF[setting], 2), random.choice(PLACES_OF[setting])
    others = [thing for thing in OBJECTS_OF[other] if thing not in things]
    elsewhere = [noun for noun in PLACES_OF[other] if noun != place]
    first = _told(random, person, things, place)
    second = _told(random, person, random.sample(others, 2), random.choice(elsewhere))
    return Text(first, second, LABELS.index(label))


def _told(random: Random, person: str, things: list[str], place: str) -> str:
    held, lying = things
    sentences = [f"now {the(held)} was with {person}", f"{the(lying)} lay in {the(place)}"]
    return joined(random.sample(sentences, 2))
