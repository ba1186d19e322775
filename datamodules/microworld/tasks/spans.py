"""Spans: a question whose answer is a stretch of the passage, as in SQuAD.

The passage tells of two people who each do something else with another thing, and ends by saying
who of them is asked for: "ka box was dropped by ana . and then lia loved li plate . who dropped ka
box ?" The question before it ("who then ?") does not. So the evidence stands to the right of every
candidate, where a model that reads from left to right cannot know it.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS, the
from datamodules.microworld.sentences import VERBS, fact
from datamodules.microworld.tasks.base import SpanText

LABELS = ("asked",)
KINDS = ("take", "drop", "like", "hate")
NUM_FACTS = 2


def draw(random: Random, label: str) -> SpanText:
    kinds = random.sample(KINDS, NUM_FACTS)
    people = random.sample(NAMES, NUM_FACTS)
    verbs = [random.choice(VERBS[kind]) for kind in kinds]
    things = random.sample(OBJECTS, NUM_FACTS)
    told = zip(verbs, people, things, strict=True)
    facts = [fact(random, verb, person, thing) for verb, person, thing in told]
    asked = random.randrange(NUM_FACTS)
    passage = " . ".join(facts) + f" . who {verbs[asked]} {the(things[asked])} ?"
    start = passage.split().index(people[asked])
    return SpanText("who then ?", passage, start, start)
