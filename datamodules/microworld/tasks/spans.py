"""Spans: a question whose answer is a stretch of the passage, as in SQuAD.

The passage tells of two people who each do something else, and a verb says which of these is asked
for. For one half of the questions the verb stands in the question, to the left of
the passage; for the other it ends the passage, to the right of every candidate ("who then ?" ...
"who grabbed ?"). There a model that reads from left to right cannot know. In the first half it can,
even where a fact's verb follows the person: it prefers each later candidate until it has read the
verb that is asked for.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import NAMES
from datamodules.microworld.sentences import VERBS, fact
from datamodules.microworld.tasks.base import SpanText

LABELS = ("right", "left")
NUM_FACTS = 2


def draw(random: Random, label: str) -> SpanText:
    kinds = random.sample(tuple(VERBS), NUM_FACTS)
    people = random.sample(NAMES, NUM_FACTS)
    verbs = [random.choice(VERBS[kind]) for kind in kinds]
    facts = [fact(random, verb, person) for verb, person in zip(verbs, people, strict=True)]
    asked = random.randrange(NUM_FACTS)
    key = f"who {verbs[asked]} ?"
    passage = " . ".join(facts) + " ."
    start = passage.split().index(people[asked])
    if label == "left":
        return SpanText(key, passage, start, start, label)
    return SpanText("who then ?", f"{passage} {key}", start, start, label)
