"""Maps of sinusoidal and rotary encodings over position and element, after Hirata (2024, slides).

They are drawn from closed forms: each is a function without arguments, and needs no run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..positions import idle
from ..positions.encodings import Encoding
from .style import COLOURS, DASHES

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LENGTH = 8192
EXPONENTS = {"standard": "exponent 2⌊j/2⌋/d (Vaswani et al.)", "literal": "exponent 2j/d (slides)"}
DECK = {name: Encoding(3072, LENGTH, exponent=name) for name in ("standard", "literal")}
HEADS = [Encoding(64, LENGTH), Encoding(128, LENGTH)]
SINE, COSINE = 0, 1  # elements 0, 2, 4 ... are sines, 1, 3, 5 ... cosines

MOST = 384  # pixels of a map in either direction
VALUES = "RdBu_r"
ANGLES = "viridis"
SLOWEST_SHOWN = 1e-3  # radians; whatever turns less has one colour
MARKS = {2 * math.pi: "one turn", 1.0: "1 rad", 0.1: "0.1 rad"}


def encoding_values() -> Figure:
    """Sines and cosines of the slides' encoding (d = 3,072), one row an exponent."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 6.2), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for row, (exponent, encoding) in zip(panels, DECK.items(), strict=True):
        for panel, (first, name) in zip(row, ((SINE, "sine"), (COSINE, "cosine")), strict=True):
            shown = _values(panel, encoding, first=first)
            _first_turn(panel, encoding)
            panel.set_title(f"{name}, {EXPONENTS[exponent]}", loc="left", size=9)
    _label(figure, panels)
    figure.colorbar(shown, ax=panels, shrink=0.6, label="value")
    return figure


def rotation_angles() -> Figure:
    """How far each element turns, m w_j, on a log scale; lines where it reaches MARKS."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 3.7), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True, squeeze=False)
    for panel, (exponent, encoding) in zip(panels[0], DECK.items(), strict=True):
        shown = _angles(panel, encoding)
        panel.set_title(EXPONENTS[exponent], loc="left", size=9)
    _label(figure, panels)
    _angle_bar(figure, shown, panels)
    return figure


def heads() -> Figure:
    """What rotary positions see: a head of 64 and of 128, cosines and angles."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 6.2), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True)
    for row, encoding in zip(panels, HEADS, strict=True):
        values = _values(row[0], encoding, first=COSINE)
        _first_turn(row[0], encoding)
        angles = _angles(row[1], encoding)
        for panel, name in zip(row, ("cosine", "angle"), strict=True):
            panel.set_title(f"head of {encoding.dim}, {name}", loc="left", size=9)
    _label(figure, panels)
    figure.colorbar(values, ax=panels[:, 0], shrink=0.6, label="value", location="left")
    _angle_bar(figure, angles, panels[:, 1])
    return figure


