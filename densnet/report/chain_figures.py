"""Figures of a family's dynamics: infrared spectra against length, and torsion angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from densnet.report.chains import BIN_EDGES, PLACES
from densnet.report.lines import told_lines
from densnet.report.style import EXPERIMENT, FLOOR, MODEL, PEER, Drawn, drawing, new_figure
from densnet.report.wavenumbers import HARMONIC_COLOURS, Range, broken_axes, label_first, line_height, ranges_seen

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
    """The spectrum of one length.

    Attributes:
        units: length of the chain.
        spectrum: outcome of "spectrum".
        assignment: outcome of "assign".
        harmonic: outcomes of "harmonic", the model's first.
    """

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
    ranges = ranges_seen([one.spectrum for one in spectra], [modes for one in spectra for modes in one.harmonic])
    peaks = np.array([float(one.spectrum["intensity"].max()) / one.units for one in spectra])
    divisors = divisors_of(peaks)
    step = OVERLAP * float((peaks / divisors).max())
    figure = new_figure(9.4, 2.2 + 0.75 * len(spectra))
    (panels,) = broken_axes(figure, ranges, [1.0])
    methods: list[str] = []
    for axes, shown in zip(panels, ranges, strict=True):
        for number, one in enumerate(spectra):
            _draw_spectrum(axes, one, number * step, step, shown, int(divisors[number]))
            methods += [str(found.attrs["method"]) for found in one.harmonic]
        _mark_bands(axes, spectra[-1], step * (len(spectra) + 0.65), shown)
    panels[0].set_ylim(-0.05 * step, step * (len(spectra) + 0.6))
    labels = [
        f"n = {one.units}" + (f"\n÷ {divisor}" if divisor > 1 else "")
        for one, divisor in zip(spectra, divisors, strict=True)
    ]
    panels[0].set_yticks([number * step for number in range(len(spectra))], labels)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
    _draw_scale(panels[-1], step)
    label_first(panels, "absorption a unit")
    last = spectra[-1].spectrum.attrs
    methods = list(dict.fromkeys(methods))
    sticks = " and ".join(f"{colour} by {method}" for method, colour in zip(methods, ("green", "orange"), strict=False))
    as_high = "as high as a lone line of their intensity at this resolution"
    return figure, {
        "family": family,
        "temperature": float(last["temperature_k"]),
        "replicas": _replicas(spectra),
        "window": last["window"],
        "resolution": float(last["resolution_wavenumber"]),
        "sticks": f"Sticks: harmonic lines, {sticks}, {as_high}. " if sticks else "",
        "smaller": "÷: drawn so much smaller, line and sticks. " if divisors.max() > 1 else "",
        "longest": spectra[-1].units,
    }


def divisors_of(peaks: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return by which whole number each spectrum is divided, so that one tall line does not flatten all others.

    Args:
        peaks: highest intensity of each; those beyond :data:`TOO_HIGH` medians come down to the highest that is not.
    """
    highest = peaks[peaks <= TOO_HIGH * np.median(peaks)].max() or 1.0
    return np.maximum(np.ceil(peaks / highest), 1).astype(np.int64)


def _replicas(spectra: Sequence[ChainSpectrum]) -> str:
    told = {
        f"{int(one.spectrum.attrs['n_replicas'])} replicas of {float(one.spectrum.attrs['ps_per_replica']):.2f} ps"
        for one in spectra
    }
    return "; ".join(sorted(told))


def _draw_spectrum(axes: Axes, one: ChainSpectrum, base: float, step: float, shown: Range, divisor: int) -> None:
    found = one.spectrum
    x, y, error = (found[key].values for key in ("wavenumber", "intensity", "intensity_error"))
    inside = (x >= shown[0]) & (x <= shown[1])
    scale = one.units * divisor
    x, y, error = x[inside], y[inside] / scale, error[inside] / scale
    width = float(found.attrs["resolution_wavenumber"])
    for modes, colour in zip(one.harmonic, HARMONIC_COLOURS, strict=False):
        height = line_height(modes["intensity"].values, width) / scale
        axes.vlines(modes["wavenumber"], base, base + np.minimum(height, 1.2 * step), color=colour, lw=0.9)
    if np.isfinite(error).all():
        axes.fill_between(x, base + np.maximum(y - 2 * error, 0), base + y + 2 * error, color=MODEL, alpha=0.25, lw=0)
    axes.plot(x, base + y, color=MODEL, lw=1.0, path_effects=[withStroke(linewidth=2.2, foreground="white")])
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
    linked = [row for row in range(table.sizes["row"]) if np.isfinite(table["torsions"].values[row]).any()]
    across = min(ACROSS, max(1, len(linked)))
    down = max(1, -(-len(linked) // across))
    figure: Figure = new_figure(max(3.4, 2.35 * across), 0.6 + 1.9 * down)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    trained = table["torsions_trained"].values
    for axes, row in zip(panels.flat, linked, strict=False):
        if np.isfinite(trained).all():
            axes.stairs(trained, BIN_EDGES, fill=True, color=FLOOR, alpha=0.35, label="training labels")
        for place, values in zip(PLACES, table["torsions"].values[row], strict=True):
            if np.isfinite(values).all():
                axes.stairs(values, BIN_EDGES, color=PLACE_COLOURS[place], lw=1.4, label=f"{place} links")
        axes.set_title(f"n = {table['units'].values[row]:.0f}", loc="left", fontweight="bold")
        axes.grid()
    for axes in panels.flat[len(linked) :]:
        axes.set_axis_off()
    panels[0, 0].set_xlim(0, 180)
    panels[0, 0].set_ylim(0, None)
    panels[0, 0].set_xticks(np.arange(0, 181, 45))
    if linked:
        handles = {
            label: handle
            for axes in panels.flat
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=3)
    figure.supxlabel("torsion angle [degrees]: 0 syn, 180 anti", fontsize=9)
    figure.supylabel("share a degree", fontsize=9)
    return figure, {"family": family}
