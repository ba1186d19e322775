"""Run folders by what a user types: an id or the beginning of one, a study, a folder, a plan."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path

from experiments.errors import UserError
from experiments.store import RunFolder

RUN_ID = re.compile(r"[0-9a-f]{16}")


def all_runs(runs: Path) -> list[RunFolder]:
    """Every prepared run under `runs`, in the order of studies and ids."""
    if not runs.is_dir():
        raise UserError(f"there is no folder of runs at '{runs}': type --runs with one that exists")
    found = [path.parent for path in runs.glob("*/*/run.json")]
    return [RunFolder(path) for path in sorted(found) if RUN_ID.fullmatch(path.name)]


def find_run(runs: Path, word: str) -> RunFolder:
    """The one run whose id begins with the word."""
    known = all_runs(runs)
    found = [folder for folder in known if word and folder.path.name.startswith(word)]
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(folder.path.name for folder in found[:3])
        raise UserError(f"{len(found)} runs begin with '{word}' ({some} ...): type more of the id")
    ids = [folder.path.name for folder in known]
    near = difflib.get_close_matches(word, ids, n=3, cutoff=0.5) or ids[:3]
    hint = f"the nearest are {', '.join(near)}" if near else "it holds no runs"
    raise UserError(f"no run in '{runs}' has an id that begins with '{word}': {hint}")


def select(runs: Path, words: list[str]) -> list[RunFolder]:
    """The runs that words name: all of them for no word, and each once.

    A word is a study, a run folder, a plan (a .json file), or an id or the beginning of one.
    """
    if not words:
        return all_runs(runs)
    found: dict[Path, RunFolder] = {}
    for word in words:
        for folder in _named(runs, word):
            found[folder.path.resolve()] = folder
    return sorted(found.values(), key=lambda folder: (folder.path.parent.name, folder.path.name))


def _named(runs: Path, word: str) -> list[RunFolder]:
    if word.endswith(".json"):
        return _planned(runs, Path(word))
    if (Path(word) / "run.json").exists() and RUN_ID.fullmatch(Path(word).resolve().name):
        return [RunFolder(Path(word).resolve())]
    study = runs / word
    if "/" not in word and study.is_dir():
        return [folder for folder in all_runs(runs) if folder.path.parent == study]
    return [find_run(runs, word)]


def _planned(runs: Path, path: Path) -> list[RunFolder]:
    """A plan's runs that have a folder; those not yet started have none."""
    try:
        planned = json.loads(path.read_text(encoding="utf-8"))["runs"]
        folders = [RunFolder.of(runs, study=r["study"], run_id=r["run_id"]) for r in planned]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no plan: expected runs/plans/<sweep>-<profile>.json") from error
    return [folder for folder in folders if folder.spec_file.exists()]
