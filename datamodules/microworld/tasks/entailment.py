"""Entailment: is the hypothesis true (entailed) or false (contradicted) at the end of the premise,
or does the premise not say (neutral)?

Premises hold changes of state: a thing that is taken and then given away, a person who goes on to
another place. A share of the neutral hypotheses speak of somebody whom the premise does not name.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import BAD, GOOD, HATE, HAVE, LIKE, NAMES, OBJECTS, PLACES, the
from datamodules.microworld.sentences import going, taking, transfer
from datamodules.microworld.tasks.base import Text, joined

LABELS = ("entailed", "contradicted", "neutral")
CHANGE = 0.6  # of the premises
STRANGER = 0.4  # of the neutral hypotheses
NEGATED = 0.3  # of the hypotheses


def draw(random: Random, label: str) -> Text:
    is_negated = random.random() < NEGATED
    asked = label
    if is_negated and label != "neutral":
        asked = "contradicted" if label == "entailed" else "entailed"
    make = random.choice((_about_holders, _about_places))
    premise, hypothesis = make(random, asked, is_negated)
    return Text(joined(premise), f"{hypothesis} ?", LABELS.index(label))


def _opinion(random: Random, person: str, thing: str) -> str:
    verbs, words = random.choice(((LIKE, GOOD), (HATE, BAD)))
    return f"{person} {random.choice(verbs)} {the(thing)} because it was {random.choice(words)}"


def _about_holders(random: Random, asked: str, is_negated: bool) -> tuple[list[str], str]:
    first, second, third, stranger = random.sample(NAMES, 4)
    thing, another, unheld = random.sample(OBJECTS, 3)
    opinion = _opinion(random, random.choice((first, second, third)), unheld)
    events = [taking(random, first, the(thing))]
    holder = {thing: first, another: third}
    if random.random() < CHANGE:
        events.append(transfer(random, first, second, the(thing)))
        holder[thing] = second
    # The other sentences stand anywhere between the events, whose order is kept.
    for sentence in (taking(random, third, the(another)), opinion):
        events.insert(random.randint(0, len(events)), sentence)
    what = random.choice((thing, thing, another))
    who = holder[what]
    if asked == "contradicted":
        who = random.choice([x for x in (first, second, third) if x != holder[what]])
    elif asked == "neutral":
        is_strange = random.random() < STRANGER
        who = stranger if is_strange else random.choice((first, second, third))
        what = unheld
    if is_negated:
        return events, f"{who} did not have {the(what)}"
    return events, f"{who} {random.choice(HAVE)} {the(what)}"


def _about_places(random: Random, asked: str, is_negated: bool) -> tuple[list[str], str]:
    first, second, third, stranger = random.sample(NAMES, 4)
    places = random.sample(PLACES, 3)
    events = [going(random, first, places[0])]
    place_of = {first: places[0], second: places[2]}
    if random.random() < CHANGE:
        events.append(going(random, first, places[1]))
        place_of[first] = places[1]
    opinion = _opinion(random, third, random.choice(OBJECTS))
    for sentence in (going(random, second, places[2]), opinion):
        events.insert(random.randint(0, len(events)), sentence)
    told = [place for place in places if place in " ".join(events).split()]
    who = random.choice((first, first, second))
    where = place_of[who]
    if asked == "contradicted":
        where = random.choice([place for place in told if place != where])
    elif asked == "neutral":
        who = stranger if random.random() < STRANGER else third
        where = random.choice(told)
    return events, f"{who} was {'not ' * is_negated}in {the(where)}"
