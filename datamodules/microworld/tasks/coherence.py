"""Coherence: does text B go on with the story of text A?

A tells what two people got, or where they went. B names one of the people and goes on with that
person's thing or place (1), with the other's (0), or is of another story, other people and things
included (a share of 0). Only the last kind can be told from the words without their order.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import DROP, HAVE, NAMES, OBJECTS, PLACES, the
from datamodules.microworld.sentences import going, taking, transfer
from datamodules.microworld.tasks.base import Text, joined

LABELS = ("broken", "coherent")
ANOTHER_STORY = 0.4  # of the broken ones


def draw(random: Random, label: str) -> Text:
    hero, other, third, *strangers = random.sample(NAMES, 5)
    own, others, *strange_things = random.sample(OBJECTS, 4)
    here, there, *strange_places = random.sample(PLACES, 4)
    possession = [
        _acquiring(random, hero, third, the(own)),
        _acquiring(random, other, third, the(others)),
    ]
    places = [going(random, hero, here), going(random, other, there)]
    is_about_things = random.random() < 0.6
    story = possession if is_about_things else places
    random.shuffle(story)
    if label == "broken" and random.random() < ANOTHER_STORY:
        hero, third = strangers
        thing, place = strange_things[0], strange_places[0]
    elif label == "broken":
        thing, place = others, there
    else:
        thing, place = own, here
    if is_about_things:
        sequel = random.choice(
            (
                f"then {transfer(random, hero, third, the(thing))}",
                f"now {hero} {random.choice(HAVE)} {the(thing)}",
                f"now {the(thing)} was with {hero}",
                f"{hero} {random.choice(DROP)} {the(thing)} in {the(place)}",
            )
        )
    else:
        sequel = random.choice(
            (
                f"now {hero} was in {the(place)}",
                f"{hero} {random.choice(DROP)} {the(thing)} in {the(place)}",
            )
        )
    return Text(joined(story), f"{sequel} .", LABELS.index(label))


def _acquiring(random: Random, person: str, giver: str, thing: str) -> str:
    if random.random() < 0.5:
        return taking(random, person, thing)
    return transfer(random, giver, person, thing)
