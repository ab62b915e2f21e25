"""The Raman spectrum beside the infrared one, and how much of it is depolarised."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from densnet.report.palette import HARMONIC, MODEL, SKY
from densnet.report.sources import Sources
from densnet.report.spectrum_figures import draw_curve, draw_measured, number_lines, replicas_of, without_sign
from densnet.report.style import Drawn, drawing, legend_outside, new_figure, write_letters
from densnet.report.wavenumbers import Range
from densnet.spectra.raman_modes import raman_harmonic_spectrum

DEPOLARISED = 0.75
"""Depolarisation ratio of what is not totally symmetric."""


@drawing(
    2,
    "Raman spectrum",
    "{system}: (a) infrared absorption, as above; (b) Raman scattering of light of {laser:g} nm, from the "
    "polarizabilities of {length} (window {window}, resolution {resolution:g} 1/cm, quantum correction {correction}), "
    "mean with two standard errors over replicas; light blue: the part with turned polarisation."
    "{harmonic_note}{jcamp_note} (c) Depolarisation ratio, with 95 % of draws of replicas, where anything scatters: 0 "
    "of vibrations that change the mean polarizability alone, 3/4 (dashed) of those that are not totally symmetric.",
    of="raman",
)
def raman(sources: Sources) -> Drawn:
    """Draw infrared and Raman spectrum over the same wavenumbers, and the depolarisation ratio below."""
    scattering = sources.raman
    if scattering is None:
        raise ValueError("raman: no Raman spectrum")
    x = scattering["wavenumber"].values
    grid = sources.comparison["wavenumber"].values
    limits = low, high = max(float(grid[0]), float(x[0])), min(float(grid[-1]), float(x[-1]))
    figure = new_figure(9.4, 6.4)
    absorbing, main, ratio = figure.subplots(3, 1, sharex=True, height_ratios=[1.5, 3.0, 1.2])
    top = draw_curve(absorbing, sources.spectrum, limits, color=MODEL)
    number_lines(absorbing, sources.spectrum, limits)
    absorbing.set(ylim=(0, 1.25 * top or 1.0), ylabel="infrared\n[km/mol per 1/cm]")
    top = draw_curve(main, scattering, limits, color=MODEL, label="Raman")
    main.fill_between(x, 0, scattering["perpendicular"], color=SKY, alpha=0.6, lw=0, label="turned polarisation")
    if sources.raman_comparison is not None and "intensity_jcamp" in sources.raman_comparison:
        top = max(top, draw_measured(main, sources.raman_comparison, scattering))
    bottom = _draw_harmonic(main, sources, limits)
    number_lines(main, scattering, limits)
    main.axhline(0, color="black", lw=0.7)
    main.set(xlim=(high, low), ylim=(-1.15 * bottom, 1.2 * top or 1.0), ylabel="Raman\n[$10^{-36}$ m²/sr per 1/cm]")
    main.yaxis.set_major_formatter(without_sign)
    _draw_ratio(ratio, scattering)
    legend_outside(figure, [main], "outside lower right")
    write_letters([absorbing, main, ratio])
    return figure, sources.words | _words(sources, scattering)


def _draw_harmonic(axes: Axes, sources: Sources, limits: Range) -> float:
    """Draw the Raman lines of harmonic modes that have some, mirrored; return how far down they reach."""
    scattering, bottom = sources.raman, 0.0
    if scattering is None:
        return bottom
    width = float(scattering.attrs["resolution_wavenumber"])
    grid = np.arange(*limits, width / 20)
    for modes, colour in zip(_with_activities(sources), cycle(HARMONIC), strict=False):
        curve = raman_harmonic_spectrum(modes, grid, width, *_conditions(scattering))["intensity"].values
        axes.fill_between(grid, 0, -curve, color=colour, alpha=0.12, lw=0)
        axes.plot(grid, -curve, color=colour, lw=1.0, label=f"harmonic, {modes.attrs['method']}")
        bottom = max(bottom, float(curve.max()))
    return bottom


def _with_activities(sources: Sources) -> list[xr.Dataset]:
    return [modes for modes in sources.harmonic if "raman_activity" in modes]


def _conditions(scattering: xr.Dataset) -> tuple[float, float | None]:
    """Return the laser's wavelength and the temperature of the lines' intensities."""
    warm = bool(scattering.attrs["temperature_factor"])
    return float(scattering.attrs["laser_nm"]), float(scattering.attrs["temperature_k"]) if warm else None


def _draw_ratio(axes: Axes, scattering: xr.Dataset) -> None:
    x, ratio = scattering["wavenumber"].values, scattering["depolarisation"].values
    low, _, high = scattering["depolarisation_quantiles"].transpose("quantile", "wavenumber").values
    axes.fill_between(x, low, high, color=MODEL, alpha=0.3, lw=0)
    axes.plot(x, ratio, color=MODEL, lw=1.8)
    axes.axhline(DEPOLARISED, color="black", lw=0.7, ls="--")
    axes.set(ylim=(-0.04, 0.85), xlabel="wavenumber [1/cm]", ylabel="depolarisation\nratio")


def _words(sources: Sources, scattering: xr.Dataset) -> dict[str, Any]:
    measured, beside = "", ""
    comparison = sources.raman_comparison
    if comparison is not None and "intensity_jcamp" in comparison:
        measured = f" Grey: measured, {comparison.attrs['experiment_title']}, scaled to the model's area."
    if methods := " and ".join(str(modes.attrs["method"]) for modes in _with_activities(sources)):
        beside = f" Below, mirrored: harmonic lines by {methods} in one conformer, as Gaussians of that resolution."
    return {
        "laser": float(scattering.attrs["laser_nm"]),
        "length": replicas_of(scattering),
        "window": scattering.attrs["window"],
        "resolution": float(scattering.attrs["resolution_wavenumber"]),
        "correction": scattering.attrs["quantum_correction"],
        "harmonic_note": beside,
        "jcamp_note": measured,
    }
