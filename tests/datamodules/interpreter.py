"""Reads microworld text from its words alone; it shares no code with the generator.

`World.read(sentence)` says whether a sentence fits what was read before (True), contradicts it
(False) or cannot be checked (None), and then takes it in. Only the word lists are the language's.
"""

from __future__ import annotations

import re
from collections import defaultdict

from datamodules.microworld.lexicon import BAD, COLOURS, GOOD, NAMES, OBJECTS, PLACES, WOMEN

NAME = f"(?:{'|'.join(NAMES)})"
THING = f"(?:ka|bo|li) (?:(?:{'|'.join(COLOURS)}) )?(?:{'|'.join(OBJECTS)})"
PLACE = f"(?:ka|bo|li) (?:{'|'.join(PLACES)})"
WORTH = r"[a-z ]+?"

# The deeds: verb -> what it means.
MEANING = {
    **dict.fromkeys(["took", "taken", "grabbed"], "take"),
    **dict.fromkeys(["dropped", "left"], "drop"),
    **dict.fromkeys(["liked", "loved"], "like"),
    **dict.fromkeys(["hated", "disliked"], "hate"),
    **dict.fromkeys(["went", "walked"], "go"),
}

# What a sentence says -> the ways to say it. n: a name, m: another, x: a thing, p: a place.
GRAMMAR = {
    "take": [
        "n (?:took|grabbed) x",
        "x was (?:taken|grabbed) by n",
        "n was the one who (?:took|grabbed) x",
    ],
    "give": [
        "n (?:gave|handed) x to m",
        "n (?:gave|handed) m x",
        "m (?:got|received) x from n",
        "x was (?:given|handed) to m by n",
        "m was (?:given|handed) x by n",
    ],
    "go": ["n (?:went|walked) to p", "to p (?:went|walked) n"],
    "fetch": ["before (?P<pronoun>he|she) (?:took|grabbed) x , n (?:went|walked) to p"],
    "drop": ["n (?:dropped|left) x in p"],
    "lie": ["x lay in p"],
    "hold": ["n (?:had|held) x", "x was with n", "who (?:had|held) x [?] n"],
    "lack": ["n did not have x"],
    "be": ["n was in p", "where was n [?] in p", "where did n go [?] to p"],
    "be_elsewhere": ["n was not in p"],
    "did": ["who (?P<verb>took|grabbed|dropped|left|liked|loved|hated|disliked) x [?] n"],
    "promise": [
        "the one who later (?:took|grabbed) x was n",
        "who (?:took|grabbed) x later [?] it was n",
    ],
    "holdings": [r"what did n (?P<verb>have|take) [?] (?P<things>[a-z ]+)"],
    "open": [r"there was a (?P<mood>glad|sad) day with [a-z ,]+"],
    "close": [r"so it was a (?P<worth>[a-z]+) day"],
    "like": [f"n (?P<verb>liked|loved|hated|disliked) x because it was (?P<worth>{WORTH})"],
    "fancy": ["n (?:liked|loved|hated|disliked) x"],
    "colour": [f"x was (?P<colour>{'|'.join(COLOURS)})"],
    "correct": ["x was not (?P<wrong>[a-z]+) but (?P<worth>[a-z]+)"],
    "worth": [f"x was (?P<worth>{WORTH})"],
}


def _pattern(template: str) -> re.Pattern:
    for letter, what in (("n", NAME), ("m", NAME), ("x", THING), ("p", PLACE)):
        template = re.sub(rf"(?<![a-z<?]){letter}(?![a-z>])", f"(?P<{letter}>{what})", template)
    return re.compile(template)


PATTERNS = [(kind, _pattern(way)) for kind, ways in GRAMMAR.items() for way in ways]
CLAUSE = f"{THING} was {WORTH}"
JOINED = re.compile(f"(?:although )?(?P<a>{CLAUSE}) (?P<joint>but|and|although|,) (?P<b>{CLAUSE})")
ANSWERED = re.compile(r"(?P<statement>.+) [?] (?P<answer>yes|no|perhaps)")
CONCLUDED = re.compile(f"(?P<clauses>.+) , so {NAME} was (?P<mood>glad|sad)")
ANSWERS = {"yes": True, "no": False, "perhaps": None}


