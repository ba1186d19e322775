"""A story of microworld: a few people and things, and sentences that keep to one state.

    tell_story(Random(1))        # ["there was a glad day with mara , tom and lia .", ...]

Much of what a sentence says is known from its neighbours, on the left and on the right.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from datamodules.microworld.events import drop, give, go, keep_promise, promise, take
from datamodules.microworld.lexicon import BAD, GOOD, the
from datamodules.microworld.questions import ask, verify_event, verify_holder, verify_place
from datamodules.microworld.state import State
from datamodules.microworld.statements import (
    judge,
    opine,
    retell,
    tell_colour,
    tell_holder,
    tell_place,
)

# A story ends once it is this long, both included: 6 to 14 sentences with the last events, which
# may be two sentences, and the end.
SHORTEST, LONGEST = 5, 10

# kind of sentence -> how many of HOW_OFTEN's sum are of it; it may say nothing where nothing fits.
HOW_OFTEN: dict[Callable[[State], None], int] = {
    take: 2,
    give: 3,
    go: 1,
    drop: 1,
    promise: 1,
    tell_holder: 2,
    tell_place: 1,
    tell_colour: 1,
    retell: 4,
    opine: 2,
    judge: 4,
    ask: 8,
    verify_holder: 2,
    verify_place: 1,
    verify_event: 2,
}
KINDS = [kind for kind, times in HOW_OFTEN.items() for _ in range(times)]


def tell_story(random: Random) -> list[str]:
    """One story's sentences, words separated by spaces."""
    state = State(random)
    first, second, third = state.people
    mood = "glad" if state.is_glad else "sad"
    state.say(f"there was a {mood} day with {first} , {second} and {third}")
    for thing in state.things[:2]:
        state.lies_in[thing] = state.choice(state.places)
        state.say(f"{state.named(thing)} lay in {the(state.lies_in[thing])}")
    (promise if random.random() < 0.3 else take)(state)
    length = random.randint(SHORTEST, LONGEST)
    while len(state.sentences) < length:
        random.choice(KINDS)(state)
    keep_promise(state)
    state.say(f"so it was a {random.choice(GOOD if state.is_glad else BAD)} day")
    return state.sentences
