"""Spans: a question whose answer is a stretch of the passage, as in SQuAD.

The passage tells of three people who each do something else, and the verb alone, or its synonym,
says whom or what the question is about. It stands on the answer's right ("who grabbed ?": "mara
took ka box") for one half of the questions and on its left ("ka box was taken by mara") for the
other. A model that reads from left to right sees the question first, but on the right half it
reaches the answer before the evidence.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import (
    DROP,
    GO,
    HATE,
    LIKE,
    NAMES,
    OBJECTS,
    PASSIVE,
    PLACES,
    TAKE,
    the,
)
from datamodules.microworld.tasks.base import SpanText

LABELS = ("right", "left")
VERBS = {"take": TAKE, "drop": DROP, "like": LIKE, "hate": HATE, "go": GO}
NUM_FACTS = 3
# (form, asked role) -> where the verb stands, seen from the answer
SIDE = {
    ("active", "person"): "right",
    ("active", "thing"): "left",
    ("passive", "person"): "left",
    ("passive", "thing"): "right",
}


def draw(random: Random, label: str) -> SpanText:
    kinds = random.sample(tuple(VERBS), NUM_FACTS)
    people = random.sample(NAMES, NUM_FACTS)
    things = [the(noun) for noun in random.sample(OBJECTS, NUM_FACTS)]
    places = [the(noun) for noun in random.sample(PLACES, NUM_FACTS)]
    kind = kinds[0]
    role = "person" if kind == "go" else random.choice(("person", "thing"))
    asked_form = next(form for form in ("active", "passive") if SIDE[form, role] == label)
    facts = []
    for i, (each, person) in enumerate(zip(kinds, people, strict=True)):
        form = asked_form if i == 0 else random.choice(("active", "passive"))
        other = places[i] if each == "go" else things[i]
        facts.append(_fact(random, each, person, other, form))
    order = random.sample(range(NUM_FACTS), NUM_FACTS)
    words = [word for i in order for word in (*facts[i].split(), ".")]
    before = sum(len(facts[i].split()) + 1 for i in order[: order.index(0)])
    answer = (people[0] if role == "person" else things[0]).split()
    start = before + _find(facts[0].split(), answer)
    verb = random.choice(VERBS[kind])
    question = f"who {verb} ?" if role == "person" else f"what was {_participle(verb)} ?"
    return SpanText(question, " ".join(words), start, start + len(answer) - 1, label)


def _fact(random: Random, kind: str, person: str, other: str, form: str) -> str:
    verb = random.choice(VERBS[kind])
    if kind == "go":
        return f"{person} {verb} to {other}" if form == "active" else f"to {other} {verb} {person}"
    if form == "active":
        return f"{person} {verb} {other}"
    return f"{other} was {_participle(verb)} by {person}"


def _participle(verb: str) -> str:
    return PASSIVE.get(verb, verb)


def _find(words: list[str], part: list[str]) -> int:
    """Where the part begins; it occurs."""
    return next(i for i in range(len(words)) if words[i : i + len(part)] == part)