def spectra() -> Figure:
    """Variance by element, energy by direction, and neighbours under extension."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.6, 3.4), layout="constrained")
    variance, energy, neighbours = figure.subplots(1, 3)
    for (exponent, encoding), colour in zip(DECK.items(), COLOURS, strict=False):
        shares = np.arange(encoding.dim) / encoding.dim
        dots = {"linestyle": "", "marker": ".", "markersize": 1.2, "color": colour}
        dots["rasterized"] = True  # six thousand of them
        variance.plot(shares, idle.variances(encoding), **dots)
        cumulated = np.cumsum(idle.spectrum(encoding, centred=True))
        count = np.arange(1, encoding.dim + 1)
        energy.plot(count, cumulated / cumulated[-1], color=colour, label=EXPONENTS[exponent])
    energy.plot(count, count / len(count), color="#8a8f98", linewidth=0.9, linestyle=DASHES[2])
    variance.set(xlabel="element j / d", ylabel="variance over positions", ylim=(0, 0.55))
    variance.set_title("Variance of each element", loc="left")
    energy.set(xlabel="directions kept (log scale)", ylabel="share of the energy")
    energy.set(xscale="log", ylim=(0, 1.2))  # room for the legend
    energy.set_title("Centred spectrum; dotted: a flat one", loc="left")
    energy.legend(frameon=False, fontsize=7.5, loc="upper left")
    _neighbours(neighbours)
    for panel in (variance, energy, neighbours):
        panel.grid(color="#e4e7eb", linewidth=0.7)
        panel.set_axisbelow(True)
    return figure


def _neighbours(panel: Axes) -> None:
    """|PE_m - PE_(m+1)| as a share of what it was, by extension factor."""
    factors = (1.0, 2.0, 4.0, 8.0, 16.0)
    encoding = HEADS[0]
    before = idle.neighbour_distance(encoding)
    extended = {"interpolation": Encoding.interpolated, "NTK-aware base": Encoding.ntk_aware}
    for (name, extend), colour in zip(extended.items(), COLOURS[2:], strict=False):
        after = [idle.neighbour_distance(extend(encoding, factor)) for factor in factors]
        panel.plot(factors, [d / before for d in after], "o-", ms=3.5, color=colour, label=name)
    panel.set_xscale("log", base=2)
    panel.set_xticks(factors, [f"{factor:g}×" for factor in factors])
    panel.set(xlabel="extension factor", ylabel="distance, share of before", ylim=(0, 1.08))
    panel.set_title(f"Neighbouring positions, head of {encoding.dim}", loc="left")
    panel.legend(frameon=False, fontsize=8)


def _values(panel: Axes, encoding: Encoding, *, first: int) -> Any:
    """Elements `first`, `first` + 2 ... over all positions.

    A pixel holds many positions and shows the value at one of them, drawn within it: a fast
    element shows as the noise that it is at this scale, not as a pattern of the grid.
    """
    import numpy as np

    positions = _one_in_each(LENGTH, generator=np.random.default_rng(0))
    elements = np.arange(first, encoding.dim, 2)
    elements = elements[_one_in_each(len(elements))]
    values = encoding.values(positions)[:, elements]
    extent = (0, encoding.dim, LENGTH, 0)
    return panel.imshow(
        values, cmap=VALUES, vmin=-1, vmax=1, aspect="auto", extent=extent, interpolation="none"
    )


def _angles(panel: Axes, encoding: Encoding) -> Any:
    import numpy as np
    from matplotlib.colors import LogNorm

    positions = np.linspace(1, LENGTH - 1, MOST)
    elements = np.arange(0, encoding.dim, 2)[_one_in_each(encoding.dim // 2)]
    angles = encoding.angles(positions)[:, elements]
    extent = (0, encoding.dim, LENGTH, 0)
    shown = panel.imshow(
        np.maximum(angles, SLOWEST_SHOWN),
        cmap=ANGLES,
        norm=LogNorm(SLOWEST_SHOWN, LENGTH),
        aspect="auto",
        extent=extent,
        interpolation="none",
    )
    # Where m w = angle: the element whose frequency is angle / m, to a fraction of an element.
    for (angle, _), dash in zip(MARKS.items(), DASHES, strict=True):
        reached = encoding.dim * np.log(positions / angle) / encoding.log_span
        inside = (reached > 0) & (reached < encoding.dim)
        panel.plot(reached[inside], positions[inside], color="white", linewidth=1.1, linestyle=dash)
    panel.set_xlim(0, encoding.dim)
    return shown


def _one_in_each(count: int, *, generator: Any = None) -> np.ndarray:
    """At most MOST of `count` indices, one in each of as many equal blocks, drawn if told to."""
    import numpy as np

    edges = np.linspace(0, count, min(count, MOST) + 1)
    drawn = generator.random(len(edges) - 1) if generator else 0.5
    return (edges[:-1] + drawn * np.diff(edges)).astype(int)


def _first_turn(panel: Axes, encoding: Encoding) -> None:
    """A line at the element whose wavelength is the length: right of it nothing turns once."""
    at = encoding.dim * (1 - idle.expected_share_below(encoding, 2 * math.pi))
    panel.axvline(at, color="#111111", linewidth=1.0, linestyle=DASHES[1])
    panel.text(
        at + 0.012 * encoding.dim,
        0.975 * LENGTH,
        "never a whole turn",
        size=7.5,
        va="bottom",
        rotation=90,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5},
    )


def _label(figure: Figure, panels: Any) -> None:
    for panel in panels[-1]:
        panel.set_xlabel("element j")
    for row in panels:
        row[0].set_ylabel("position m")
    for panel in figure.axes:
        panel.spines[:].set_visible(False)
        panel.tick_params(length=2)


def _angle_bar(figure: Figure, shown: Any, panels: Any) -> None:
    """The colour bar, with the marked angles as the lines that they are in the map."""
    bar = figure.colorbar(shown, ax=panels, shrink=0.85, label="angle, radians", extend="min")
    for (angle, name), dash in zip(MARKS.items(), DASHES, strict=True):
        bar.ax.axhline(angle, color="white", linewidth=1.1, linestyle=dash)
        bar.ax.text(-0.3, angle, name, ha="right", va="center", size=7, color="#333333")


MAPS = {
    "encoding_values": encoding_values,
    "rotation_angles": rotation_angles,
    "heads": heads,
    "spectra": spectra,
}