def noun(phrase: str) -> str:
    return phrase.split()[-1]


def is_good(words: str) -> bool:
    """Of "[negation ...] [intensifier] adjective"."""
    *before, word = words.split()
    assert word in GOOD + BAD, words
    return (word in GOOD) == (sum(w in ("not", "never", "hardly") for w in before) % 2 == 0)


class World:
    """What was read so far."""

    def __init__(self) -> None:
        self.holder: dict[str, str | None] = {}
        self.taker: dict[str, str] = {}  # of what was not dropped since
        self.doers: dict[tuple[str, str], set[str]] = defaultdict(set)  # (deed, thing) -> who
        self.place: dict[str, str] = {}
        self.lies: dict[str, str] = {}
        self.colour: dict[str, str] = {}
        self.worth: dict[str, bool] = {}
        self.promised: dict[str, str] = {}
        self.is_glad: bool | None = None
        self.last_event: tuple | None = None

    def read(self, sentence: str) -> bool | None:
        """False as soon as anything in it is false."""
        text = re.sub("^(now|then|and then) ", "", sentence.removesuffix(" .").removesuffix(" ?"))
        if answered := ANSWERED.fullmatch(text):
            return self.knows(answered["statement"]) is ANSWERS[answered["answer"]]
        if text.startswith("that is , "):
            return meaning(text.removeprefix("that is , ")) == {self.last_event}
        if concluded := CONCLUDED.fullmatch(text):
            is_glad = verdict_is_good(concluded["clauses"]) == (concluded["mood"] == "glad")
            return _all([self.read(concluded["clauses"]), is_glad])
        verdicts = [self._colours(text)]
        if joined := JOINED.fullmatch(text):
            verdicts += [self.read(joined["a"]), self.read(joined["b"])]
            first, second = (is_good(joined[c].split(" was ")[1]) for c in "ab")
            verdicts.append((joined["joint"] == "and") == (first == second))
            return _all(verdicts)
        for kind, pattern in PATTERNS:
            if match := pattern.fullmatch(text):
                verdicts.append(getattr(self, f"_{kind}")(match.groupdict()))
                if kind in ("take", "give"):
                    self.last_event = _event(kind, match)
                return _all(verdicts)
        raise AssertionError(f"not in the grammar: {sentence}")

    def knows(self, statement: str) -> bool | None:
        """Whether a statement is true; of taking and giving, whether it is the last that was."""
        for kind, pattern in PATTERNS:
            if match := pattern.fullmatch(statement):
                if kind in ("take", "give"):
                    return _event(kind, match) == self.last_event
                return getattr(self, f"_{kind}")(match.groupdict())
        raise AssertionError(f"not in the grammar: {statement}")

    def _colours(self, text: str) -> bool | None:
        return _all(
            [
                _agree(self.colour, thing, colour)
                for colour, thing in re.findall(
                    f"({'|'.join(COLOURS)}) ({'|'.join(OBJECTS)})", text
                )
            ]
        )

    def _take(self, m):
        thing, person = noun(m["x"]), m["n"]
        is_free = self.holder.get(thing) is None
        reached = self.lies.pop(thing, None)
        here = None if reached is None else self.place.get(person) == reached
        kept = None
        if thing in self.promised:
            kept = self.promised.pop(thing) == person
        self.holder[thing] = self.taker[thing] = person
        self.doers["take", thing].add(person)
        return _all([is_free, here, kept])

    def _give(self, m):
        thing = noun(m["x"])
        before = self.holder.get(thing)
        self.holder[thing] = m["m"]
        return (before == m["n"]) if before else None

    def _go(self, m):
        self.place[m["n"]] = noun(m["p"])

    def _fetch(self, m):
        self._go(m)
        return _all([self._take(m), (m["pronoun"] == "she") == (m["n"] in WOMEN)])

    def _drop(self, m):
        thing = noun(m["x"])
        verdict = _all([self._hold(m), self._be(m)])
        self.holder[thing], self.lies[thing] = None, noun(m["p"])
        self.taker.pop(thing, None)
        self.doers["drop", thing].add(m["n"])
        return verdict

    def _lie(self, m):
        self.lies[noun(m["x"])] = noun(m["p"])

    def _hold(self, m):
        thing = noun(m["x"])
        return self.holder[thing] == m["n"] if thing in self.holder else None

    def _lack(self, m):
        return _not(self._hold(m))

    def _be(self, m):
        return self.place[m["n"]] == noun(m["p"]) if m["n"] in self.place else None

    def _be_elsewhere(self, m):
        return _not(self._be(m))

    def _did(self, m):
        """So far the only one."""
        return self.doers[MEANING[m["verb"]], noun(m["x"])] == {m["n"]}

    def _promise(self, m):
        self.promised[noun(m["x"])] = m["n"]

    def _holdings(self, m):
        of = self.holder if m["verb"] == "have" else self.taker
        named = {noun(thing) for thing in m["things"].split(" and ")}
        return named == {thing for thing, person in of.items() if person == m["n"]}

    def _open(self, m):
        self.is_glad = m["mood"] == "glad"

    def _close(self, m):
        return is_good(m["worth"]) == self.is_glad and not self.promised

    def _fancy(self, m):
        return None

    def _like(self, m):
        deed = MEANING[m["verb"]]
        self.doers[deed, noun(m["x"])].add(m["n"])
        return _all([(deed == "like") == is_good(m["worth"]), self._worth(m)])

    def _colour(self, m):
        return _agree(self.colour, noun(m["x"]), m["colour"])

    def _correct(self, m):
        opposite = (m["wrong"] in GOOD) != (m["worth"] in GOOD)
        return _all([opposite, self._worth(m)])

    def _worth(self, m):
        return _agree(self.worth, noun(m["x"]), is_good(m["worth"]))


