"""The downstream tasks of microworld, one a file: a generator of examples with exact labels.

A task's module holds `draw(random, label)`, an example of the given label, and `LABELS`. For span
questions the label is the side of the answer on which its evidence stands; a tagging task has one
label for its whole text and its tags in `TAGS`.
"""
