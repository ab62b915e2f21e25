"""Figures of a family's dynamics: infrared spectra against length, and torsion angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from densnet.report.chains import BIN_EDGES, PLACES
from densnet.report.lines import told_lines
from densnet.report.palette import EXPERIMENT, FLOOR, HARMONIC, MODEL, PEER
from densnet.report.spectrum_figures import draw_curve, replicas_of
from densnet.report.style import Drawn, drawing, legend_outside, new_figure
from densnet.report.wavenumbers import Range, broken_axes, line_height, ranges_seen

PLACE_COLOURS = dict(zip(PLACES, (MODEL, PEER), strict=True))
OVERLAP = 0.8
"""Distance of one spectrum's zero line from the next, over the highest intensity a unit."""
TOO_HIGH = 3.0
"""Spectra beyond so many times the median of the highest intensities are drawn smaller."""
N_MARKED = 7
"""Strongest lines of the longest chain that are marked."""
ACROSS = 4
"""Panels side by side."""


@dataclass(frozen=True)
class ChainSpectrum:
    """What verbs found of the spectrum of one length; of harmonic lines the model's first."""

    units: int
    spectrum: xr.Dataset
    assignment: xr.Dataset
    harmonic: tuple[xr.Dataset, ...] = ()


@drawing(
    1,
    "Infrared spectra against length",
    "{family}: infrared absorption over the number of units, from dynamics at {temperature:.0f} K ({replicas}; "
    "{window} window, {resolution:g} 1/cm), mean with two standard errors over replicas where there are several. "
    "{sticks}{smaller}"
    "Dotted: the strongest lines of n = {longest} and the motion that most of their kinetic energy is in.",
    of="chains",
)
def spectra(spectra: Sequence[ChainSpectrum], family: str) -> Drawn:
    """Draw the spectra of all lengths, shortest first, one above the other."""
    harmonic = [modes for chain in spectra for modes in chain.harmonic]
    ranges = ranges_seen([chain.spectrum for chain in spectra], harmonic)
    peaks = np.array([float(chain.spectrum["intensity"].max()) / chain.units for chain in spectra])
    divisors = divisors_of(peaks)
    step = OVERLAP * float((peaks / divisors).max())
    figure = new_figure(9.4, 2.2 + 0.75 * len(spectra))
    (panels,) = broken_axes(figure, ranges, [1.0])
    for axes, shown in zip(panels, ranges, strict=True):
        for number, chain in enumerate(spectra):
            _draw_spectrum(axes, chain, number * step, step, shown, int(divisors[number]))
        _mark_bands(axes, spectra[-1], step * (len(spectra) + 0.65), shown)
        axes.tick_params(axis="y", length=0)
    labels = [
        f"n = {chain.units}" + (f"\n÷ {divisor}" if divisor > 1 else "")
        for chain, divisor in zip(spectra, divisors, strict=True)
    ]
    panels[0].set(ylim=(-0.05 * step, step * (len(spectra) + 0.6)), ylabel="absorption a unit")
    panels[0].set_yticks(step * np.arange(len(spectra)), labels)
    _draw_scale(panels[-1], step)
    last = spectra[-1].spectrum.attrs
    methods = dict.fromkeys(str(modes.attrs["method"]) for modes in harmonic)
    sticks = " and ".join(f"{colour} by {method}" for method, colour in zip(methods, ("green", "orange"), strict=False))
    as_high = "as high as a lone line of their intensity at this resolution"
    return figure, {
        "family": family,
        "temperature": float(last["temperature_k"]),
        "replicas": "; ".join(sorted({replicas_of(chain.spectrum) for chain in spectra})),
        "window": last["window"],
        "resolution": float(last["resolution_wavenumber"]),
        "sticks": f"Sticks: harmonic lines, {sticks}, {as_high}. " if sticks else "",
        "smaller": "÷: drawn so much smaller, line and sticks. " if divisors.max() > 1 else "",
        "longest": spectra[-1].units,
    }


