"""The infrared spectrum beside experiment and peers, and what its bands are: beside harmonic lines, by motion."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from densnet.report.lines import lines_apart, told_lines
from densnet.report.palette import EXPERIMENT, HARMONIC, MODEL, PEERS, PRIOR, SKY, TRUE
from densnet.report.sources import Sources
from densnet.report.style import Drawn, drawing, legend_above, legend_outside, new_figure, write_letters
from densnet.report.wavenumbers import Range, broadened, broken_axes, line_height, ranges_seen
from densnet.spectra.assignment import PARTS
from densnet.units import BOLTZMANN_IN_EV_PER_K

Array = NDArray[np.float64]

N_NUMBERED, NUMBER_WIDTH = 8, 19
"""Lines with a number, and the points that it takes."""
N_TOLD = 6
"""Lines that the caption takes apart."""
ABSORPTION = "absorption [km/mol per 1/cm]"
KIND_COLOURS = dict(zip(PARTS, (SKY, PRIOR, TRUE, "#999999"), strict=True))


@drawing(
    1,
    "Infrared spectrum",
    "{system}, infrared absorption from the dipoles of {length} (window {window}, "
    "resolution {resolution:g} 1/cm, quantum correction {correction}), mean with two standard errors over "
    "replicas. {peer_note}{stick_note}{jcamp_note}Numbers are the strongest lines.",
)
def spectrum(sources: Sources) -> Drawn:
    """Draw the model's spectrum with its band, the peer's below, experimental sticks and a measured curve."""
    comparison, model = sources.comparison, sources.spectrum
    grid = comparison["wavenumber"].values
    limits = low, high = float(grid[0]), float(grid[-1])
    has_sticks = "stick_wavenumber" in comparison.variables
    figure = new_figure(9.4, 4.6 if has_sticks else 4.0)
    ratios = [1.0, 4.5] if has_sticks else [1.0]
    panels = np.atleast_1d(figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios))
    main = panels[-1]
    top, bottom = draw_curve(main, model, limits, color=MODEL, label="model"), 0.0
    for peer, colour in zip(sources.peer_spectra, cycle(PEERS), strict=False):
        name = str(peer.attrs.get("potential", "peer"))
        bottom = max(bottom, draw_curve(main, peer, limits, scale=-1, color=colour, label=name))
    if "intensity_jcamp" in comparison:
        top = max(top, draw_measured(main, comparison, model))
    number_lines(main, model, limits)
    # the lines of several would lie on each other
    for peer in sources.peer_spectra[:1]:
        number_lines(main, peer, limits, -1.0)
    main.axhline(0, color="black", lw=0.7)
    main.set(xlim=(high, low), ylim=(-1.15 * bottom if bottom else 0.0, 1.2 * top or 1.0))
    main.set(xlabel="wavenumber [1/cm]", ylabel=ABSORPTION)
    main.yaxis.set_major_formatter(without_sign)
    legend_outside(figure, [main], "outside lower right")
    if has_sticks:
        _draw_sticks(panels[0], comparison, limits)
    return figure, sources.words | _words(sources)


def _words(sources: Sources) -> dict[str, Any]:
    comparison, model = sources.comparison, sources.spectrum
    peers = "; ".join(f"{peer.attrs['potential']}, {replicas_of(peer)}" for peer in sources.peer_spectra)
    measured = ""
    if "intensity_jcamp" in comparison:
        measured = (
            f"Grey: measured, {comparison.attrs['experiment_title']}, broadened by "
            f"{float(comparison.attrs['broadening']):g} 1/cm, from its lowest point, scaled to the model's area. "
        )
    return {
        "length": replicas_of(model),
        "window": model.attrs["window"],
        "resolution": float(model.attrs["resolution_wavenumber"]),
        "correction": model.attrs["quantum_correction"],
        "peer_note": f"Below, mirrored: {peers}. " if peers else "",
        "stick_note": "Sticks: published fundamentals, positions only. " if "stick_wavenumber" in comparison else "",
        "jcamp_note": measured,
    }


def replicas_of(spectrum: xr.Dataset) -> str:
    """Return the dynamics that a spectrum is of in words."""
    return f"{int(spectrum.attrs['n_replicas'])} replicas of {float(spectrum.attrs['ps_per_replica']):.2f} ps"


def without_sign(value: float, _: int) -> str:
    """Write a tick of an axis whose lower half is mirrored."""
    return f"{abs(value):g}"


def draw_curve(
    axes: Axes,
    curve: xr.Dataset,
    limits: Range,
    *,
    base: float = 0,
    scale: float = 1,
    shade: float = 0.3,
    **line: Any,
) -> float:
    """Draw a spectrum with two standard errors over a base, mirrored if the scale is negative; return its height."""
    shown = curve.sel(wavenumber=slice(*limits))
    x, y, error = (shown[key].values for key in ("wavenumber", "intensity", "intensity_error"))
    if np.isfinite(error).all():
        below, above = base + scale * np.maximum(y - 2 * error, 0.0), base + scale * (y + 2 * error)
        axes.fill_between(x, below, above, color=line["color"], alpha=shade, lw=0)
    axes.plot(x, base + scale * y, **{"lw": 1.1} | line)
    # A band of few replicas may be huge: it may be cut, the curve may not.
    return min(float((y + 2 * np.nan_to_num(error)).max()), 1.5 * float(y.max()))


def draw_measured(axes: Axes, comparison: xr.Dataset, model: xr.Dataset) -> float:
    """Draw the measured curve above its lowest point, scaled to the model's area; return its height."""
    x = comparison["wavenumber"].values
    area = np.trapezoid(np.interp(x, model["wavenumber"].values, model["intensity"].values), x)
    above = comparison["intensity_jcamp"].values - comparison["intensity_jcamp"].values.min()
    # to nothing there is no scale
    measured = above * (area / np.trapezoid(above, x) if area else 1.0 / above.max())
    axes.fill_between(x, 0, measured, color=EXPERIMENT, alpha=0.18, lw=0)
    axes.plot(x, measured, color=EXPERIMENT, lw=0.7, alpha=0.7, label="measured")
    return float(measured.max())


