"""What a datamodule reads below paths.data, known from its settings without importing torch.

A datamodule that reads files states in its class body, as literals,

    files      its settings that name a file, a folder or a data set of the hub
    folders    where its first such setting names a folder of many tasks: each task's folder in it
    examples   a module whose `splits(settings, data_dir)` reads the examples, where an epoch is one
               pass over them
"""

from __future__ import annotations

import functools
import importlib
import json
from pathlib import Path
from typing import Any

from datamodules.contents import identity_of
from experiments.components import signature
from experiments.errors import UserError


def data_files(data: dict[str, Any]) -> dict[str, str]:
    """The settings that name data, and what they name for the component's task."""
    attributes = signature(data["_target_"]).attributes
    named = {name: data[name] for name in attributes.get("files", ()) if data[name] is not None}
    if folders := attributes.get("folders"):
        source = attributes["files"][0]
        if not named[source].startswith("hub:"):
            named[source] = f"{named[source]}/{folders[data['task']]}"
    return named


def count_training_examples(data: dict[str, Any], data_dir: Path) -> int:
    """The examples of one epoch; UserError, with file and line, where they cannot be read or are
    fewer than the settings ask for."""
    contents = tuple(identity_of(value, data_dir) for value in data_files(data).values())
    try:
        settings = json.dumps({**data, **data_files(data)}, sort_keys=True)
        return _counted(settings, data_dir, contents)
    except ValueError as error:
        raise UserError(str(error)) from error


@functools.lru_cache(maxsize=256)
def _counted(settings: str, data_dir: Path, contents: tuple[str, ...]) -> int:
    """Read once a process for each contents: a plan composes every arm."""
    data = json.loads(settings)
    reader = importlib.import_module(signature(data["_target_"]).attributes["examples"])
    return len(reader.splits(data, data_dir).train)
