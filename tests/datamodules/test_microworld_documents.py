"""The documents of microworld: drawn from their seed, in a language that agrees with itself."""

from __future__ import annotations

import itertools
import re

import pytest

from datamodules.microworld.documents import VOCABULARY, documents
from datamodules.microworld.lexicon import ARTICLE, COLOURS, NAMES, PLACES, decode
from tests.datamodules.interpreter import World

STORIES = [[decode(s) for s in story] for story in documents(seed=3, count=2000)]


def test_the_vocabulary_begins_as_berts_and_holds_each_word_once():
    assert VOCABULARY[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert 100 <= len(VOCABULARY) <= 400


def test_documents_are_a_function_of_their_seed_and_of_nothing_else():
    assert documents(seed=3, count=20) == documents(seed=3, count=30)[:20]
    assert documents(seed=4, count=20) != documents(seed=3, count=20)
    with pytest.raises(ValueError, match="expected 0 or more documents"):
        documents(seed=3, count=-1)


def test_every_word_occurs_and_no_special_token_does():
    words = {word for story in STORIES for sentence in story for word in sentence.split()}
    assert words == set(VOCABULARY[5:])


def test_stories_have_6_to_14_sentences_each_ending_in_a_full_stop():
    assert {len(story) for story in STORIES} == set(range(6, 15))
    assert all(sentence.endswith(" .") for story in STORIES for sentence in story)


def test_an_article_agrees_with_the_noun_on_its_right():
    found = 0
    for sentence in itertools.chain.from_iterable(STORIES):
        words = sentence.split()
        for word, follower, second in zip(words, words[1:], words[2:], strict=False):
            if word in ("ka", "bo", "li"):
                noun = second if follower in COLOURS else follower
                assert ARTICLE[noun] == word, sentence
                found += noun in PLACES
    assert found > 1000


def test_no_story_contradicts_itself():
    for story in STORIES:
        world = World()
        for sentence in story:
            assert world.read(sentence) is not False, (sentence, story)


def test_a_story_with_another_holder_would_contradict_itself():
    """The interpreter of the test above does see a sentence that is false."""
    found = 0
    for story in STORIES:
        world = World()
        for sentence in story:
            if told := re.fullmatch(r"now (\w+) (had|held) .*", sentence):
                liar = next(name for name in NAMES if name != told[1])
                assert world.read(sentence.replace(told[1], liar)) is False
                found += 1
            world.read(sentence)
    assert found > 50
