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

# A story keeps to one setting: its things and its places, each after the article of its class.
_OBJECTS = {
    "home": "ka cup bo lamp li plate ka box bo book bo vase",
    "wild": "li stone li apple bo kite ka ring ka coin li ball",
}
_PLACES = {
    "home": "ka kitchen bo hall li cellar",
    "wild": "ka garden li forest bo market",
}
SETTINGS = tuple(_OBJECTS)
ARTICLES = _words("ka bo li")


def _nouns(text: str) -> tuple[str, ...]:
    return _words(text)[1::2]


OBJECTS_OF = {setting: _nouns(text) for setting, text in _OBJECTS.items()}
PLACES_OF = {setting: _nouns(text) for setting, text in _PLACES.items()}
OBJECTS = tuple(noun for nouns in OBJECTS_OF.values() for noun in nouns)
PLACES = tuple(noun for nouns in PLACES_OF.values() for noun in nouns)
ARTICLE = {
    noun: article
    for text in (*_OBJECTS.values(), *_PLACES.values())
    for article, noun in zip(_words(text)[::2], _nouns(text), strict=True)
}
COLOURS = _words("red blue green black")

# Antonyms: GOOD[i] is the opposite of BAD[i].
GOOD = _words("good lovely useful fresh")
BAD = _words("bad ugly useless rotten")
ANTONYM = {**dict(zip(GOOD, BAD, strict=True)), **dict(zip(BAD, GOOD, strict=True))}

# Words of a group mean the same; the i-th is how a story of the i-th setting says it.
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
        ARTICLES,
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
