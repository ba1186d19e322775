"""A study's figures, as PNG and SVG. Each study has a module here: `analysis/figures/<study>.py`.

It declares FIGURES: a name for each function of (plan, frame) that draws one. A sweep that shows
something else has a module of its own, `analysis/figures/<sweep>.py`, which then replaces the
study's. A study without a module has no figures.

    files = write_figures(plan, plan_frame(plan, "results"), Path("reports/figures"))
"""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .style import STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    Draw = Callable[[Mapping[str, Any], pd.DataFrame], Figure]


def figures_of(plan: Mapping[str, Any]) -> dict[str, Draw]:
    """What the plan's sweep declares, or else its study, by name."""
    for name in (plan["sweep"], plan["study"]):
        module = f"{__name__}.{name}"
        if importlib.util.find_spec(module) is not None:
            return importlib.import_module(module).FIGURES
    return {}


def write_figures(plan: Mapping[str, Any], frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Writes <sweep>_<figure>.{png,svg} for each of the plan's figures; returns the files.

    A plan without a finished run has none.
    """
    if not len(frame):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in figures_of(plan):
        for suffix in ("png", "svg"):
            path = folder / f"{plan['sweep']}_{name}.{suffix}"
            path.write_bytes(image(name, plan, frame, suffix=suffix))
            files.append(path)
    return files


def image(
    name: str,
    plan: Mapping[str, Any],
    frame: pd.DataFrame,
    *,
    suffix: str = "png",
) -> bytes:
    """One figure of the plan as a file's bytes, without a date: equal runs, equal bytes."""
    return drawn(lambda: figures_of(plan)[name](plan, frame), suffix=suffix)


def drawn(draw: Callable[[], Figure], *, suffix: str = "png") -> bytes:
    """What `draw` draws in the project's style, as a file's bytes."""
    import matplotlib

    matplotlib.use("Agg")
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure = draw()
        metadata = {"Date": None} if suffix == "svg" else {"Software": None}
        figure.savefig(file, format=suffix, dpi=180, bbox_inches="tight", metadata=metadata)
    return file.getvalue()
