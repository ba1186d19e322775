"""Spans: a question whose answer is a stretch of the passage, as in SQuAD.

The passage tells several such facts, and only the words around the answer say which fact is asked
for. They stand on its right ("who took ka box ?": "mara took ka box") for one half of the questions
and on its left ("ka box was taken by mara") for the other. A model that reads from left to right
sees the question first, but on the right half it reaches the answer before the evidence.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import GO, NAMES, OBJECTS, PLACES, TAKE, the
from datamodules.microworld.sentences import going, taking
from datamodules.microworld.tasks.base import SpanText, coloured

LABELS = ("right", "left")
NUM_RIVALS = 2  # further facts of the kind that is asked for
# (form, asked role) -> where the rest of the fact stands, seen from the answer
SIDE = {
    ("active", "person"): "right",
    ("cleft", "person"): "right",
    ("passive", "person"): "left",
    ("active", "other"): "left",
    ("cleft", "other"): "left",
    ("passive", "other"): "right",
    ("direct", "person"): "right",
    ("inverted", "person"): "left",
    ("direct", "other"): "left",
    ("inverted", "other"): "right",
}
FORMS = {"take": ("active", "passive", "cleft"), "go": ("direct", "inverted")}


def draw(random: Random, label: str) -> SpanText:
    kind = random.choice(tuple(FORMS))
    role = random.choice(("person", "other"))
    form = random.choice([x for x in FORMS[kind] if SIDE[x, role] == label])
    people = random.sample(NAMES, NUM_RIVALS + 2)
    nouns = random.sample(OBJECTS if kind == "take" else PLACES, NUM_RIVALS + 1)
    others = [coloured(random, noun) if kind == "take" else the(noun) for noun in nouns]
    facts = [_fact(random, kind, people[0], nouns[0], others[0], form)]
    for person, noun, other in zip(people[1:], nouns[1:], others[1:], strict=False):
        facts.append(_fact(random, kind, person, noun, other, random.choice(FORMS[kind])))
    facts.append(_unrelated(random, kind, people[-1]))
    asked = facts[0]
    random.shuffle(facts)
    answer = (people[0] if role == "person" else others[0]).split()
    words = [word for fact in facts for word in (*fact.split(), ".")]
    first = _find(words, asked.split())
    start = first + _find(asked.split(), answer)
    question = _question(random, kind, role, people[0], nouns[0])
    return SpanText(question, " ".join(words), start, start + len(answer) - 1, label)


def _fact(random: Random, kind: str, person: str, noun: str, other: str, form: str) -> str:
    if kind == "take":
        return taking(random, person, other, form)
    return going(random, person, noun, form)


def _unrelated(random: Random, kind: str, person: str) -> str:
    """A fact of the other kind."""
    if kind == "go":
        return taking(random, person, the(random.choice(OBJECTS)))
    return going(random, person, random.choice(PLACES))


def _question(random: Random, kind: str, role: str, person: str, noun: str) -> str:
    if kind == "take":
        who, what = f"who {random.choice(TAKE)} {the(noun)} ?", f"what did {person} take ?"
    else:
        who, what = f"who {random.choice(GO)} to {the(noun)} ?", f"where did {person} go ?"
    return who if role == "person" else what


def _find(words: list[str], part: list[str]) -> int:
    """Where the part begins; it occurs."""
    return next(i for i in range(len(words)) if words[i : i + len(part)] == part)
