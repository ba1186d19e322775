"""The walls of the house: imports run one way, and what must hold for every file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("experiments", "lightning_modules", "datamodules", "sweeps", "analysis")
ALLOWED = {
    "lightning_modules": {"lightning_modules"},
    "datamodules": {"datamodules"},
    # experiments.compose normalises residual sets with a torch-free function of the model's.
    "experiments": {"experiments", "lightning_modules", "datamodules"},
    "analysis": {
        "analysis",
        "experiments.store",
        "experiments.errors",
        *(
            f"experiments.{name}"
            for name in ("wandb_client", "wandb_record", "wandb_reading", "wandb_dashboard")
        ),
    },
    "sweeps": {"sweeps", "experiments", "analysis"},
}
# One door in a wall: the entry point of one run is Hydra's multirun as well, and its launcher is a
# sweep. Only a multirun goes through it.
DOORS = {"experiments/run.py": "sweeps.hydra_launcher"}
FORBIDDEN = {
    "lightning_modules": {"hydra", "omegaconf", "wandb"},
    "datamodules": {"hydra", "omegaconf", "wandb"},
    "analysis": {"torch", "pytorch_lightning", "torchmetrics", "hydra"},
}
FILES = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, as a full dotted name."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parents if node.level else []), node.module or ""]).strip(".")
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    door = DOORS.get(path.relative_to(ROOT).as_posix(), "no door")
    for name in imports(path):
        if f"{name}.".startswith(f"{door}."):
            continue
        top = name.split(".")[0]
        if top in PACKAGES:
            assert any(f"{name}.".startswith(f"{ok}.") for ok in ALLOWED[package]), name
        assert top not in FORBIDDEN.get(package, set()), name


def test_the_worker_reaches_neither_hydra_nor_wandb() -> None:
    """Followed through the project's own imports, from the worker on."""
    seen, todo = set(), ["experiments.worker"]
    while todo:
        module = todo.pop()
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        if module in seen or not path.exists():
            continue
        seen.add(module)
        for name in imports(path):
            assert name.split(".")[0] not in {"hydra", "omegaconf", "wandb", "pandas"}, (
                module,
                name,
            )
            todo += [name, name.rpartition(".")[0]]
    assert {"experiments.store", "experiments.training", "lightning_modules.transformer"} < seen


@pytest.mark.parametrize("module", ["experiments.run", "sweeps", "sweeps.__main__", "analysis"])
def test_a_command_starts_without_anything_heavy(module: str) -> None:
    heavy = "{'torch', 'pandas', 'wandb', 'scipy', 'matplotlib', 'hydra', 'numpy'}"
    script = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text or ast.get_docstring(ast.parse(text)), "no module docstring"
    assert text.count("\n") <= 320, "one concept a file: this one has grown too long"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_read_with_its_encoding(path: Path) -> None:
    bare = re.compile(r"\.read_text\(\)|\.open\(\)|write_text\([^)]*\)(?<!encoding=\"utf-8\"\))")
    assert not bare.search(path.read_text(encoding="utf-8"))


def test_every_component_of_conf_exists_and_states_its_version() -> None:
    from omegaconf import OmegaConf

    from experiments.components import signature

    found = [
        path for name in ("position", "data", "module") for path in ROOT.glob(f"conf/{name}/*")
    ]
    assert len(found) >= 5
    for path in found:
        config = OmegaConf.load(path)
        assert config.name == path.stem
        assert signature(config._target_).attributes["version"] >= 1


def test_a_position_encoding_is_named_in_its_own_file_only() -> None:
    """No other source asks which kind it has; "none" is a word for much else."""
    positions = "lightning_modules.positions."
    kinds = {path.stem for path in (ROOT / "conf/position").glob("*.yaml")} - {"none"}
    # What all kinds have in common, and BERT's own positions where BERT's weights are read.
    shared = {"base", "position_ids"}
    excepted = {"huggingface.py": {"learned"}}
    own = ROOT / "lightning_modules" / "positions"
    others = [
        path for path in FILES if path.parent != own and not path.is_relative_to(ROOT / "analysis")
    ]
    for path in others:
        allowed = shared | excepted.get(path.name, set())
        for name in imports(path):
            if name.startswith(positions):
                assert name.removeprefix(positions).split(".")[0] in allowed, (path, name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant):
                assert node.value not in kinds, (path, node.lineno, node.value)
