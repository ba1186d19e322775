"""What a story states: it follows from the state, or adds what nothing contradicts."""

from __future__ import annotations

from datamodules.microworld.lexicon import (
    ANTONYM,
    BAD,
    GOOD,
    HATE,
    HAVE,
    INTENSIFIERS,
    LIKE,
    NEGATIONS,
    the,
)
from datamodules.microworld.state import State


def tell_holder(state: State) -> None:
    if state.holder:
        thing = state.choice(list(state.holder))
        person, verb = state.holder[thing], HAVE[state.register]
        if state.random.random() < 0.7:
            state.say(f"now {person} {verb} {state.named(thing)}")
        else:
            state.say(f"now {state.named(thing)} was with {person}")


def tell_place(state: State) -> None:
    if state.place_of:
        person = state.choice(list(state.place_of))
        state.say(f"now {person} was in {the(state.place_of[person])}")


def tell_colour(state: State) -> None:
    thing = state.choice(state.things)
    state.say(f"{the(thing)} was {state.colour[thing]}")


def _worth(state: State, thing: str) -> str:
    """A word for a thing's worth, or for its opposite negated."""
    word = state.choice(GOOD if state.is_good[thing] else BAD)
    form = state.random.random()
    if form < 0.05:
        first, second = state.random.sample(NEGATIONS, 2)
        return f"{first} {second} {word}"
    if form < 0.3:
        return f"{state.choice(NEGATIONS)} {ANTONYM[word]}"
    return f"{state.choice(INTENSIFIERS)} {word}" if form < 0.6 else word


def opine(state: State) -> None:
    person, thing = state.choice(state.people), state.choice(state.things)
    verbs = LIKE if state.is_good[thing] else HATE
    state.note(verbs, thing, person)
    verb = verbs[state.register]
    state.say(f"{person} {verb} {the(thing)} because it was {_worth(state, thing)}")


def judge(state: State) -> None:
    """One or two clauses on worth, and often whether their verdict makes somebody glad."""
    thing = state.choice(state.things)
    other = state.choice([x for x in state.things if x != thing])
    is_good = state.is_good[thing]
    clause = f"{the(thing)} was {_worth(state, thing)}"
    second = f"{the(other)} was {_worth(state, other)}"
    form = state.random.random()
    if form < 0.2:
        word = state.choice(GOOD if is_good else BAD)
        clause = f"{the(thing)} was not {ANTONYM[word]} but {word}"
    elif form < 0.7 and is_good == state.is_good[other]:
        clause = f"{clause} and {second}"
    elif form < 0.7:
        patterns = ("{1} but {0}", "although {1} , {0}", "{0} although {1}")
        clause = state.choice(patterns).format(clause, second)
    if state.random.random() < 0.7:
        clause = f"{clause} , so {state.choice(state.people)} was {'glad' if is_good else 'sad'}"
    state.say(clause)


def retell(state: State) -> None:
    """The last event once more, most often in other words."""
    if state.last_event:
        state.say(f"that is , {state.last_event()}")
