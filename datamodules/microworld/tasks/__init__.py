"""The downstream tasks of microworld, one a file: a generator of examples with exact labels.

A task's module holds `draw(random, label)`, an example of the given label, and `LABELS`. Of spans
and of a tagging task the one label is of the whole text; the latter has its tags in `TAGS`.
"""
