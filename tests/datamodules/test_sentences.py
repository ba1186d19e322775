"""Where sentences end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.text.sentences import sentences


@pytest.mark.parametrize(
    "text",
    [
        "It rained. | We stayed.",
        "Who came? | Nobody! | Well... | Fine.",
        '"Stop!" | He stopped.',
        "He said (quietly.) | Then he left.",
        "Dr. J. R. Smith met Mrs. Brown on St. John St. | They spoke.",
        "See vol. 2 and p. 14 of it. | It is long.",
        "He said no. | Then he left.",
        "It is No. 5 of them.",
        "She came at 5 p.m. on Monday. | He came at 6 p.m. | They ate.",
        "The U.S. Army came. | He left the U.S. | The war went on.",
        "Apples, pears etc. are fruit. | So are plums etc. | They grow.",
        "Smith et al. found it.",
        "It cost 3.50 dollars. | 2000 people paid.",
        "He works at example.com now. | Good.",
        "Er kam. | Ärger gab es. | ¿Qué? | Élan.",
        "今日は。|元気？|はい。",
        "first line\n| second line\n| third",
        "no end",
    ],
)
def test_sentences_end_where_a_reader_ends_them(text):
    expected = [part.strip() for part in text.split("|")]
    assert sentences(text.replace("|", "")) == expected


def test_a_known_limit_an_initial_never_ends_a_sentence():
    assert sentences("There is no plan B. Then we wait.") == ["There is no plan B. Then we wait."]


@given(st.text(st.sampled_from("aAz .!?\n\t'\")(1.。é"), max_size=80))
def test_nothing_is_lost_and_nothing_is_empty(text):
    found = sentences(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in found)
