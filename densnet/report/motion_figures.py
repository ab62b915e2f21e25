"""What the bands of a spectrum are: beside harmonic lines, and by kind of motion."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from densnet.report.lines import told_lines
from densnet.report.sources import Sources
from densnet.report.spectrum_figures import draw_curve, number_lines, without_sign
from densnet.report.style import MODEL, Drawn, drawing, legend_above, new_figure, write_letters
from densnet.report.wavenumbers import (
    ABSORPTION,
    HARMONIC_COLOURS,
    Range,
    broadened,
    broken_axes,
    line_height,
    ranges_seen,
)
from densnet.spectra.assignment import PARTS
from densnet.units import BOLTZMANN_IN_EV_PER_K

KIND_COLOURS = dict(zip(PARTS, ("#56B4E9", "#E69F00", "#009E73", "#999999"), strict=True))
N_TOLD = 6
"""Lines that the caption takes apart."""


@drawing(
    2,
    "Motions and harmonic frequencies",
    "{system}. (a) Infrared absorption from dynamics at {temperature:.0f} K, as above{harmonic_note}. (b) Kinetic "
    "energy of the same trajectory by kind of motion, over k_B T/2: degrees of freedom per wavenumber. Bends are "
    "what they add to stretches, torsions what they add to both; the rest is the motion of the whole. Strongest "
    "lines: {lines}.",
    of="assignment",
)
def motions(sources: Sources) -> Drawn:
    """Draw the spectrum over harmonic ones, mirrored, and the kinetic energy by kind of motion.

    Raises:
        ValueError: the sources have no assignment.
    """
    spectrum, assignment = sources.spectrum, sources.assignment
    if assignment is None:
        raise ValueError("motions: no assignment")
    ranges = ranges_seen([spectrum], sources.harmonic)
    figure = new_figure(9.4, 5.4)
    above, below = broken_axes(figure, ranges, [1.7, 1.0])
    width, top, bottom = float(spectrum.attrs["resolution_wavenumber"]), 0.0, 0.0
    for axes, shown in zip(above, ranges, strict=True):
        top = max(top, draw_curve(axes, spectrum, shown, color=MODEL, label="dynamics"))
        number_lines(axes, spectrum, shown)
        for modes, colour in zip(sources.harmonic, cycle(HARMONIC_COLOURS), strict=False):
            bottom = max(bottom, _draw_harmonic(axes, modes, colour, width, shown))
        axes.axhline(0, color="black", lw=0.7)
    above[0].set(ylim=(-1.1 * bottom, 1.2 * top), ylabel=ABSORPTION)
    above[0].yaxis.set_major_formatter(without_sign)
    legend_above(above[-1], 1 + len(sources.harmonic))
    for axes in below:
        _draw_kinds(axes, assignment, float(spectrum.attrs["temperature_k"]))
    legend_above(below[-1], len(PARTS))
    below[0].set(ylim=(0, None), ylabel="degrees of freedom\nper 1/cm")
    write_letters([above[0], below[0]])
    return figure, sources.words | _words(sources, assignment)


def _draw_harmonic(axes: Axes, modes: xr.Dataset, colour: str, width: float, shown: Range) -> float:
    """Draw harmonic lines, mirrored; return how far down they reach."""
    grid = np.arange(*shown, width / 20)
    curve = broadened(modes, grid, width)
    axes.fill_between(grid, 0, -curve, color=colour, alpha=0.12, lw=0)
    axes.plot(grid, -curve, color=colour, lw=1.0, label=f"harmonic, {modes.attrs['method']}")
    axes.vlines(modes["wavenumber"], 0, -line_height(modes["intensity"].values, width), color=colour, lw=0.7)
    return float(curve.max())


def _draw_kinds(axes: Axes, assignment: xr.Dataset, temperature: float) -> None:
    half = 0.5 * BOLTZMANN_IN_EV_PER_K * temperature
    energy = [assignment["kinetic_energy"].sel(kind=kind).values / half for kind in PARTS]
    axes.stackplot(assignment["wavenumber"].values, energy, labels=PARTS, colors=KIND_COLOURS.values(), lw=0)


def _words(sources: Sources, assignment: xr.Dataset) -> dict[str, Any]:
    told = [f"{line:.0f} ({words})" for line, words in told_lines(sources.spectrum, assignment, N_TOLD)]
    width = float(sources.spectrum.attrs["resolution_wavenumber"])
    names = " and ".join(str(modes.attrs["method"]) for modes in sources.harmonic)
    beside = f"; below, mirrored, harmonic lines by {names} at 0 K in one conformer, as Gaussians of {width:g} 1/cm"
    return {
        "temperature": float(sources.spectrum.attrs["temperature_k"]),
        "harmonic_note": beside if sources.harmonic else "",
        "lines": "; ".join(told) or "none",
    }
