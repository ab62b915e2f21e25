"""Figures of errors against the length of a chain, along it, against its torsions and along its dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from densnet.quantities import METRICS
from densnet.report.lengths import along_trajectory, is_trained, model_of, units_of
from densnet.report.palette import EXPERIMENT, FLOOR, MODEL, PEER, PINK, PRIOR, SKY, TRUE
from densnet.report.style import (
    Drawn,
    drawing,
    legend_outside,
    lettered_panels,
    logarithmic_heights,
    new_figure,
    write_letters,
)
from densnet.units import E_ANGSTROM_IN_DEBYE, EV_IN_MEV

COLOURS = (MODEL, PEER, TRUE, PINK, PRIOR, SKY)
SHOWN = [metric for metric in METRICS if metric.by_temperature]
"""Errors against length."""
BIN_DEGREES = 30.0
MARKS: dict[str, dict[str, Any]] = {
    "reference": {"marker": "o", "mfc": "none", "ms": 7, "ls": "none"},
    "predicted": {"marker": "o", "ms": 3.5, "ls": "none"},
}
"""Of frames: open, and filled."""


@drawing(
    2,
    "Errors against length",
    "{family}: errors against the length of the chain. Shaded: the lengths that {model} was trained on. Filled: a "
    "length that the model was trained on, its held-out frames; open: one that it never saw. Test frames: {frames}.",
    of="lengths",
)
def lengths(table: xr.Dataset, family: str) -> Drawn:
    """Draw the errors of every model and length."""
    figure, panels = lettered_panels(9.0, 6.0, 2, 2)
    run = _of_first_model(table)
    name, trained = str(run["model"].values[0]), run["units"].values[run["trained"].values == 1]
    for axes, metric in zip(panels, SHOWN, strict=True):
        for model, colour in zip(dict.fromkeys(table["model"].values.tolist()), cycle(COLOURS), strict=False):
            _draw_model(axes, table.isel(row=table["model"].values == model), metric.key, colour, model)
        if len(trained):
            axes.axvspan(trained.min() - 0.4, trained.max() + 0.4, color=MODEL, alpha=0.10, lw=0)
        axes.set(xlabel="units n", ylabel=metric.title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(which="both")
    if np.isfinite(run["density_floor_percent"]).all():
        panels[0].plot(run["units"], run["density_floor_percent"], color=FLOOR, ls="--", label="floor of the fit")
    for axes in panels:
        logarithmic_heights(axes)
    legend_outside(figure, panels[:1])
    frames = ", ".join(f"{n} of n = {u}" for n, u in zip(run["n_test"].values, run["units"].values, strict=True))
    return figure, {"family": family, "model": name, "frames": frames}


def _draw_model(axes: Axes, rows: xr.Dataset, column: str, colour: str, label: str) -> None:
    axes.plot(rows["units"], rows[column], color=colour, label=label)
    for trained, face in ((1, colour), (0, "white")):
        chosen = rows.isel(row=rows["trained"].values == trained)
        axes.plot(chosen["units"], chosen[column], "o", color=colour, mfc=face, ms=5)


@drawing(
    5,
    "Errors along the chain",
    "{family}: errors of {model} along the chain, mean over test frames; the outermost points are the units at its "
    "ends. (a) NMAE in the cells (Becke) of a unit's atoms over its electrons, (b) force error.",
    of="lengths",
)
def chain_ends(table: xr.Dataset, family: str) -> Drawn:
    """Draw the errors of each unit of every length."""
    run = _of_first_model(table)
    figure, panels = lettered_panels(9.0, 3.2, 1, 2)
    colours = colormaps["viridis"](np.linspace(0.0, 0.9, run.sizes["row"]))
    labels = {"nmae_by_unit": "density error of the unit [%]", "force_by_unit": "force error in the unit [meV/Å]"}
    for axes, (column, label) in zip(panels, labels.items(), strict=True):
        for units, values, colour in zip(run["units"].values, run[column].values, colours, strict=True):
            # from the middle of the chain, so that ends lie outside
            place = np.arange(units) - (units - 1) / 2
            axes.plot(place, values[:units], "o-", ms=3, color=colour, label=f"n = {units}")
        axes.set(xlabel="unit, from the middle of the chain", ylabel=label)
        axes.grid()
    legend_outside(figure, panels[:1])
    return figure, {"family": family, "model": run["model"].values[0]}


@drawing(
    6,
    "Errors against torsion",
    "{family}: errors of {model} in the two units at a link against its torsion angle, {count} links of all lengths; "
    "lines are means over {width:g} degrees.",
    of="lengths",
)
def torsions(table: xr.Dataset, family: str) -> Drawn:
    """Draw the errors at each link of every frame."""
    run = _of_first_model(table)
    links = table.isel(link=run["model"].values[0] == table["model"].values[table["link_row"].values])
    angle = np.abs(links["torsion"].values)
    low = BIN_DEGREES * np.minimum(angle // BIN_DEGREES, 180.0 // BIN_DEGREES - 1)
    figure, panels = lettered_panels(9.0, 3.2, 1, 2)
    labels = {"link_nmae": "density error of both units [%]", "link_force": "force error in both units [meV/Å]"}
    for axes, (column, label) in zip(panels, labels.items(), strict=True):
        axes.plot(angle, links[column], ".", ms=3, color=MODEL, alpha=0.4)
        mean = pd.Series(links[column].values).groupby(low).mean()
        axes.hlines(mean, mean.index, mean.index + BIN_DEGREES, color="black", lw=1.5)
        axes.set(xlim=(0, 180), xticks=np.arange(0, 181, 45))
        axes.set(xlabel="torsion angle of the link [degrees]: 0 syn, 180 anti", ylabel=label)
        axes.grid()
    words = {"family": family, "model": run["model"].values[0]}
    return figure, words | {"count": len(angle), "width": BIN_DEGREES}


def _of_first_model(table: xr.Dataset) -> xr.Dataset:
    """Return the rows of the run's own model."""
    return table.isel(row=table["model"].values == table["model"].values[0])


