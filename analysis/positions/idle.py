"""Measures of what an encoding leaves idle, all in closed form.

    share_below(encoding, phase=2 * math.pi)     # elements that never complete a turn
    spectrum(encoding, centred=True)             # eigenvalues of PE^T PE, descending
    participation_ratio(spectrum(...))           # how many directions carry the encoding

No table of positions is built: with positions counted from their middle, the sums over them that
PE^T PE consists of are Dirichlet kernels. So D = 3072, L = 8192 costs one core a second for the
matrix and three for its eigenvalues, once: the spectra of wide encodings are kept (cache.py).
"""

from __future__ import annotations

import functools
import hashlib
import math
from pathlib import Path

import numpy as np

from ..cache import Cache
from . import encodings
from .encodings import Encoding

# Singular values below this share of the largest are noise: those of a smooth function of position
# fall geometrically, so that two digits more or less move the rank by one or two.
RANK_TOLERANCE = 1e-6
WIDE = 1024  # elements from which on a spectrum takes more than its place in the cache


# ---- phases -------------------------------------------------------------------------------------


def share_below(encoding: Encoding, phase: float) -> float:
    """Share of the elements that turn by less than `phase` radians over the whole length, counted.

    phase = 2 pi: wavelength above the length, the element never completes a turn.
    """
    return float(np.mean(encoding.length * encoding.frequencies < phase))


def expected_share_below(encoding: Encoding, phase: float) -> float:
    """The same in closed form, 1 - ln(L / phase) / ln(base): it does not depend on D.

    Frequencies are even on a log scale from 1 down to 1 / base (1 / base^2 if literal), so the
    share is that of the scale below phase / L. Right to one pair in P.
    """
    turned = math.log(encoding.length / encoding.factor / phase)
    return min(max(1 - turned / encoding.log_span, 0.0), 1.0)


# ---- second moments -----------------------------------------------------------------------------


def gram(encoding: Encoding, *, centred: bool = False) -> np.ndarray:
    """PE^T PE, [D, D]; with `centred` of PE less each element's mean over positions."""
    frequencies, length = encoding.frequencies, encoding.length
    even, odd = _parts(encoding)
    apart = dirichlet(frequencies[:, None] - frequencies, length)
    together = dirichlet(frequencies[:, None] + frequencies, length)
    moments = np.outer(even, even) * (apart + together) + np.outer(odd, odd) * (apart - together)
    moments /= 2
    if centred:
        sums = even * dirichlet(frequencies, length)
        moments -= np.outer(sums, sums) / length
    return moments


def _parts(encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Of the cosine and the sine that an element is about the middle position, their weights.

    cos(m w - phase) with m = middle + u is even cos(u w) + odd sin(u w); as u runs symmetrically
    about 0, the products of a cosine and a sine sum to nothing.
    """
    shift = (encoding.length - 1) / 2 * encoding.frequencies - encoding.phases
    return np.cos(shift), -np.sin(shift)


def dirichlet(x: np.ndarray, length: int) -> np.ndarray:
    """Sum of cos(u x) over `length` values of u, one apart and symmetric about 0."""
    half = np.sin(x / 2)
    whole = np.full_like(half, length)
    return np.divide(np.sin(length * x / 2), half, out=whole, where=half != 0)


def variances(encoding: Encoding) -> np.ndarray:
    """[D], the variance over positions of each element; 1/2 for one that turns many times."""
    frequencies, length = encoding.frequencies, encoding.length
    even, odd = _parts(encoding)
    twice = dirichlet(2 * frequencies, length)
    squares = (even**2 * (length + twice) + odd**2 * (length - twice)) / 2
    return squares / length - (even * dirichlet(frequencies, length) / length) ** 2


@functools.cache
def spectrum(encoding: Encoding, *, centred: bool) -> np.ndarray:
    """[D], the eigenvalues of PE^T PE (squared singular values of PE), descending."""
    if encoding.dim < WIDE:
        return _eigenvalues(encoding, centred)
    key, stamp = f"spectrum of {encoding}, centred={centred}", _stamp()
    with Cache() as cache:
        kept = cache.get(key)
    if kept and kept[0] == stamp:
        return np.array(kept[1])
    found = _eigenvalues(encoding, centred)
    with Cache() as cache:
        cache.put(key, stamp, found.tolist())
    return found


def _eigenvalues(encoding: Encoding, centred: bool) -> np.ndarray:
    found = np.linalg.eigvalsh(gram(encoding, centred=centred))[::-1]
    return np.clip(found, 0.0, None)  # rounding leaves idle ones at -1e-12 of the largest


def _stamp() -> str:
    """The code that a spectrum is computed by."""
    files = (Path(__file__), Path(encodings.__file__))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


# ---- how many of them ---------------------------------------------------------------------------


def participation_ratio(weights: np.ndarray) -> float:
    """(sum w)^2 / sum w^2: n for n equal weights, 1 for a single one."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def participation_ratio_of(moments: np.ndarray) -> float:
    """That of the eigenvalues of a symmetric matrix, without them: (tr G)^2 / |G|^2."""
    return float(np.trace(moments) ** 2 / (moments**2).sum())


def effective_rank(weights: np.ndarray) -> float:
    """exp of the entropy of the normalised weights (Roy & Vetterli 2007)."""
    shares = weights[weights > 0] / weights.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def count_for(weights: np.ndarray, share: float) -> int:
    """How few of the largest weights hold `share` of their sum."""
    cumulated = np.cumsum(np.sort(weights)[::-1])
    return int(np.searchsorted(cumulated, share * cumulated[-1])) + 1


def numerical_rank(eigenvalues: np.ndarray, tolerance: float = RANK_TOLERANCE) -> int:
    """Singular values (roots of the eigenvalues) above `tolerance` of the largest."""
    return int((eigenvalues > tolerance**2 * eigenvalues.max()).sum())


# ---- neighbours ---------------------------------------------------------------------------------


def neighbour_distance(encoding: Encoding) -> float:
    """|PE_m - PE_(m+1)|, root mean square over positions.

    A standard pair is a point on a circle, so that the distance is the same everywhere,
    sqrt(sum of 4 sin^2(theta / 2)); a literal one depends on the position.
    """
    frequencies, steps = encoding.frequencies, encoding.length - 1
    # cos(a + w) - cos(a) = -2 sin(w/2) sin(a + w/2), whose square has the mean below.
    turned = np.cos((encoding.length - 1) * frequencies - 2 * encoding.phases)
    mean_square = (1 - turned * dirichlet(2 * frequencies, steps) / steps) / 2
    return math.sqrt(float((4 * np.sin(frequencies / 2) ** 2 * mean_square).sum()))
