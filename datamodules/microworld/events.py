"""What happens in a story: each event changes the state and says so, where the state allows it."""

from __future__ import annotations

from datamodules.microworld.lexicon import DROP, GO, TAKE, WOMEN, the
from datamodules.microworld.state import State


def go(state: State) -> None:
    _walk(state, state.choice(state.people), state.choice(state.places))


def _walk(state: State, person: str, place: str) -> None:
    if state.place_of.get(person) == place:
        return
    state.place_of[person] = place
    state.say(state.going(person, place))


def take(state: State) -> None:
    if lying := state.lying():
        _carry(state, state.choice(state.people), state.choice(lying))


def _carry(state: State, person: str, thing: str) -> None:
    """The person goes where the thing lies and takes it."""
    place = state.lies_in.pop(thing)
    state.holder[thing] = state.taken_by[thing] = person
    state.note(TAKE, thing, person)
    if state.place_of.get(person) != place:
        if state.random.random() < 0.2:
            pronoun = "she" if person in WOMEN else "he"
            state.place_of[person] = place
            state.say(
                f"before {pronoun} {TAKE[state.register]} {state.named(thing)} , {person} "
                f"{GO[state.register]} to {the(place)}"
            )
            return
        _walk(state, person, place)
    state.say(state.taking(person, state.named(thing)))
    other = state.another(person)
    state.last_event = lambda: state.taking(person, the(thing))
    state.false_event = lambda: state.taking(other, the(thing))


def give(state: State) -> None:
    if not state.holder:
        return
    thing = state.choice(list(state.holder))
    giver = state.holder[thing]
    getter = state.another(giver)
    state.holder[thing] = getter
    sentence = state.transfer(giver, getter, state.named(thing))
    state.say(f"then {sentence}" if state.random.random() < 0.2 else sentence)
    state.last_event = lambda: state.transfer(giver, getter, the(thing))
    state.false_event = lambda: state.transfer(getter, giver, the(thing))


def drop(state: State) -> None:
    """Where the holder is, which the reader knows by now."""
    known = [thing for thing, person in state.holder.items() if person in state.place_of]
    if known:
        thing = state.choice(known)
        person = state.holder.pop(thing)
        state.taken_by.pop(thing)
        state.lies_in[thing] = state.place_of[person]
        state.note(DROP, thing, person)
        state.say(
            f"{person} {DROP[state.register]} {state.named(thing)} in {the(state.lies_in[thing])}"
        )


def promise(state: State) -> None:
    """Says now what happens later."""
    if state.promised:
        return
    if lying := state.lying():
        person, thing = state.choice(state.people), state.choice(lying)
        state.promised = person, thing
        verb = TAKE[state.register]
        if state.random.random() < 0.5:
            state.say(f"the one who later {verb} {state.named(thing)} was {person}")
        else:
            state.say(f"who {verb} {state.named(thing)} later ? it was {person}")


def keep_promise(state: State) -> None:
    if state.promised:
        person, thing = state.promised
        state.promised = None
        _carry(state, person, thing)
