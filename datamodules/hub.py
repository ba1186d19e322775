"""Data sets of the hub, through the `datasets` library, and only when a setting names one.

rows = load("hub:nyu-mll/glue@<commit>", split="train", configuration="mrpc")
"""

from __future__ import annotations

from typing import Any

from datamodules.contents import HUB


def library() -> Any:
    """The `datasets` library; ValueError where it is not installed."""
    try:
        import datasets
    except ImportError:
        raise ValueError(
            "this data set needs the library `datasets`: type pip install -e '.[hub]'"
        ) from None
    return datasets


def load(source: str, *, split: str, configuration: str | None = None) -> Any:
    """The rows of a split, at the commit that the source names; a configuration in the source
    itself decides."""
    wanted = HUB.fullmatch(source)
    assert wanted, "checked where the identity is computed"
    return library().load_dataset(
        wanted["name"], wanted["config"] or configuration, split=split, revision=wanted["commit"]
    )
