"""What a story asks, each question with its answer: what was told says it, or it is "perhaps"."""

from __future__ import annotations

from datamodules.microworld.lexicon import HAVE, the
from datamodules.microworld.state import State

ANSWERS = {True: "yes", False: "no", None: "perhaps"}


def _verify(state: State, statement: str, truth: bool | None, negated: str | None = None) -> None:
    """Whether the statement is true (None: not told), or sometimes whether its negation is."""
    if negated and state.random.random() >= 0.75:
        statement, truth = negated, None if truth is None else not truth
    state.say(f"{statement} ? {ANSWERS[truth]}")


def verify_event(state: State) -> None:
    if state.last_event and state.false_event:
        truth = state.random.random() < 0.5
        _verify(state, (state.last_event if truth else state.false_event)(), truth)


def verify_holder(state: State) -> None:
    thing = state.choice(list(state.holder) or state.things)
    holder = state.holder.get(thing)
    if thing in state.lies_in:
        return
    person = holder if holder and state.random.random() < 0.5 else state.choice(state.people)
    _verify(
        state,
        f"{person} {HAVE[state.register]} {the(thing)}",
        None if holder is None else person == holder,
        negated=f"{person} did not have {the(thing)}",
    )


def verify_place(state: State) -> None:
    person = state.choice(state.people)
    known = state.place_of.get(person)
    place = known if known and state.random.random() < 0.5 else state.choice(state.places)
    _verify(
        state,
        f"{person} was in {the(place)}",
        None if known is None else place == known,
        negated=f"{person} was not in {the(place)}",
    )


def ask(state: State) -> None:
    """Who did something, who or what is with whom, who is where."""
    kind = state.random.random()
    deeds = {deed: person for deed, person in state.done_by.items() if person}
    if kind < 0.6 and deeds:
        verbs, thing = deed = state.choice(list(deeds))
        state.say(f"who {verbs[state.register]} {the(thing)} ? {deeds[deed]}")
    elif kind < 0.75 and state.holder:
        thing = state.choice(list(state.holder))
        state.say(f"who {HAVE[state.register]} {state.named(thing)} ? {state.holder[thing]}")
    elif kind < 0.82 and state.holder:
        person = state.choice(list(state.holder.values()))
        held = [the(x) for x, holder in state.holder.items() if holder == person]
        state.say(f"what did {person} have ? {' and '.join(held)}")
    elif kind < 0.87 and state.taken_by:
        person = state.choice(list(state.taken_by.values()))
        taken = [the(x) for x, taker in state.taken_by.items() if taker == person]
        state.say(f"what did {person} take ? {' and '.join(taken)}")
    elif state.place_of:
        person = state.choice(list(state.place_of))
        question = state.choice(("where was {} ? in {}", "where did {} go ? to {}"))
        state.say(question.format(person, the(state.place_of[person])))
