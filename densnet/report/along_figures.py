"""Energies and dipoles of a model against the reference, frame by frame along its own dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from densnet.report.lengths import along_trajectory, is_trained, model_of, units_of
from densnet.report.style import EXPERIMENT, MODEL, Drawn, drawing, new_figure, panel_letter
from densnet.units import E_ANGSTROM_IN_DEBYE, EV_IN_MEV

Array = NDArray[np.float64]

AXIS_COLOURS = (MODEL, "#D55E00", "#009E73")


@drawing(
    3,
    "Along trajectories, against the reference",
    "{family}: {model}, against the reference (open), {frames}. (a) Energy, each from its own mean over the frames. "
    "(b) Dipole moment. Correlation of the energies, share of the dipole's fluctuation (variance) that is missed, and "
    "how far the model's mean energy is off: {told}.",
    of="lengths",
)
def along_trajectories(evaluations: Sequence[xr.Dataset], family: str) -> Drawn:
    """Draw energies and dipoles of the lengths that the first model never saw; of the longest, if it saw all.

    Args:
        evaluations: outcomes of "evaluate", as for :func:`densnet.report.lengths.lengths_table`.
        family: its name.
    """
    own = sorted((one for one in evaluations if model_of(one) == model_of(evaluations[0])), key=units_of)
    unseen = [one for one in own if not is_trained(one)]
    shown = unseen or own[-1:]
    figure = new_figure(max(4.6, 3.1 * len(shown)), 5.4)
    panels = figure.subplots(2, len(shown), squeeze=False, sharex="col")
    for (above, below), one in zip(panels.T, shown, strict=True):
        above.set_title(f"n = {units_of(one)}", loc="right")
        _draw_energies(above, one)
        _draw_dipoles(below, one)
    panels[0, 0].set_ylabel("energy from its mean [meV/atom]")
    panels[1, 0].set_ylabel("dipole component [D]")
    panels[0, 0].legend(loc="best")
    panels[1, 0].legend(loc="best", ncols=3)
    panel_letter(panels[0, 0], "a")
    panel_letter(panels[1, 0], "b")
    figure.supxlabel("frame", fontsize=9)
    return figure, {
        "family": family,
        "model": model_of(own[0]),
        "frames": "frames of the model's own dynamics"
        if unseen
        else "held-out frames of the longest length, for none is unseen",
        "told": "; ".join(_told(one) for one in shown),
    }


def _draw_energies(axes: Axes, one: xr.Dataset) -> None:
    frames = np.arange(1.0, one.sizes["frame"] + 1)
    for source, marks in (("reference", _OPEN), ("predicted", _FILLED)):
        energy = one[f"energy_{source}"].values * EV_IN_MEV / one.sizes["atom"]
        label = "model" if source == "predicted" else source
        axes.plot(
            frames, energy - energy.mean(), color=MODEL if source == "predicted" else EXPERIMENT, label=label, **marks
        )
    _frame_axis(axes, frames)


def _draw_dipoles(axes: Axes, one: xr.Dataset) -> None:
    frames = np.arange(1.0, one.sizes["frame"] + 1)
    for axis, (letter, colour) in enumerate(zip("xyz", AXIS_COLOURS, strict=True)):
        for source, marks in (("reference", _OPEN), ("predicted", _FILLED)):
            values = E_ANGSTROM_IN_DEBYE * one[f"dipole_{source}"].values[:, axis]
            axes.plot(frames, values, color=colour, label=letter if source == "predicted" else None, **marks)
    _frame_axis(axes, frames)


_OPEN: dict[str, Any] = {"marker": "o", "mfc": "none", "ms": 7, "ls": "none"}
_FILLED: dict[str, Any] = {"marker": "o", "ms": 3.5, "ls": "none"}


def _frame_axis(axes: Axes, frames: Array) -> None:
    axes.set_xlim(0.5, len(frames) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()


def _told(one: xr.Dataset) -> str:
    """Return the numbers of one length in words."""
    found = along_trajectory(one)
    offset = EV_IN_MEV * float((one["energy_predicted"] - one["energy_reference"]).mean()) / one.sizes["atom"]
    told = f"n = {units_of(one)}, {one.sizes['frame']} frames: "
    if np.isfinite(found["energy_correlation"]):
        told += f"{found['energy_correlation']:.3f}, {found['dipole_fluctuation_missed_percent']:.2g} %, "
    else:
        told += "too few for either, "
    return told + f"{offset:+.2g} meV/atom"
