"""Coherence: do two texts belong to one story?

Both tell of the same two people, of other things and deeds. B's things and the words for its deeds
are of A's setting (1) or of another (0). None occurs in both texts, so that only who knows the
settings can tell. What next-sentence prediction trains; there are so few examples that it helps to
know the task already.
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
    setting, other = random.sample(SETTINGS, 2)
    if label == "coherent":
        other = setting
    first = random.sample(OBJECTS_OF[setting], 2)
    second = random.sample([thing for thing in OBJECTS_OF[other] if thing not in first], 2)
    kinds = random.sample(KINDS, len(KINDS))
    texts = [
        _told(random, people, kinds[:2], first, setting),
        _told(random, people, kinds[2:], second, other),
    ]
    return Text(*texts, LABELS.index(label))


def _told(
    random: Random, people: list[str], kinds: list[str], things: list[str], setting: str
) -> str:
    register = SETTINGS.index(setting)
    told = zip(kinds, random.sample(people, len(people)), things, strict=True)
    return joined([fact(random, VERBS[kind][register], who, what) for kind, who, what in told])
