"""How every figure looks: fonts, axes, and colours that colour-blind readers can tell apart."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's colours, told apart by colour-blind readers; then the same again, dashed.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555b66",
    "ytick.color": "#555b66",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "svg.hashsalt": "figures",  # equal runs give equal bytes
}


def line_handle(colour: str, dash: Any, *, label: str) -> Any:
    """A legend's sample of a line."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linestyle=dash, linewidth=1.8, label=label)
