"""A story of microworld: a few people and things, and sentences that keep to one state.

    sentences = Story(Random(1)).tell()        # ["once there was a glad day with ...", ...]

The state is who is where, who holds what, which colour and which worth a thing has, so that much of
what a sentence says is known from its neighbours, on the left and on the right. Things, places and
the choice among verbs that mean the same are those of one setting.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from datamodules.microworld.lexicon import (
    ANTONYM,
    BAD,
    COLOURS,
    DROP,
    GO,
    GOOD,
    HATE,
    HAVE,
    INTENSIFIERS,
    LIKE,
    NAMES,
    NEGATIONS,
    OBJECTS_OF,
    PLACES_OF,
    SETTINGS,
    TAKE,
    WOMEN,
    the,
)
from datamodules.microworld.sentences import going, taking, transfer

NUM_PEOPLE, NUM_THINGS = 3, 3
# A story ends once it is this long, both included: 6 to 14 sentences with the last events, which
# may be two sentences, and the end.
SHORTEST, LONGEST = 5, 10
ANSWERS = {True: "yes", False: "no", None: "perhaps"}


class Story:
    """One story; `tell()` once. Everything is drawn from `random`."""

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
        self.taken_by: dict[str, str] = {}
        self.promised: tuple[str, str] | None = None
        # (verbs, thing) -> who took, dropped, liked or hated it; None once two did.
        self.done_by: dict[tuple[tuple[str, ...], str], str | None] = {}
        self.sentences: list[str] = []
        # The last event in which somebody takes or gives: tells it, in any form.
        self.last_event: Callable[[], str] | None = None
        # What did not happen: the same with the people exchanged, or another one.
        self.false_event: Callable[[], str] | None = None
        self.kinds: tuple[Callable[[], None], ...] = (
            *(self.take, self.take, self.give, self.give, self.give, self.go, self.drop),
            *(self.promise, self.tell_holder, self.tell_holder, self.tell_place, self.tell_colour),
            *(self.retell, self.retell, self.retell, self.retell),
            *(self.opine, self.opine, self.judge, self.judge, self.judge, self.judge),
            *(self.ask, self.ask, self.ask, self.ask, self.ask, self.ask, self.ask, self.ask),
            *(self.verify_holder, self.verify_holder, self.verify_place),
            *(self.verify_event, self.verify_event),
        )

    def tell(self) -> list[str]:
        """The story's sentences, words separated by spaces."""
        first, second, third = self.people
        mood = "glad" if self.is_glad else "sad"
        self.say(f"there was a {mood} day with {first} , {second} and {third}")
        for thing in self.things[:2]:
            self.lies_in[thing] = self.choice(self.places)
            self.say(f"{self.named(thing)} lay in {the(self.lies_in[thing])}")
        (self.promise if self.random.random() < 0.3 else self.take)()
        length = self.random.randint(SHORTEST, LONGEST)
        while len(self.sentences) < length:
            self.choice(self.kinds)()
        self.keep_promise()
        self.say(f"so it was a {self.choice(GOOD if self.is_glad else BAD)} day")
        return self.sentences

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
        reserved = self.promised[1] if self.promised else None
        return [thing for thing in self.lies_in if thing != reserved]

    # Events: they change the state.

    def go(self) -> None:
        self.walk(self.choice(self.people), self.choice(self.places))

    def walk(self, person: str, place: str) -> None:
        if self.place_of.get(person) == place:
            return
        self.place_of[person] = place
        self.say(self.going(person, place))

    def take(self) -> None:
        if lying := self.lying():
            self.carry(self.choice(self.people), self.choice(lying))

    def carry(self, person: str, thing: str) -> None:
        """The person goes where the thing lies and takes it."""
        place = self.lies_in.pop(thing)
        self.holder[thing] = self.taken_by[thing] = person
        self.note(TAKE, thing, person)
        if self.place_of.get(person) != place:
            if self.random.random() < 0.2:
                pronoun = "she" if person in WOMEN else "he"
                self.place_of[person] = place
                self.say(
                    f"before {pronoun} {TAKE[self.register]} {self.named(thing)} , {person} "
                    f"{GO[self.register]} to {the(place)}"
                )
                return
            self.walk(person, place)
        self.say(self.taking(person, self.named(thing)))
        other = self.another(person)
        self.last_event = lambda: self.taking(person, the(thing))
        self.false_event = lambda: self.taking(other, the(thing))

    def give(self) -> None:
        if not self.holder:
            return
        thing = self.choice(list(self.holder))
        giver = self.holder[thing]
        getter = self.another(giver)
        self.holder[thing] = getter
        sentence = self.transfer(giver, getter, self.named(thing))
        self.say(f"then {sentence}" if self.random.random() < 0.2 else sentence)
        self.last_event = lambda: self.transfer(giver, getter, the(thing))
        self.false_event = lambda: self.transfer(getter, giver, the(thing))

    def drop(self) -> None:
        """Where the holder is, which the reader knows by now."""
        known = [thing for thing, person in self.holder.items() if person in self.place_of]
        if known:
            thing = self.choice(known)
            person = self.holder.pop(thing)
            self.taken_by.pop(thing)  # taken twice, "who took it?" would have two answers
            self.lies_in[thing] = self.place_of[person]
            self.note(DROP, thing, person)
            self.say(
                f"{person} {DROP[self.register]} {self.named(thing)} in {the(self.lies_in[thing])}"
            )

    def promise(self) -> None:
        """Says now what happens later."""
        if self.promised:
            return
        if lying := self.lying():
            person, thing = self.choice(self.people), self.choice(lying)
            self.promised = person, thing
            verb = TAKE[self.register]
            if self.random.random() < 0.5:
                self.say(f"the one who later {verb} {self.named(thing)} was {person}")
            else:
                self.say(f"who {verb} {self.named(thing)} later ? it was {person}")

    def keep_promise(self) -> None:
        if self.promised:
            person, thing = self.promised
            self.promised = None
            self.carry(person, thing)

    # Statements: they follow from the state or add what nothing contradicts.

    def tell_holder(self) -> None:
        if self.holder:
            thing = self.choice(list(self.holder))
            person, verb = self.holder[thing], HAVE[self.register]
            if self.random.random() < 0.7:
                self.say(f"now {person} {verb} {self.named(thing)}")
            else:
                self.say(f"now {self.named(thing)} was with {person}")

    def tell_place(self) -> None:
        if self.place_of:
            person = self.choice(list(self.place_of))
            self.say(f"now {person} was in {the(self.place_of[person])}")

    def tell_colour(self) -> None:
        thing = self.choice(self.things)
        self.say(f"{the(thing)} was {self.colour[thing]}")

    def worth(self, thing: str) -> str:
        """A word for a thing's worth, or for its opposite negated."""
        word = self.choice(GOOD if self.is_good[thing] else BAD)
        form = self.random.random()
        if form < 0.05:
            first, second = self.random.sample(NEGATIONS, 2)
            return f"{first} {second} {word}"
        if form < 0.3:
            return f"{self.choice(NEGATIONS)} {ANTONYM[word]}"
        return f"{self.choice(INTENSIFIERS)} {word}" if form < 0.6 else word

    def opine(self) -> None:
        person, thing = self.choice(self.people), self.choice(self.things)
        verbs = LIKE if self.is_good[thing] else HATE
        self.note(verbs, thing, person)
        self.say(f"{person} {verbs[self.register]} {the(thing)} because it was {self.worth(thing)}")

    def judge(self) -> None:
        """One or two clauses on worth, and often whether their verdict makes somebody glad."""
        thing = self.choice(self.things)
        other = self.choice([x for x in self.things if x != thing])
        is_good = self.is_good[thing]
        clause = f"{the(thing)} was {self.worth(thing)}"
        second = f"{the(other)} was {self.worth(other)}"
        form = self.random.random()
        if form < 0.2:
            word = self.choice(GOOD if is_good else BAD)
            clause = f"{the(thing)} was not {ANTONYM[word]} but {word}"
        elif form < 0.7 and is_good == self.is_good[other]:
            clause = f"{clause} and {second}"
        elif form < 0.7:
            patterns = ("{1} but {0}", "although {1} , {0}", "{0} although {1}")
            clause = self.choice(patterns).format(clause, second)
        if self.random.random() < 0.7:
            clause = f"{clause} , so {self.choice(self.people)} was {'glad' if is_good else 'sad'}"
        self.say(clause)

    def retell(self) -> None:
        """The last event once more, most often in other words."""
        if self.last_event:
            self.say(f"that is , {self.last_event()}")

    # Questions with "yes", "no", or "perhaps" where the story has not told.

    def verify(self, statement: str, truth: bool | None) -> None:
        self.say(f"{statement} ? {ANSWERS[truth]}")

    def verify_event(self) -> None:
        if self.last_event and self.false_event:
            truth = self.random.random() < 0.5
            self.verify((self.last_event if truth else self.false_event)(), truth)

    def verify_holder(self) -> None:
        thing = self.choice(list(self.holder) or self.things)
        holder = self.holder.get(thing)
        if thing in self.lies_in:
            return
        person = holder if holder and self.random.random() < 0.5 else self.choice(self.people)
        truth = None if holder is None else person == holder
        self.verify(*_perhaps_negated(self.random, truth, *_holding(self.register, person, thing)))

    def verify_place(self) -> None:
        person = self.choice(self.people)
        known = self.place_of.get(person)
        place = known if known and self.random.random() < 0.5 else self.choice(self.places)
        truth = None if known is None else place == known
        self.verify(
            *_perhaps_negated(
                self.random,
                truth,
                f"{person} was in {the(place)}",
                f"{person} was not in {the(place)}",
            )
        )

    def ask(self) -> None:
        """A question and its answer, both known from what was told."""
        kind = self.random.random()
        deeds = {deed: person for deed, person in self.done_by.items() if person}
        if kind < 0.6 and deeds:
            verbs, thing = deed = self.choice(list(deeds))
            self.say(f"who {verbs[self.register]} {the(thing)} ? {deeds[deed]}")
        elif kind < 0.75 and self.holder:
            thing = self.choice(list(self.holder))
            self.say(f"who {HAVE[self.register]} {self.named(thing)} ? {self.holder[thing]}")
        elif kind < 0.82 and self.holder:
            person = self.choice(list(self.holder.values()))
            held = [the(x) for x, holder in self.holder.items() if holder == person]
            self.say(f"what did {person} have ? {' and '.join(held)}")
        elif kind < 0.87 and self.taken_by:
            person = self.choice(list(self.taken_by.values()))
            taken = [the(x) for x, taker in self.taken_by.items() if taker == person]
            self.say(f"what did {person} take ? {' and '.join(taken)}")
        elif self.place_of:
            person = self.choice(list(self.place_of))
            question = self.choice(("where was {} ? in {}", "where did {} go ? to {}"))
            self.say(question.format(person, the(self.place_of[person])))


def _holding(register: int, person: str, thing: str) -> tuple[str, str]:
    """That the person has the thing, and that not."""
    return f"{person} {HAVE[register]} {the(thing)}", f"{person} did not have {the(thing)}"


def _perhaps_negated(
    random: Random, truth: bool | None, statement: str, negated: str
) -> tuple[str, bool | None]:
    if random.random() < 0.75:
        return statement, truth
    return negated, None if truth is None else not truth
