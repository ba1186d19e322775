"""Entailment: is the hypothesis true (entailed) or false (contradicted) at the end of the premise,
or does the premise not say (neutral)?

Some premises hold changes of state: a thing that is taken and then given away, a person who goes on
to another place. Neutral hypotheses speak of a thing or a person that the premise does not name, so
a bag of words that sees what both texts share can tell them; the other two it cannot.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import HAVE, NAMES, OBJECTS, PLACES, the
from datamodules.microworld.sentences import going, taking, transfer
from datamodules.microworld.tasks.base import Text, joined

LABELS = ("entailed", "contradicted", "neutral")
CHANGE = 0.3  # of the premises


def draw(random: Random, label: str) -> Text:
    make = random.choice((_about_holders, _about_places))
    premise, hypothesis = make(random, label)
    return Text(joined(premise), f"{hypothesis} ?", LABELS.index(label))


def _about_holders(random: Random, label: str) -> tuple[list[str], str]:
    first, second, third = random.sample(NAMES, 3)
    thing, another, unheld = random.sample(OBJECTS, 3)
    events = [taking(random, first, the(thing))]
    holder = {thing: first, another: third}
    if random.random() < CHANGE:
        events.append(transfer(random, first, second, the(thing)))
        holder[thing] = second
    _insert(random, events, taking(random, third, the(another)))
    what = random.choice((thing, thing, another))
    who = holder[what]
    if label == "contradicted":
        who = random.choice([person for person in (first, second, third) if person != who])
    elif label == "neutral":
        what = unheld
    return events, f"{who} {random.choice(HAVE)} {the(what)}"


def _about_places(random: Random, label: str) -> tuple[list[str], str]:
    first, second, stranger = random.sample(NAMES, 3)
    *places, far = random.sample(PLACES, 3)
    events = [going(random, first, places[0])]
    place_of = {first: places[0], second: far}
    if random.random() < CHANGE:
        events.append(going(random, first, places[1]))
        place_of[first] = places[1]
    _insert(random, events, going(random, second, far))
    told = [place for place in (*places, far) if place in " ".join(events).split()]
    who = random.choice((first, first, second))
    where = place_of[who]
    if label == "contradicted":
        where = random.choice([place for place in told if place != where])
    elif label == "neutral":
        who = stranger
    return events, f"{who} was in {the(where)}"


def _insert(random: Random, events: list[str], sentence: str) -> None:
    """Anywhere among the events, whose order is kept."""
    events.insert(random.randint(0, len(events)), sentence)
