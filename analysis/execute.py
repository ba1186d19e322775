"""Executes a study's notebook, `analysis/notebooks/<study>.py`, into an .ipynb with its outputs.

    execute("symmetry", Path("reports/notebooks/symmetry.ipynb"), {"SOURCE": "runs"})

A notebook is kept as a percent script, so that it diffs as code does. The names assigned in its
first code cell are its parameters; given values are set in a cell of their own after it.
"""

from __future__ import annotations

import ast
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.errors import UserError, did_you_mean
from experiments.store import write_atomic

NOTEBOOKS = Path(__file__).parent / "notebooks"
SECONDS_PER_CELL = 600


class NotebookError(Exception):
    """A cell raised; what ran until then has been written."""


def notebook_of(study: str) -> Path | None:
    path = NOTEBOOKS / f"{study}.py"
    return path if path.is_file() else None


def execute(
    study: str,
    target: Path,
    parameters: Mapping[str, Any],
    on_cell: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Runs every cell in a kernel of this interpreter, in the current folder; returns `target`.

    `on_cell(done, total)` is called as code cells end. NotebookError says which cell failed.
    """
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    source = notebook_of(study)
    if source is None:
        known = sorted(path.stem for path in NOTEBOOKS.glob("*.py"))
        raise UserError(
            f"study '{study}' has no notebook; expected one of: {', '.join(known)}."
            f"{did_you_mean(study, known)}"
        )
    notebook = jupytext.read(source)
    _set_parameters(notebook, parameters, source.name)
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    done = 0

    def executed(**_: Any) -> None:
        nonlocal done
        done += 1
        on_cell(done, total)

    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_manager_class=_kernel_of_this_interpreter(),
        resources={"metadata": {"path": os.getcwd()}},
        on_cell_executed=executed,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # A user's own IPython profile must not reach into the notebook, nor its history keep it.
        environment = {**os.environ, "IPYTHONDIR": scratch, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise NotebookError(
                f"notebook {source.name}, code cell {done} of {total}: {error.ename}: "
                f"{error.evalue}"
            ) from None
        finally:
            write_atomic(target, nbformat.writes(notebook))
    return target


def _set_parameters(notebook: Any, parameters: Mapping[str, Any], where: str) -> None:
    """Inserts a cell that assigns the parameters after the one that declares them."""
    import nbformat

    index, first = next((i, c) for i, c in enumerate(notebook.cells) if c.cell_type == "code")
    known = [
        target.id
        for node in ast.parse(first.source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    for name in parameters:
        if name not in known:
            raise UserError(
                f"notebook {where} has no parameter {name}; its first cell sets {', '.join(known)}."
                f"{did_you_mean(name, known)}"
            )
    if parameters:
        lines = [f"{name} = {value!r}" for name, value in parameters.items()]
        cell = nbformat.v4.new_code_cell("\n".join(["# as make tables was called", *lines]))
        cell.metadata["tags"] = ["injected-parameters"]
        notebook.cells.insert(index + 1, cell)


def _kernel_of_this_interpreter() -> type:
    """A kernel manager that needs no kernel installed for the user: it runs sys.executable."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class RunningInterpreter(AsyncKernelManager):
        @default("transport")
        def _through_files_rather_than_ports(self) -> str:
            return "ipc"

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name="Python 3",
                language="python",
            )

    return RunningInterpreter