def divisors_of(peaks: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return by which whole number each spectrum is divided, so that one tall line does not flatten all others.

    Of the highest intensities, those beyond :data:`TOO_HIGH` medians come down to the highest that is not.
    """
    highest = peaks[peaks <= TOO_HIGH * np.median(peaks)].max() or 1.0
    return np.maximum(np.ceil(peaks / highest), 1).astype(np.int64)


def _draw_spectrum(axes: Axes, chain: ChainSpectrum, base: float, step: float, shown: Range, divisor: int) -> None:
    scale = 1.0 / (chain.units * divisor)
    width = float(chain.spectrum.attrs["resolution_wavenumber"])
    for modes, colour in zip(chain.harmonic, HARMONIC, strict=False):
        height = scale * line_height(modes["intensity"].values, width)
        axes.vlines(modes["wavenumber"], base, base + np.minimum(height, 1.2 * step), color=colour, lw=0.9)
    outline = [withStroke(linewidth=2.2, foreground="white")]
    draw_curve(
        axes, chain.spectrum, shown, base=base, scale=scale, shade=0.25, color=MODEL, lw=1.0, path_effects=outline
    )
    axes.axhline(base, color="#888888", lw=0.5)


def _mark_bands(axes: Axes, longest: ChainSpectrum, top: float, shown: Range) -> None:
    for line, words in told_lines(longest.spectrum, longest.assignment, N_MARKED):
        if shown[0] <= line <= shown[1]:
            axes.axvline(line, color=EXPERIMENT, lw=0.7, ls=":", zorder=0)
            axes.annotate(
                f"{line:.0f}  {words.split(',')[0]}", (line, top), ha="center", va="bottom", fontsize=7,
                rotation=90, annotation_clip=False,
            )  # fmt: skip


def _draw_scale(axes: Axes, step: float) -> None:
    """Draw a bar of a round height: the zero lines of the spectra leave no room for numbers."""
    size = 10.0 ** np.floor(np.log10(step))
    size *= max(factor for factor in (1, 2, 5) if factor * size <= step)
    axes.plot([1.02, 1.02], [0, size], color="black", lw=1.5, transform=axes.get_yaxis_transform(), clip_on=False)
    axes.text(
        1.03, size / 2, f"{size:g} km/mol\nper 1/cm", transform=axes.get_yaxis_transform(), fontsize=7, va="center"
    )


@drawing(
    4,
    "Torsion angles of dynamics",
    "{family}: torsion angles of the links between units in dynamics, without sign: of the first and the last link of "
    "the chain (outer) and of those between (inner). Grey: all training labels together, chosen for diversity.",
    of="chains",
)
def torsion_angles(table: xr.Dataset, family: str) -> Drawn:
    """Draw the distribution of each length's torsion angles."""
    linked = table.isel(row=table["torsions"].notnull().any(["place", "angle"]).values)
    n_links = linked.sizes["row"]
    across = min(ACROSS, max(1, n_links))
    down = max(1, -(-n_links // across))
    figure = new_figure(max(3.4, 2.35 * across), 0.6 + 1.9 * down)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    trained = table["torsions_trained"].values
    for axes, units, torsions in zip(panels, linked["units"].values, linked["torsions"].values, strict=False):
        if np.isfinite(trained).all():
            axes.stairs(trained, BIN_EDGES, fill=True, color=FLOOR, alpha=0.35, label="training labels")
        for place, values in zip(PLACES, torsions, strict=True):
            if np.isfinite(values).all():
                axes.stairs(values, BIN_EDGES, color=PLACE_COLOURS[place], lw=1.4, label=f"{place} links")
        axes.set_title(f"n = {units:.0f}", loc="left", fontweight="bold")
        axes.grid()
    for axes in panels[n_links:]:
        axes.set_axis_off()
    panels[0].set(xlim=(0, 180), ylim=(0, None), xticks=np.arange(0, 181, 45))
    legend_outside(figure, panels)
    figure.supxlabel("torsion angle [degrees]: 0 syn, 180 anti", fontsize=9)
    figure.supylabel("share a degree", fontsize=9)
    return figure, {"family": family}
