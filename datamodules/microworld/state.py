"""The state of a story: what is so in it, what is known of it, and what was said.

Who is where, who holds what, which colour and which worth a thing has: events change it, statements
and questions follow from it. Things, places and the choice among verbs that mean the same are those
of one setting.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from datamodules.microworld.lexicon import COLOURS, NAMES, OBJECTS_OF, PLACES_OF, SETTINGS, the
from datamodules.microworld.sentences import going, taking, transfer

NUM_PEOPLE, NUM_THINGS = 3, 3


class State:
    """Of one story. Everything is drawn from `random`."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.choice = random.choice
        self.people = random.sample(NAMES, NUM_PEOPLE)
        setting = random.choice(SETTINGS)
        self.register = SETTINGS.index(setting)
        self.taking = partial(taking, random, register=self.register)
        self.transfer = partial(transfer, random, register=self.register)
        self.going = partial(going, random, register=self.register)
        self.things = random.sample(OBJECTS_OF[setting], NUM_THINGS)
        self.places = PLACES_OF[setting]
        self.colour = dict(zip(self.things, random.sample(COLOURS, NUM_THINGS), strict=True))
        self.is_good = {thing: random.random() < 0.5 for thing in self.things}
        self.is_glad = random.random() < 0.5
        # Unknown until told: who is where, what lies where.
        self.place_of: dict[str, str] = {}
        self.lies_in: dict[str, str] = {}
        self.holder: dict[str, str] = {}
        self.taken_by: dict[str, str] = {}  # until it is dropped
        self.promised: tuple[str, str] | None = None
        # (verbs, thing) -> who took, dropped, liked or hated it; None once two did.
        self.done_by: dict[tuple[tuple[str, ...], str], str | None] = {}
        # The last event in which somebody takes or gives: tells it, in any form.
        self.last_event: Callable[[], str] | None = None
        # What did not happen: the same with the people exchanged, or another one.
        self.false_event: Callable[[], str] | None = None
        self.sentences: list[str] = []

    def say(self, words: str) -> None:
        self.sentences.append(f"{words} .")

    def note(self, verbs: tuple[str, ...], thing: str, person: str) -> None:
        """A deed, which may be asked for as long as nobody else has done the same."""
        if self.done_by.setdefault((verbs, thing), person) != person:
            self.done_by[verbs, thing] = None

    def named(self, thing: str) -> str:
        """With its colour or without."""
        if self.random.random() < 0.4:
            article, noun = the(thing).split()
            return f"{article} {self.colour[thing]} {noun}"
        return the(thing)

    def another(self, person: str) -> str:
        return self.choice([x for x in self.people if x != person])

    def lying(self) -> list[str]:
        """What anybody may take: promised things wait for their taker."""
        reserved = self.promised[1] if self.promised else None
        return [thing for thing in self.lies_in if thing != reserved]
