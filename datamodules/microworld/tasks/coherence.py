"""Coherence: do two texts belong to one story?

Both tell of the same two people, with other things. B's things are of A's setting (1) or of another
(0). No thing occurs in both texts, so that only who knows the settings can tell. What next-sentence
prediction trains; there are so few examples that it helps to know the task already.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS_OF, SETTINGS
from datamodules.microworld.sentences import VERBS, fact
from datamodules.microworld.tasks.base import Text, joined

LABELS = ("broken", "coherent")
KINDS = ("take", "drop", "like", "hate")


def draw(random: Random, label: str) -> Text:
    people = random.sample(NAMES, 2)
    setting, another = random.sample(SETTINGS, 2)
    first = random.sample(OBJECTS_OF[setting], 2)
    of_second = OBJECTS_OF[setting if label == "coherent" else another]
    second = random.sample([thing for thing in of_second if thing not in first], 2)
    return Text(_facts(random, people, first), _facts(random, people, second), LABELS.index(label))


def _facts(random: Random, people: list[str], things: list[str]) -> str:
    facts = [
        fact(random, random.choice(VERBS[random.choice(KINDS)]), person, thing)
        for person, thing in zip(random.sample(people, len(people)), things, strict=True)
    ]
    return joined(facts)
