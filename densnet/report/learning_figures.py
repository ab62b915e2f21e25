"""How training went, how predictions agree with the reference on held-out frames, and whether an ensemble knows it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.quantities import METRICS, PREDICTED
from densnet.report.calibration import Calibration, calibrations
from densnet.report.metrics import mean_error
from densnet.report.palette import MODEL, PEER, PRIOR
from densnet.report.sources import Sources, seconds_of
from densnet.report.style import Drawn, drawing, legend_outside, lettered_panels, plain_decimals
from densnet.units import E_ANGSTROM_IN_DEBYE

Array = NDArray[np.float64]

PARITY = {
    "energy": ("energy − mean [eV]", 1.0),
    "forces": ("force [eV/Å]", 1.0),
    "dipole": ("dipole [D]", E_ANGSTROM_IN_DEBYE),
}
"""Axes of parity plots, and factors from the units of files."""
POINTS_PER_BIN = {"density": 20, "dipole": 5, "energy": 5, "force": 20}
"""Fewer where there is one point a frame."""


LEARNING = (
    "{{system}}, {}, {{n_train}} training frames, seed {{seed}}: (a) training loss; then the errors on the validation "
    "frames against the number of optimiser steps ({{steps}} steps in {{minutes:.1f}} minutes)."
)


@drawing(9, "Learning the density", LEARNING.format("density model"))
def learning_density(sources: Sources) -> Drawn:
    """Draw the density model's learning curves."""
    return _learning(sources, sources.density_log, "learning_density")


@drawing(10, "Learning the energy", LEARNING.format("energy model on the predicted density"))
def learning_energy(sources: Sources) -> Drawn:
    """Draw the energy model's learning curves."""
    return _learning(sources, sources.energy_log, "learning_energy")


def _learning(sources: Sources, log: Mapping[str, Array], name: str) -> Drawn:
    columns = [column for column in log if column == "train_loss" or column.startswith("validation_")]
    if not columns:
        raise DensnetError(f"{name}: the log has no train_loss nor validation_* column, found {list(log)}; train again")
    figure, panels = lettered_panels(3.2 * len(columns), 2.9, 1, len(columns))
    for axes, column in zip(panels, columns, strict=True):
        known = np.isfinite(log[column]) & (log[column] > 0) & (log["step"] > 0)
        colour = PRIOR if column == "train_loss" else MODEL
        few = known.sum() <= 40
        axes.plot(log["step"][known], log[column][known], color=colour, marker="o" if few else None, ms=3)
        axes.set(xscale="log", yscale="log", xlabel="step")
        axes.grid(which="both")
        axes.set_title(_title(column), fontsize=8.5, loc="right")
    return figure, sources.words | {"steps": int(np.nanmax(log["step"])), "minutes": seconds_of(log) / 60}


def _title(column: str) -> str:
    """Return what a column of the log is called: a metric, of the validation frames."""
    kind, name = column.split("_", 1)
    titles = [metric.title for metric in METRICS if metric.key in (name, f"density_{name}")]
    return f"{'training' if kind == 'train' else 'validation:'} {titles[0] if titles else name.replace('_', ' ')}"


@drawing(
    6,
    "Energies, forces and dipoles of held-out frames",
    "{system}, {n_test} test frames against {level}: (a) total energy from the mean of the reference, (b) "
    "components of the forces, (c) components of the dipole. Mean absolute errors are written in the panels "
    "(dipole: length of the error vector).",
)
def parity(sources: Sources) -> Drawn:
    """Draw predicted against reference energies, forces and dipoles of the test frames."""
    evaluation = sources.evaluation
    n_atoms = evaluation.sizes["atom"]
    figure, panels = lettered_panels(9.4, 3.3, 1, 3)
    for axes, (name, quantity) in zip(panels, PREDICTED.items(), strict=True):
        scale = quantity.error
        reference, predicted = (evaluation[f"{name}_{who}"].values for who in ("reference", "predicted"))
        error = float(scale.shown(mean_error(evaluation, name), n_atoms))
        label, factor = PARITY[name]
        middle = reference.mean() if label.startswith("energy") else 0.0
        points = factor * (reference - middle).ravel(), factor * (predicted - middle).ravel()
        _draw_parity(axes, *points, label, f"MAE {error:.3g} {scale.unit}")
    return figure, sources.words


def _draw_parity(axes: Axes, reference: Array, predicted: Array, label: str, note: str) -> None:
    low, high = min(reference.min(), predicted.min()), max(reference.max(), predicted.max())
    pad = 0.05 * max(high - low, 1e-9)
    limits = low - pad, high + pad
    axes.plot(limits, limits, color="#999999", lw=0.8, zorder=1)
    alpha = float(np.clip(200 / len(reference), 0.15, 0.7))
    axes.plot(reference, predicted, "o", ms=3, mew=0, color=MODEL, alpha=alpha, zorder=2, rasterized=True)
    axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel=f"reference {label}", ylabel=f"model {label}")
    axes.grid()
    axes.text(0.04, 0.96, note, transform=axes.transAxes, va="top", fontsize=8.5)


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
        _draw_calibration(axes, pairs, "NMAE by atom" if name == "density" else name, POINTS_PER_BIN[name])
    legend_outside(figure, panels[:1])
    return figure, sources.words | {"n_members": int(evaluation.attrs["n_members"])}


def _draw_calibration(axes: Axes, pairs: Calibration, name: str, points_per_bin: int) -> None:
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
