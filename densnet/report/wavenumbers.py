"""Axes of wavenumbers: from high to low, with the stretches left out in which nothing absorbs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[np.float64]
Range = tuple[float, float]

NOTHING = 0.02
"""Of a spectrum's maximum: below it nothing is seen."""
MARGIN = 60.0
"""Left free beside what is seen, 1/cm."""
SHORTEST_GAP = 500.0
"""A shorter empty stretch is not left out, 1/cm."""
BREAK: dict[str, Any] = {"marker": [(-0.5, -1), (0.5, 1)], "ms": 7, "ls": "none", "color": "black", "clip_on": False}


def ranges_seen(spectra: Sequence[xr.Dataset], modes: Sequence[xr.Dataset] = ()) -> list[Range]:
    """Return the ranges, high ones first, in which something absorbs, 1/cm.

    Nothing beyond the wavenumbers of the spectra is in a range; modes are outcomes of "harmonic".
    """
    low, high = (float(limit(spectra[0]["wavenumber"].values)) for limit in (np.min, np.max))
    edges = np.sort(np.concatenate([_seen(lines) for lines in (*spectra, *modes)]))
    edges = edges[(edges >= low) & (edges <= high)]
    breaks = np.flatnonzero(np.diff(edges) > SHORTEST_GAP + 2 * MARGIN)
    starts, ends = np.append(edges[0], edges[breaks + 1]), np.append(edges[breaks], edges[-1])
    return [(max(start - MARGIN, low), min(end + MARGIN, high)) for start, end in zip(starts, ends, strict=True)][::-1]


def _seen(lines: xr.Dataset) -> Array:
    intensity = lines["intensity"].values
    return np.asarray(lines["wavenumber"].values[intensity > NOTHING * intensity.max()])


def broken_axes(figure: Figure, ranges: Sequence[Range], heights: Sequence[float]) -> NDArray[np.object_]:
    """Return panels (row, range) that share wavenumbers in a column and values in a row, with marks at the breaks."""
    grid = {"height_ratios": heights, "width_ratios": [high - low for low, high in ranges], "wspace": 0.03}
    panels: NDArray[np.object_] = figure.subplots(
        len(heights), len(ranges), sharex="col", sharey="row", squeeze=False, gridspec_kw=grid
    )
    for row in panels:
        for axes, (low, high) in zip(row, ranges, strict=True):
            axes.set_xlim(high, low)
            axes.grid(axis="x")
        for left, right in pairwise(row):
            right.spines["left"].set_visible(False)
            right.tick_params(axis="y", left=False)
            left.plot([1], [0], transform=left.transAxes, **BREAK)
            right.plot([0], [0], transform=right.transAxes, **BREAK)
    figure.supxlabel("wavenumber [1/cm]", fontsize=9)
    return panels


def broadened(modes: xr.Dataset, wavenumber: Array, width: float) -> Array:
    """Return harmonic lines as Gaussians of a full width at half maximum, km/mol per 1/cm at wavenumbers (n,)."""
    sigma = width / np.sqrt(8 * np.log(2))
    offset = (wavenumber[:, None] - modes["wavenumber"].values) / sigma
    heights = modes["intensity"].values / (sigma * np.sqrt(2 * np.pi))
    return np.asarray(np.exp(-0.5 * offset**2) @ heights)


def line_height(intensity: Array, width: float) -> Array:
    """Return the height of lone Gaussian lines of an intensity in km/mol, km/mol per 1/cm."""
    return np.asarray(intensity * np.sqrt(4 * np.log(2) / np.pi) / width)