def _agree(known: dict, key: str, value: object) -> bool | None:
    before = known.setdefault(key, value)
    return before == value


def _not(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict


def _all(verdicts) -> bool | None:
    verdicts = list(verdicts)
    if any(verdict is False for verdict in verdicts):
        return False
    return None if any(verdict is None for verdict in verdicts) else True


def meaning(text: str) -> set[tuple]:
    """What a sentence says, whatever its order and voice: {(kind, n, m, x), ...} of its clauses."""
    clauses = re.sub(" [.?]$", "", text).split(" and ")
    return {next(_event(k, m) for k, p in PATTERNS if (m := p.fullmatch(c))) for c in clauses}


def _event(kind: str, match: re.Match) -> tuple:
    parts = match.groupdict()
    return kind, parts.get("n"), parts.get("m"), noun(parts["x"])


def verdict_is_good(text: str) -> bool:
    """The verdict of a sentiment text: its main clause's, of joined clauses that of each."""
    text = text.removesuffix(" .")
    if subordinate := re.fullmatch("although (.+) , (.+)", text):
        return _clause_is_good(subordinate[2])
    if subordinate := re.fullmatch("(.+) although .+", text):
        return _clause_is_good(subordinate[1])
    if correction := re.fullmatch(f"{THING} was not [a-z]+ but ([a-z]+)", text):
        return is_good(correction[1])
    if contrast := re.fullmatch(".+ but (.+)", text):
        return _clause_is_good(contrast[1])
    verdicts = {_clause_is_good(clause) for clause in text.split(" and ")}
    assert len(verdicts) == 1, text
    return verdicts.pop()


def _clause_is_good(clause: str) -> bool:
    if described := re.fullmatch(f"{THING} was (.+)", clause):
        return is_good(described[1])
    liking = re.fullmatch(f"{NAME} (.*?)(liked|loved|hated|disliked) {THING}", clause)
    num_negations = sum(word in ("not", "never", "hardly") for word in liking[1].split())
    return (MEANING[liking[2]] == "like") == (num_negations % 2 == 0)
