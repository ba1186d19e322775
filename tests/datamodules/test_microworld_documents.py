"""The documents of microworld: drawn from their seed, in a language that agrees with itself."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from random import Random

import pytest

from datamodules.microworld import stories
from datamodules.microworld.documents import VOCABULARY, documents
from datamodules.microworld.lexicon import (
    ARTICLE,
    COLOURS,
    DROP,
    HATE,
    LIKE,
    NAMES,
    PLACES,
    TAKE,
    decode,
)
from datamodules.microworld.stories import tell_story
from tests.datamodules.interpreter import MEANING, World

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


def test_nor_does_a_story_contradict_itself_that_is_so_long_that_two_do_the_same(monkeypatch):
    monkeypatch.setattr(stories, "SHORTEST", 60)
    monkeypatch.setattr(stories, "LONGEST", 60)
    random = Random(1)
    done_by_two = Counter()
    for _ in range(100):
        world = World()
        story = tell_story(random)
        for sentence in story:
            assert world.read(sentence) is not False, (sentence, story)
        done_by_two.update(deed for (deed, _), people in world.doers.items() if len(people) > 1)
    assert min(done_by_two[deed] for deed in ("take", "drop", "like", "hate")) > 10


def test_a_story_with_another_holder_would_contradict_itself():
    """The interpreter of the tests above does see a sentence that is false."""
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


def test_who_did_it_is_asked_of_every_deed_and_another_answer_would_be_false():
    found = set()
    for story in STORIES:
        world = World()
        for sentence in story:
            asked = re.fullmatch(r"who (\w+) \w+ \w+ [?] (\w+) [.]", sentence)
            if asked and asked[1] in MEANING:
                assert world.read(sentence) is True, (sentence, story)
                for liar in set(NAMES) - {asked[2]}:
                    assert world.read(sentence.replace(asked[2], liar)) is False
                found.add(asked[1])
            world.read(sentence)
    assert found == {*TAKE, *DROP, *LIKE, *HATE}


@pytest.mark.parametrize(
    ("verb", "deed"),
    [
        ("liked", "{} liked ka box because it was good ."),
        ("disliked", "{} disliked ka box because it was bad ."),
        ("left", "{} left ka red box in bo hall ."),
        ("took", "ka red box was taken by {} ."),
        ("grabbed", "before he grabbed ka box , {} walked to bo hall ."),
    ],
)
def test_who_did_it_has_no_answer_where_nobody_did_or_two(verb, deed):
    world = World()
    question = f"who {verb} ka box ? tom ."
    assert world.read(question) is False
    world.read(deed.format("tom"))
    world.read(deed.format("tom"))
    assert world.read(question) is True
    world.read(deed.format("ben"))
    assert world.read(question) is False
    assert world.read(question.replace("tom", "ben")) is False