@drawing(
    3,
    "Along trajectories, against the reference",
    "{family}: {model}, against the reference (open), {frames}. (a) Energy, each from its own mean over the frames. "
    "(b) Dipole moment. Correlation of the energies, share of the dipole's fluctuation (variance) that is missed, and "
    "how far the model's mean energy is off: {told}.",
    of="lengths",
)
def along_trajectories(evaluations: Sequence[xr.Dataset], family: str) -> Drawn:
    """Draw energies and dipoles of the lengths that the first model never saw; of the longest, if it saw all."""
    run = sorted((chain for chain in evaluations if model_of(chain) == model_of(evaluations[0])), key=units_of)
    unseen = [evaluation for evaluation in run if not is_trained(evaluation)]
    shown = unseen or run[-1:]
    figure = new_figure(max(4.6, 3.1 * len(shown)), 5.4)
    panels = figure.subplots(2, len(shown), squeeze=False, sharex="col")
    for (above, below), evaluation in zip(panels.T, shown, strict=True):
        above.set_title(f"n = {units_of(evaluation)}", loc="right")
        _draw_frames(above, below, evaluation)
    panels[0, 0].set_ylabel("energy from its mean [meV/atom]")
    panels[1, 0].set_ylabel("dipole component [D]")
    legend_outside(figure, panels[:, 0])
    write_letters(panels[:, 0])
    figure.supxlabel("frame", fontsize=9)
    return figure, {
        "family": family,
        "model": model_of(run[0]),
        "frames": "frames of the model's own dynamics"
        if unseen
        else "held-out frames of the longest length, for none is unseen",
        "told": "; ".join(map(_told, shown)),
    }


def _draw_frames(above: Axes, below: Axes, evaluation: xr.Dataset) -> None:
    """Draw energies from their means, and below them components of dipoles."""
    frames = np.arange(1.0, evaluation.sizes["frame"] + 1)
    for source, label, colour in (("reference", "reference", EXPERIMENT), ("predicted", "model", MODEL)):
        energy = evaluation[f"energy_{source}"].values * EV_IN_MEV / evaluation.sizes["atom"]
        above.plot(frames, energy - energy.mean(), color=colour, label=label, **MARKS[source])
    for axis, (letter, colour) in enumerate(zip("xyz", COLOURS, strict=False)):
        for source, marks in MARKS.items():
            values = E_ANGSTROM_IN_DEBYE * evaluation[f"dipole_{source}"].values[:, axis]
            below.plot(frames, values, color=colour, label=letter if source == "predicted" else None, **marks)
    for axes in (above, below):
        axes.set_xlim(0.5, len(frames) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid()


def _told(evaluation: xr.Dataset) -> str:
    """Return the numbers of one length in words."""
    follows, n_atoms = along_trajectory(evaluation), evaluation.sizes["atom"]
    offset = EV_IN_MEV * float((evaluation["energy_predicted"] - evaluation["energy_reference"]).mean()) / n_atoms
    numbers = "too few for either"
    if np.isfinite(follows["energy_correlation"]):
        numbers = f"{follows['energy_correlation']:.3f}, {follows['dipole_fluctuation_missed_percent']:.2g} %"
    return f"n = {units_of(evaluation)}, {evaluation.sizes['frame']} frames: {numbers}, {offset:+.2g} meV/atom"
