"""The ways to say that somebody takes, gives or goes; they mean the same and differ in word order.

    taking(random, "mara", "ka red box", form="passive")     # "ka red box was taken by mara"
    transfer(random, "mara", "tom", "ka box")                # "tom was given ka box by mara"
    going(random, "mara", "hall", form="inverted")           # "to bo hall went mara"
    fact(random, "dropped", "mara")                          # "ka box was dropped by mara"

Without a form, one is drawn; without a register, any of a verb's synonyms.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import (
    DROP,
    GET,
    GIVE,
    GO,
    HATE,
    LIKE,
    OBJECTS,
    PASSIVE,
    PLACES,
    TAKE,
    the,
)

# form -> the pattern; forms that begin with the person let the verb and the thing follow.
TAKING = {
    "active": "{person} {verb} {thing}",
    "passive": "{thing} was {passive} by {person}",
    "cleft": "{person} was the one who {verb} {thing}",
}
TRANSFER = {
    "to": "{giver} {give} {thing} to {getter}",
    "from": "{getter} {get} {thing} from {giver}",
    "passive": "{thing} was {passive} to {getter} by {giver}",
}
GOING = {
    "direct": "{person} {verb} to {place}",
    "inverted": "to {place} {verb} {person}",
}


def verb_of(random: Random, synonyms: tuple[str, ...], register: int | None) -> str:
    """The register's word; any without one."""
    return random.choice(synonyms) if register is None else synonyms[register]


def taking(
    random: Random,
    person: str,
    thing: str,
    form: str | None = None,
    *,
    register: int | None = None,
) -> str:
    """thing: with its article."""
    verb = verb_of(random, TAKE, register)
    pattern = TAKING[form or random.choice(tuple(TAKING))]
    return pattern.format(person=person, thing=thing, verb=verb, passive=PASSIVE[verb])


def transfer(
    random: Random,
    giver: str,
    getter: str,
    thing: str,
    form: str | None = None,
    *,
    register: int | None = None,
) -> str:
    """thing: with its article."""
    give, get = verb_of(random, GIVE, register), verb_of(random, GET, register)
    pattern = TRANSFER[form or random.choice(tuple(TRANSFER))]
    return pattern.format(
        giver=giver, getter=getter, thing=thing, give=give, get=get, passive=PASSIVE[give]
    )


def going(
    random: Random,
    person: str,
    place: str,
    form: str | None = None,
    *,
    register: int | None = None,
) -> str:
    """place: without its article."""
    pattern = GOING[form or random.choice(tuple(GOING))]
    verb = verb_of(random, GO, register)
    return pattern.format(person=person, place=the(place), verb=verb)


# What somebody can do: kind -> its verbs.
VERBS = {"take": TAKE, "drop": DROP, "like": LIKE, "hate": HATE, "go": GO}


def fact(
    random: Random, verb: str, person: str, noun: str | None = None, *, form: str | None = None
) -> str:
    """That the person did what the verb says, in six words whichever way it is said.

    form: "person_first" or "person_last". noun: the thing or place; without one, one is drawn.
    """
    form = form or random.choice(("person_first", "person_last"))
    if verb in GO:
        place = the(noun or random.choice(PLACES))
        if form == "person_first":
            return f"then {person} {verb} to {place}"
        return f"then to {place} {verb} {person}"
    thing = the(noun or random.choice(OBJECTS))
    if form == "person_first":
        return f"and then {person} {verb} {thing}"
    return f"{thing} was {PASSIVE.get(verb, verb)} by {person}"
