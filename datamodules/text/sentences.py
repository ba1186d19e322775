"""Sentence splitting by rule, for text with capital letters.

    sentences("Dr. J. Smith came at 5 p.m. It rained.")
    # ["Dr. J. Smith came at 5 p.m.", "It rained."]

A line's end ends a sentence. Within a line one ends at . ! ? … and the closing quotes or brackets
after it, before white space and anything but a small letter; and at 。！？, white space or not. A
single full stop does not end one after a title ("Dr."), an initial ("J."), or what a number follows
("vol. 2"); after an abbreviation that may end a sentence ("etc.", "U.S.", "p.m.") it does only
before one of a few words that commonly begin one ("The").

Known limits: hard-wrapped text must be unwrapped first; an abbreviation that is not on the list
ends a sentence; a sentence that ends in an initial ("Plan B. Then") does not end; text without
capitals or punctuation is one sentence a line. Next-sentence pairs and packing need boundaries
that are mostly right, not all of them.
"""

from __future__ import annotations

import re

BOUNDARY = re.compile(
    r"""(?P<stop>[.!?…]+) ['"’”»)\]]* (?P<space>\s+)
        (?=['"‘“«(\[]*(?P<word>[^\Wa-zà-öø-ÿ]\w*|[^\w\s]))
    | (?<=[。！？]) (?P<east>) (?!$)""",
    re.VERBOSE,
)
LAST_WORD = re.compile(r"[^\s('\"‘“«\[]*$")
ACRONYM = re.compile(r"(?:\w\.)+\w")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A name or more of the sentence follows these.
OPENING = _words(
    """mr mrs ms messrs mme mlle dr prof ste mt ft fr rev hon gen col maj capt cpt lt sgt cpl adm
    gov sen rep pres supt cf vs v viz approx ca e.g i.e incl esp
    jan feb mar apr jun jul aug sept oct nov dec"""
)
# Not the end where a number follows.
NUMBERED = _words("no nos nr vol vols fig figs p pp pt ch chap sec art op ed eds c")
# These may end a sentence.
CLOSING = _words("etc al st jr sr inc ltd co corp bros dept univ ave blvd rd ph.d")
STARTERS = _words(
    """The This That These Those There It He She They We I You In On At By For From After Before
    When While As If But And His Her Its Their Our A An"""
)


def sentences(text: str) -> list[str]:
    """The sentences of a document in order, stripped; none is empty."""
    found: list[str] = []
    for line in text.split("\n"):
        begin = 0
        for match in BOUNDARY.finditer(line):
            if match["east"] is not None or _ends(line, begin, match):
                found.append(line[begin : match.start("space") if match["space"] else match.end()])
                begin = match.end()
        found.append(line[begin:])
    return [stripped for sentence in found if (stripped := sentence.strip())]


def _ends(line: str, begin: int, match: re.Match[str]) -> bool:
    if match["stop"] != ".":
        return True
    # 40 characters hold every abbreviation; a longer last word is none.
    last = LAST_WORD.search(line[max(begin, match.start() - 40) : match.start()])
    word = last[0] if last else ""
    if (len(word) == 1 and word.isupper()) or word.lower() in OPENING:
        return False
    if word.lower() in NUMBERED:
        return not match["word"].isdecimal()
    if word.lower() in CLOSING or ACRONYM.fullmatch(word):
        return match["word"] in STARTERS
    return True
