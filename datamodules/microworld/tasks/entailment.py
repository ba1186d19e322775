"""Entailment: does the hypothesis follow from the premise (entailed), is it false (contradicted),
or does the premise not say (neutral)?

The premise tells what two people do. Who took a thing has it, who went to a place is there, and
nobody else; of a thing that is only liked or hated nothing follows. All labels share the same words
with the premise, and what tells them apart is who did what.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import HAVE, NAMES, OBJECTS, PLACES, the
from datamodules.microworld.sentences import VERBS, fact
from datamodules.microworld.tasks.base import Text, joined

LABELS = ("entailed", "contradicted", "neutral")


def draw(random: Random, label: str) -> Text:
    first, second = random.sample(NAMES, 2)
    kinds = [random.choice(("take", "go")), random.choice(("like", "hate"))]
    nouns = [random.choice(PLACES if kinds[0] == "go" else OBJECTS)]
    nouns.append(random.choice([thing for thing in OBJECTS if thing not in nouns]))
    facts = [
        fact(random, random.choice(VERBS[kind]), person, noun, form="person_first")
        for kind, person, noun in zip(kinds, (first, second), nouns, strict=True)
    ]
    random.shuffle(facts)
    who = {"entailed": first, "contradicted": second, "neutral": random.choice((first, second))}
    if label == "neutral":
        hypothesis = f"{who[label]} {random.choice(HAVE)} {the(nouns[1])}"
    elif kinds[0] == "go":
        hypothesis = f"{who[label]} was in {the(nouns[0])}"
    else:
        hypothesis = f"{who[label]} {random.choice(HAVE)} {the(nouns[0])}"
    return Text(joined(facts), f"{hypothesis} ?", LABELS.index(label))
