"""Figures of errors against the length of a chain, along it, and against its torsions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from densnet.report.style import FLOOR, MODEL, Drawn, drawing, logarithmic_heights, new_figure, panel_letter

COLOURS = (MODEL, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
PANELS = (
    ("density_nmae_percent", "density error, NMAE [%]"),
    ("dipole_mae_debye", "dipole error [D]"),
    ("energy_mae_mev_per_atom", "energy error [meV/atom]"),
    ("force_mae_mev_per_angstrom", "force error [meV/Å]"),
)
BIN_DEGREES = 30.0


@drawing(
    2,
    "Errors against length",
    "{family}: errors against the length of the chain. Shaded: the lengths that {model} was trained on. Filled: a "
    "length that the model was trained on, its held-out frames; open: one that it never saw. Test frames: {frames}.",
    of="lengths",
)
def lengths(table: xr.Dataset, family: str) -> Drawn:
    """Draw the errors of every model and length."""
    figure = new_figure(9.0, 6.0)
    models = list(dict.fromkeys(table["model"].values.tolist()))
    for number, (axes, (column, label)) in enumerate(zip(figure.subplots(2, 2).flat, PANELS, strict=True)):
        for model, colour in zip(models, _colours(len(models)), strict=True):
            _draw_model(axes, table.isel(row=table["model"].values == model), column, colour, str(model))
        own = table.isel(row=table["model"].values == models[0])
        if number == 0 and np.isfinite(own["density_floor_percent"]).all():
            axes.plot(own["units"], own["density_floor_percent"], color=FLOOR, ls="--", label="floor of the fit")
        trained = own["units"].values[own["trained"].values == 1]
        if len(trained):
            axes.axvspan(trained.min() - 0.4, trained.max() + 0.4, color="#0072B2", alpha=0.10, lw=0)
        logarithmic_heights(axes)
        axes.set_xlabel("units n")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(which="both")
        panel_letter(axes, "abcd"[number])
        if number == 0:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=len(models) + 1)
    frames = ", ".join(f"{n} of n = {u}" for n, u in zip(own["n_test"].values, own["units"].values, strict=True))
    return figure, {"family": family, "model": models[0], "frames": frames}


def _draw_model(axes: Axes, own: xr.Dataset, column: str, colour: str, label: str) -> None:
    axes.plot(own["units"], own[column], color=colour, label=label)
    for trained, face in ((1, colour), (0, "white")):
        chosen = own["trained"].values == trained
        axes.plot(own["units"][chosen], own[column][chosen], "o", color=colour, mfc=face, ms=5)


@drawing(
    5,
    "Errors along the chain",
    "{family}: errors of {model} along the chain, mean over test frames; the outermost points are the units at its "
    "ends. (a) NMAE in the cells (Becke) of a unit's atoms over its electrons, (b) force error.",
    of="lengths",
)
def chain_ends(table: xr.Dataset, family: str) -> Drawn:
    """Draw the errors of each unit of every length."""
    own = _own_model(table)
    figure = new_figure(9.0, 3.2)
    panels = (("nmae_by_unit", "density error of the unit [%]"), ("force_by_unit", "force error in the unit [meV/Å]"))
    colours = colormaps["viridis"](np.linspace(0.0, 0.9, own.sizes["row"]))
    for number, (axes, (column, label)) in enumerate(zip(figure.subplots(1, 2), panels, strict=True)):
        for row, colour in enumerate(colours):
            units = int(own["units"][row])
            # from the middle of the chain, so that ends lie outside
            place = np.arange(units) - (units - 1) / 2
            axes.plot(place, own[column].values[row, :units], "o-", ms=3, color=colour, label=f"n = {units}")
        axes.set_xlabel("unit, from the middle of the chain")
        axes.set_ylabel(label)
        axes.grid()
        panel_letter(axes, "ab"[number])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=own.sizes["row"])
    return figure, {"family": family, "model": own["model"].values[0]}


@drawing(
    6,
    "Errors against torsion",
    "{family}: errors of {model} in the two units at a link against its torsion angle, {count} links of all lengths; "
    "lines are means over {width:g} degrees.",
    of="lengths",
)
def torsions(table: xr.Dataset, family: str) -> Drawn:
    """Draw the errors at each link of every frame."""
    own = _own_model(table)
    links = table.isel(link=np.isin(table["link_row"].values, np.flatnonzero(_is_own(table))))
    angle = np.abs(links["torsion"].values)
    figure = new_figure(9.0, 3.2)
    panels = (("link_nmae", "density error of both units [%]"), ("link_force", "force error in both units [meV/Å]"))
    for number, (axes, (column, label)) in enumerate(zip(figure.subplots(1, 2), panels, strict=True)):
        axes.plot(angle, links[column], ".", ms=3, color=MODEL, alpha=0.4)
        edges = np.arange(0.0, 180.0 + BIN_DEGREES, BIN_DEGREES)
        for low, high in pairwise(edges):
            inside = (angle >= low) & ((angle < high) | (high >= 180.0))
            if inside.any():
                axes.hlines(float(links[column].values[inside].mean()), low, high, color="black", lw=1.5)
        axes.set_xlim(0, 180)
        axes.set_xticks(np.arange(0, 181, 45))
        axes.set_xlabel("torsion angle of the link [degrees]: 0 syn, 180 anti")
        axes.set_ylabel(label)
        axes.grid()
        panel_letter(axes, "ab"[number])
    words = {"family": family, "model": own["model"].values[0]}
    return figure, words | {"count": len(angle), "width": BIN_DEGREES}


def _is_own(table: xr.Dataset) -> np.ndarray:
    """Return which rows are of the first model, the run's own."""
    return np.asarray(table["model"].values == table["model"].values[0])


def _own_model(table: xr.Dataset) -> xr.Dataset:
    return table.isel(row=_is_own(table))


def _colours(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]
