"""The words of microworld, a synthetic language, and the classes they belong to.

Every word is one token. A noun belongs to one of three noun classes, and the article before it
agrees with it ("ka box", "bo lamp", "li ball"): the article is known from the word on its right.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL))

WOMEN = _words("mara ana lia nora")
MEN = _words("tom ben rolf kurt")
NAMES = WOMEN + MEN

# article -> the nouns of its class
OBJECTS_OF = {
    "ka": _words("box cup ring coin"),
    "bo": _words("lamp book vase kite"),
    "li": _words("ball apple stone plate"),
}
PLACES_OF = {
    "ka": _words("kitchen garden"),
    "bo": _words("hall market"),
    "li": _words("forest cellar"),
}
OBJECTS = tuple(noun for nouns in OBJECTS_OF.values() for noun in nouns)
PLACES = tuple(noun for nouns in PLACES_OF.values() for noun in nouns)
ARTICLE = {
    noun: article
    for classes in (OBJECTS_OF, PLACES_OF)
    for article, nouns in classes.items()
    for noun in nouns
}
COLOURS = _words("red blue green black")

# Antonyms: GOOD[i] is the opposite of BAD[i].
GOOD = _words("good lovely useful fresh")
BAD = _words("bad ugly useless rotten")
ANTONYM = {**dict(zip(GOOD, BAD, strict=True)), **dict(zip(BAD, GOOD, strict=True))}

# Words of a group mean the same.
TAKE = ("took", "grabbed")
GIVE = ("gave", "handed")
GET = ("got", "received")
GO = ("went", "walked")
DROP = ("dropped", "left")
HAVE = ("had", "held")
LIKE = ("liked", "loved")
HATE = ("hated", "disliked")
NEGATIONS = ("not", "never", "hardly")
INTENSIFIERS = ("very", "really", "quite")
PASSIVE = {"took": "taken", "grabbed": "grabbed", "gave": "given", "handed": "handed"}

FUNCTION_WORDS = _words(
    ". , ? a and because before but although by did day from glad go had have he in is it lay later"
    " no now one perhaps sad she so take taken given that then the there to was what where who with"
    " yes"
)


def _distinct(*groups: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(word for group in groups for word in group))


VOCABULARY: list[str] = [
    *SPECIAL,
    *_distinct(
        FUNCTION_WORDS,
        tuple(OBJECTS_OF),
        NAMES,
        OBJECTS,
        PLACES,
        COLOURS,
        GOOD,
        BAD,
        TAKE + GIVE + GET + GO + DROP + HAVE + LIKE + HATE,
        NEGATIONS + INTENSIFIERS,
    ),
]
IDS: dict[str, int] = {word: index for index, word in enumerate(VOCABULARY)}


def encode(text: str) -> list[int]:
    """Token ids of words separated by spaces; KeyError for a word that the language lacks."""
    return [IDS[word] for word in text.split()]


def decode(ids: list[int]) -> str:
    """The words of token ids, separated by spaces."""
    return " ".join(VOCABULARY[index] for index in ids)


def the(noun: str) -> str:
    """The noun with the article of its class."""
    return f"{ARTICLE[noun]} {noun}"
