"""What a component accepts, read from its source without importing it.

Importing torch takes seconds and a user's typo should be answered at once, so the signature of the
class that a `_target_` names is parsed, not imported. The same reading gives the class's `version`
and `causal_only`, which stand in its body as literals, and its static method `mistake`, which says
in a sentence what settings do not go together and knows Python's builtins alone.

The convention that makes a signature a schema: an argument of `__init__` with a default is a
setting of the configuration; one without is context that the worker supplies (seeds, the model).
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.errors import UserError, did_you_mean

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("lightning_modules", "datamodules")
SIMPLE = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Signature:
    """settings: name -> (annotation, default); context: the names of what the worker supplies;
    attributes: the literals of the class body; mistake: its static method of that name."""

    target: str
    settings: dict[str, tuple[str, Any]]
    context: set[str]
    attributes: dict[str, Any]
    mistake: Callable[..., str | None] | None = None


def _split(target: str) -> tuple[str, str]:
    module, _, name = target.rpartition(".")
    if module.split(".")[0] not in PACKAGES:
        raise UserError(
            f"_target_: {target} is outside the project: expected a class in "
            f"{' or '.join(PACKAGES)}, such as lightning_modules.positions.learned.LearnedPositions"
        )
    return module, name


@functools.cache
def signature(target: str) -> Signature:
    """The signature of the class `package.module.Name`; UserError when there is no such class."""
    module, name = _split(target)
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        raise UserError(f"_target_: {target}: there is no file {path.relative_to(ROOT)}")
    classes = {
        node.name: node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    if name not in classes:
        raise UserError(
            f"_target_: {target}: {path.relative_to(ROOT)} has no class {name}."
            + did_you_mean(name, classes)
        )
    attributes: dict[str, Any] = {}
    settings: dict[str, tuple[str, Any]] = {}
    context: set[str] = set()
    mistake = None
    for node in classes[name].body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            owner = node.targets[0] if isinstance(node, ast.Assign) else node.target
            with contextlib.suppress(ValueError):
                attributes[ast.unparse(owner)] = ast.literal_eval(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name == "mistake":
            mistake = _alone(node)
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                if default is None:
                    context.add(argument.arg)
                else:
                    annotation = ast.unparse(argument.annotation) if argument.annotation else ""
                    settings[argument.arg] = (annotation, ast.literal_eval(default))
    if not isinstance(attributes.get("version"), int):
        raise UserError(f"{target} states no integer `version` in its class body")
    return Signature(target, settings, context, attributes, mistake)


def _alone(method: ast.FunctionDef) -> Callable[..., str | None]:
    """A static method as a function, without anything that its file imports."""
    method.decorator_list = []
    scope: dict[str, Any] = {}
    exec(compile(ast.Module([method], []), f"<{method.name}>", "exec"), scope)
    function: Callable[..., str | None] = scope[method.name]
    return function


def _coerce(value: Any, annotation: str, where: str) -> Any:
    """The value in its setting's type: 3 for a float setting becomes 3.0, a string is refused."""
    if value is None and "None" in annotation:
        return None
    if annotation.startswith("Literal["):
        levels = ast.literal_eval(f"({annotation[8:-1]},)")
        if value not in levels:
            raise UserError(
                f"{where}={value} is not known: expected one of {', '.join(map(str, levels))}."
                + did_you_mean(str(value), map(str, levels))
            )
        return value
    expected = SIMPLE.get(annotation.replace(" | None", ""))
    if expected is None or (type(value) is expected):
        return value
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    raise UserError(
        f"{where}={value} is {type(value).__name__}, but {where} is {annotation}: "
        f"type {where}=<{annotation}>"
    )


def _check_limits(
    typed: dict[str, Any], limits: dict[str, tuple[float, float]], where: str
) -> None:
    """`limits` in a class body gives a setting's smallest and largest allowed value."""
    for key, (low, high) in limits.items():
        if typed[key] is not None and not low <= typed[key] <= high:
            raise UserError(f"{where}.{key}={typed[key]} is out of range: expected {low} to {high}")


def _check_levels(typed: dict[str, Any], levels: dict[str, tuple[float, ...]], where: str) -> None:
    """`levels` in a class body gives the only numbers that a setting may have."""
    for key, known in levels.items():
        if typed[key] not in known:
            raise UserError(
                f"{where}.{key}={typed[key]:g} is not known: expected one of "
                f"{', '.join(f'{level:g}' for level in known)}"
            )


def validate(component: dict[str, Any], *, where: str) -> dict[str, Any]:
    """The component with every setting present, in its type; UserError for what does not fit.

    `name` is the level's label in tables and may stand beside the settings.
    """
    if "_target_" not in component:
        raise UserError(f"{where} names no _target_: choose one of the files in conf/{where}/")
    known = signature(component["_target_"])
    given = {k: v for k, v in component.items() if k not in ("_target_", "name")}
    for key in given:
        if key not in known.settings:
            raise UserError(
                f"{where}.{key} is not known: {known.target.rpartition('.')[2]} takes "
                f"{', '.join(known.settings) or 'no settings'}." + did_you_mean(key, known.settings)
            )
    typed: dict[str, Any] = {"_target_": known.target, "name": component.get("name", "")}
    for key, (annotation, default) in known.settings.items():
        typed[key] = _coerce(given.get(key, default), annotation, f"{where}.{key}")
    _check_limits(typed, known.attributes.get("limits", {}), where)
    _check_levels(typed, known.attributes.get("levels", {}), where)
    return typed


def build(component: dict[str, Any], **context: Any) -> Any:
    """The object that a validated component describes; of `context`, what the worker can add, it
    gets what its class asks for."""
    module, name = _split(component["_target_"])
    cls = getattr(importlib.import_module(module), name)
    arguments = {k: v for k, v in component.items() if k not in ("_target_", "name")}
    wanted = signature(component["_target_"]).context
    return cls(**arguments, **{k: v for k, v in context.items() if k in wanted})
