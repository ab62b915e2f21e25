"""How training went, and how predictions agree with the reference on held-out frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.report.captions import CAPTIONS, TITLES
from densnet.report.sources import Sources, level_of_theory
from densnet.report.style import MODEL, PRIOR, Picture, new_figure, panel_letter, picture
from densnet.units import E_ANGSTROM_IN_DEBYE, EV_IN_MEV

Array = NDArray[np.float64]

_LABELS: dict[str, str] = {
    "train_loss": "training loss",
    "validation_loss": "validation: loss",
    "validation_coulomb_error_mha": "validation: Coulomb error [mHa]",
    "validation_dipole_mae_debye": "validation: dipole error [D]",
    "validation_force_mae_mev_per_angstrom": "validation: force error [meV/Å]",
    "validation_energy_mae_mev_per_atom": "validation: energy error [meV/atom]",
}


def learning_density(sources: Sources) -> Picture:
    """Draw the density model's learning curves."""
    return _learning(sources, sources.density_log, "learning_density")


def learning_energy(sources: Sources) -> Picture:
    """Draw the energy model's learning curves."""
    return _learning(sources, sources.energy_log, "learning_energy")


def _learning(sources: Sources, log: Mapping[str, Array], name: str) -> Picture:
    columns = [column for column in log if column == "train_loss" or column.startswith("validation_")]
    if not columns:
        raise DensnetError(f"{name}: the log has no train_loss nor validation_* column, found {list(log)}; train again")
    figure = new_figure(3.2 * len(columns), 2.9)
    panels = np.atleast_1d(figure.subplots(1, len(columns)))
    for number, (axes, column) in enumerate(zip(panels, columns, strict=True)):
        known = np.isfinite(log[column]) & (log[column] > 0) & (log["step"] > 0)
        colour = PRIOR if column == "train_loss" else MODEL
        few = known.sum() <= 40
        axes.plot(log["step"][known], log[column][known], color=colour, marker="o" if few else None, ms=3)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.grid(which="both")
        panel_letter(axes, "abcdef"[number])
        axes.set_title(_LABELS.get(column, column.replace("_", " ")), fontsize=8.5, loc="right")
    seconds = log.get("seconds", np.array([np.nan]))
    caption = CAPTIONS[name].format(
        system=sources.system,
        n_train=sources.metrics["n_train"],
        seed=sources.metrics["seed"],
        steps=int(np.nanmax(log["step"])),
        minutes=float(np.nanmax(seconds)) / 60 if np.isfinite(seconds).any() else float("nan"),
    )
    return picture(figure, name, TITLES[name], caption)


def parity(sources: Sources) -> Picture:
    """Draw predicted against reference energies, forces and dipoles of the test frames."""
    evaluation = sources.evaluation
    figure = new_figure(9.4, 3.3)
    panels = figure.subplots(1, 3)
    n_atoms = evaluation.sizes["atom"]
    middle = float(evaluation["energy_reference"].mean())
    energy = [evaluation[f"energy_{who}"].values - middle for who in ("reference", "predicted")]
    error = EV_IN_MEV * np.abs(energy[1] - energy[0]).mean() / n_atoms
    _draw_parity(panels[0], energy[0], energy[1], "energy − mean [eV]", f"MAE {error:.3g} meV/atom")
    forces = [evaluation[f"forces_{who}"].values.ravel() for who in ("reference", "predicted")]
    error = EV_IN_MEV * np.abs(forces[1] - forces[0]).mean()
    _draw_parity(panels[1], forces[0], forces[1], "force [eV/Å]", f"MAE {error:.3g} meV/Å")
    dipoles = [E_ANGSTROM_IN_DEBYE * evaluation[f"dipole_{who}"].values for who in ("reference", "predicted")]
    error = np.linalg.norm(dipoles[1] - dipoles[0], axis=1).mean()
    _draw_parity(panels[2], dipoles[0].ravel(), dipoles[1].ravel(), "dipole [D]", f"MAE {error:.3g} D")
    for letter, axes in zip("abc", panels, strict=True):
        panel_letter(axes, letter)
    caption = CAPTIONS["parity"].format(
        system=sources.system, n_test=evaluation.sizes["frame"], level=level_of_theory(sources.labels)
    )
    return picture(figure, "parity", TITLES["parity"], caption)


def _draw_parity(axes: Axes, reference: Array, predicted: Array, label: str, note: str) -> None:
    low, high = min(reference.min(), predicted.min()), max(reference.max(), predicted.max())
    pad = 0.05 * max(high - low, 1e-9)
    axes.plot([low - pad, high + pad], [low - pad, high + pad], color="#999999", lw=0.8, zorder=1)
    alpha = float(np.clip(200 / len(reference), 0.15, 0.7))
    axes.plot(reference, predicted, "o", ms=3, mew=0, color=MODEL, alpha=alpha, zorder=2, rasterized=True)
    axes.set_xlim(low - pad, high + pad)
    axes.set_ylim(low - pad, high + pad)
    axes.set_aspect("equal")
    axes.set_xlabel(f"reference {label}")
    axes.set_ylabel(f"model {label}")
    axes.grid()
    axes.text(0.04, 0.96, note, transform=axes.transAxes, va="top", fontsize=8.5)