def number_lines(axes: Axes, dataset: xr.Dataset, limits: Range, sign: float = 1.0) -> None:
    """Write the positions of the strongest lines whose numbers do not meet those of stronger ones."""
    wavenumber, intensity = dataset["line_wavenumber"].values, dataset["line_intensity"].values
    inside = (wavenumber >= limits[0]) & (wavenumber <= limits[1])
    wavenumber, intensity = wavenumber[inside], intensity[inside]
    points = axes.get_window_extent().width * 72 / axes.figure.dpi
    for n in lines_apart(wavenumber, N_NUMBERED, NUMBER_WIDTH / points * (limits[1] - limits[0])):
        x, y = wavenumber[n], intensity[n]
        axes.annotate(
            f"{x:.0f}", (x, sign * y), xytext=(0, sign * 3), textcoords="offset points", ha="center",
            va="bottom" if sign > 0 else "top", fontsize=7.5,
            path_effects=[withStroke(linewidth=2.0, foreground="white")],
        )  # fmt: skip


def _draw_sticks(axes: Axes, comparison: xr.Dataset, limits: Range) -> None:
    """Draw the fundamentals as sticks of equal height with the names of their regions above."""
    sticks = pd.Series(comparison["stick_wavenumber"].values, comparison["stick_description"].values.astype(str))
    sticks = sticks[sticks.between(*limits)]
    axes.vlines(sticks, 0, 0.45, color=EXPERIMENT, lw=1.2)
    middles = sticks.groupby(level=0).mean().sort_values()
    places = spread_out(middles.to_numpy(), 0.115 * (limits[1] - limits[0]), limits)
    for name, middle, place in zip(middles.index, middles, places, strict=True):
        axes.annotate(
            _folded(name), (middle, 0.5), xytext=(place, 0.85), ha="center", va="bottom", fontsize=7,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": "#888888"}, annotation_clip=False, linespacing=0.95,
            parse_math=False,
        )  # fmt: skip
    axes.set(ylim=(0, 1.7), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("experiment", rotation=0, ha="right", va="bottom", fontsize=8, y=0.0)


def _folded(name: str) -> str:
    """Return a long name on two lines, broken at the space nearest to its middle."""
    spaces = [index for index, letter in enumerate(name) if letter == " "]
    if len(name) < 14 or not spaces:
        return name
    cut = min(spaces, key=lambda index: abs(index - len(name) / 2))
    return f"{name[:cut]}\n{name[cut + 1 :]}"


def spread_out(places: Array, distance: float, limits: Range) -> Array:
    """Return ascending places (n,), moved as little as keeps neighbours at a distance, half of it inside limits."""
    steps = distance * np.arange(len(places))
    moved = isotonic_regression(places - steps).x if len(places) else places
    return np.asarray(steps + np.clip(moved, limits[0] + distance / 2, limits[1] - distance * (len(places) - 0.5)))


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
    """Draw the spectrum over harmonic ones, mirrored, and the kinetic energy by kind of motion."""
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
        for modes, colour in zip(sources.harmonic, cycle(HARMONIC), strict=False):
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
    return figure, sources.words | _motion_words(sources, assignment)


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


def _motion_words(sources: Sources, assignment: xr.Dataset) -> dict[str, Any]:
    told = [f"{line:.0f} ({words})" for line, words in told_lines(sources.spectrum, assignment, N_TOLD)]
    width = float(sources.spectrum.attrs["resolution_wavenumber"])
    names = " and ".join(str(modes.attrs["method"]) for modes in sources.harmonic)
    beside = f"; below, mirrored, harmonic lines by {names} at 0 K in one conformer, as Gaussians of {width:g} 1/cm"
    return {
        "temperature": float(sources.spectrum.attrs["temperature_k"]),
        "harmonic_note": beside if sources.harmonic else "",
        "lines": "; ".join(told) or "none",
    }
