"""Whether the spread of an ensemble tells its error."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from densnet.report.calibration import Calibration, calibrations
from densnet.report.palette import MODEL, PEER
from densnet.report.sources import Sources
from densnet.report.style import Drawn, drawing, legend_outside, lettered_panels, plain_decimals

POINTS_PER_BIN = {"density": 20, "dipole": 5, "energy": 5, "force": 20}
"""Fewer where there is one point a frame."""


@drawing(
    7,
    "Does the ensemble know its error?",
    "{system}, {n_test} test frames, ensemble of {n_members} pairs of models trained on {n_train} frames with "
    "different seeds: error of the mean against the standard deviation over the members, root mean squares in bins "
    "of rising spread, and where both are equal. (a) Density: integral over each atom's cell (Becke) of the "
    "deviation from the fit, against the one expected of a normal distribution, (2/π)^½ ∫σ. (b) Dipole: "
    "length of the error vector. (c) Energy. (d) Force: root mean square over the components of each atom. The "
    "scale is the factor that makes the spread that of the errors, ⟨error²/spread²⟩^½; what all members get wrong "
    "alike, and the mean's being better than a member, are in it. Reference {level}.",
    of="ensemble",
)
def calibration(sources: Sources) -> Drawn:
    """Draw true errors over those that the spread of the ensemble lets expect, on logarithmic scales."""
    evaluation = sources.evaluation
    figure, panels = lettered_panels(7.6, 7.2, 2, 2)
    for axes, (name, pairs) in zip(panels, calibrations(evaluation).items(), strict=True):
        _draw(axes, pairs, "NMAE by atom" if name == "density" else name, POINTS_PER_BIN[name])
    legend_outside(figure, panels[:1])
    return figure, sources.words | {"n_members": int(evaluation.attrs["n_members"])}


def _draw(axes: Axes, pairs: Calibration, name: str, points_per_bin: int) -> None:
    """Draw one quantity on equal axes; errors that are zero by chance, or nearly so, lie below the panel."""
    seen = (pairs.expected > 0) & (pairs.error > 0)
    expected, error = pairs.expected[seen], pairs.error[seen]
    alpha = float(np.clip(60 / max(len(error), 1), 0.25, 0.6))
    axes.plot(expected, error, "o", ms=3, mew=0, color=MODEL, alpha=alpha, rasterized=True)
    if len(error):
        axes.plot(*pairs.binned(points_per_bin), "s-", color=PEER, ms=5, lw=1.2, label="root mean square in bins")
        limits = np.array([min(expected.min(), np.quantile(error, 0.03)) / 1.3, max(expected.max(), error.max()) * 1.6])
        axes.plot(limits, limits, color="#555555", lw=0.9, zorder=1, label="error = spread")
        axes.set(xlim=limits, ylim=limits)
    axes.set(xscale="log", yscale="log", aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        plain_decimals(axis, (1.0, 2.0, 5.0))
    axes.set(xlabel=f"{name}: expected from the spread [{pairs.unit}]", ylabel=f"{name}: true error [{pairs.unit}]")
    axes.grid()
    correlation, factor = ("–" if value is None else f"{value:.2f}" for value in (pairs.correlation, pairs.factor))
    note = f"rank correlation {correlation}\nscale the spread by {factor}"
    axes.text(0.03, 0.97, note, transform=axes.transAxes, va="top", fontsize=8.5)
