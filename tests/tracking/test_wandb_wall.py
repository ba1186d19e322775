"""The wandb package is met in one file, and only when W&B is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.tracking.conftest import REPO

PACKAGES = ("experiments", "lightning_modules", "datamodules", "sweeps", "analysis")


def imported(tree: ast.AST) -> Iterator[str]:
    """What the file imports, by statement or through importlib by a literal name."""
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield module


def importers(package: str) -> list[str]:
    return [
        file.relative_to(REPO).as_posix()
        for folder in PACKAGES
        for file in sorted((REPO / folder).rglob("*.py"))
        if any(
            name.split(".")[0] == package
            for name in imported(ast.parse(file.read_text(encoding="utf-8")))
        )
    ]


def test_only_wandb_client_imports_wandb() -> None:
    assert importers("wandb") == ["experiments/wandb_client.py"]


@pytest.mark.parametrize(
    "module",
    [
        "wandb_client",
        "wandb_record",
        "wandb_reading",
        "wandb_online",
        "offline_reader",
        "mirror",
        "sync",
    ],
)
def test_importing_the_mirror_imports_neither_wandb_nor_torch(module: str) -> None:
    check = f"import sys, experiments.{module}; print({{'wandb', 'torch'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", check], cwd=REPO, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("set()\n", "")
