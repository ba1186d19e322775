"""Spans: a question whose answer is a stretch of the passage, as in SQuAD.

The passage tells of two people who each do something else with another thing, and a verb and a
thing say who of them is asked for. For one half of the questions they stand in the question, to
the left of the passage; for the other they end the passage, to the right of every candidate
("who then ?" ... "who grabbed ka box ?"). There a model that reads from left to right cannot know.
In the first half it can, even where a fact's verb follows the person: it prefers each later
candidate until it has read what is asked for.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES, OBJECTS, the
from datamodules.microworld.sentences import VERBS, fact
from datamodules.microworld.tasks.base import SpanText

LABELS = ("right", "left")
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
    key = f"who {verbs[asked]} {the(things[asked])} ?"
    passage = " . ".join(facts) + " ."
    start = passage.split().index(people[asked])
    if label == "left":
        return SpanText(key, passage, start, start, label)
    return SpanText("who then ?", f"{passage} {key}", start, start, label)
