"""Errors and cost against what was swept: small multiples, a line for each combination, seeds as error bars."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from densnet.quantities import metric_of
from densnet.report.palette import EXPERIMENT, FLOOR, MODEL, PEER, PINK, PRIOR, SKY, TRUE
from densnet.report.style import Drawn, Picture, drawing, legend_outside, lettered_panels, logarithmic_heights
from densnet.report.sweep_table import SHOWN, Axis, axes_of, groups, value_text

COLOURS = (MODEL, PEER, TRUE, PRIOR, PINK, SKY, EXPERIMENT)
MARKERS = "osD^vP*"
FLOORS = {"density_nmae_true_percent": "density_floor_percent"}
"""The error that the fitting basis alone makes, drawn beside the model's."""
COST = "training_seconds"
PANELS_A_ROW = 3

Array = NDArray[np.float64]


def sweep_figures(table: xr.Dataset, peers: Sequence[Mapping[str, str]] = ()) -> Iterator[Picture]:
    """Yield one figure a system, named ``sweep_<system>``; rows of the table of peers are drawn beside ours."""
    for system in dict.fromkeys(table["system"].values.tolist()):
        beside = [row for row in peers if row["system"] == system and not row["temperature_kelvin"]]
        yield sweep_figure(table.isel(variant=table["system"].values == system), str(system), beside)


def abscissa(axes: tuple[Axis, ...]) -> Axis:
    """Return the axis to draw against: numbers of frames if they are swept, else the first that is not a seed."""
    frames = [axis for axis in axes if axis.is_frames]
    no_seeds = [axis for axis in axes if not axis.is_seed]
    return (frames or no_seeds or list(axes))[0]


@drawing(
    1,
    "{title}",
    "{system}: errors on {tested} held-out frames and time of training (both models), against {across}. {lines}{bars}"
    "Dotted: what the fitting basis alone misses.",
    of="sweep",
)
def sweep_figure(table: xr.Dataset, system: str, peers: Sequence[Mapping[str, str]] = ()) -> Drawn:
    """Draw every error, and the training time, of one system's variants; learning curves of its peers with them."""
    axes = axes_of(table)
    across = abscissa(axes)
    series = [axis for axis in axes if axis is not across and not axis.is_seed]
    scores = [name for name in table.data_vars if str(name).startswith("spectrum_pearson_")]
    extra = ["nve_drift_mev_per_atom_per_ps", *map(str, scores)]
    names = [name for name in (*SHOWN, COST, *extra) if name in table and np.isfinite(table[name].values).any()]
    n_rows = -(-len(names) // PANELS_A_ROW)
    figure, panels = lettered_panels(9.4, 2.9 * n_rows + 0.5, n_rows, PANELS_A_ROW)
    places, ticks, numeric = _places(table, across)
    learning = across.is_frames
    for spare in panels[len(names) :]:
        spare.set_visible(False)
    for panel, name in zip(panels, names, strict=False):
        _draw(panel, table, name, _series(table, series), places, connected=numeric)
        if learning:
            draw_peers(panel, name, peers)
        panel.set_title("training [min]" if name == COST else metric_of(name).title, fontsize=7.5, loc="right")
        panel.set_xlabel("training frames" if learning else textwrap.fill(across.title, 40))
        panel.grid(which="major")
        _ticks(panel, ticks, numeric=numeric, learning=learning)
        if learning and name in SHOWN:
            logarithmic_heights(panel)
        elif name not in extra:
            panel.set_ylim(bottom=0)
    legend_outside(figure, panels, "outside upper center")
    title = "Learning curves" if learning else f"Errors against {across.title}"
    return figure, {"name": f"sweep_{system}", "title": title, "system": system} | _words(table, across, series)


def _series(table: xr.Dataset, axes: list[Axis]) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each line by what the legend calls it: a number with the name of its axis."""

    def called(axis: Axis, value: str) -> str:
        return f"{axis.title} {value}" if table[axis.keys[0]].dtype.kind in "if" else value

    return {", ".join(map(called, axes, values)): rows for values, rows in groups(table, axes).items()}


def _places(table: xr.Dataset, across: Axis) -> tuple[Array, dict[float, str], bool]:
    """Return where each row is drawn, (variant,), what is written there, and whether the places are numbers."""
    values = table[across.keys[0]].values
    texts = [value_text(table, across, row) for row in range(len(values))]
    # of keys that move together the first may stand for the others, or not
    numeric = values.dtype.kind in "if" and len(set(texts)) == len(set(values.tolist()))
    order = {text: float(place) for place, text in enumerate(dict.fromkeys(texts))}
    places = values.astype(float) if numeric else np.array([order[text] for text in texts])
    return places, dict(zip(places.tolist(), texts, strict=True)), numeric


def _draw(
    panel: Axes, table: xr.Dataset, name: str, series: dict[str, NDArray[np.int64]], places: Array, *, connected: bool
) -> None:
    factor, width = 1 / 60 if name == COST else 1.0, 0.0 if connected else 0.12
    bars: Any = {"lw": 1.3 if connected else 0, "elinewidth": 1.0, "capsize": 2.5, "ms": 4}
    looks = zip(cycle(COLOURS), cycle(MARKERS), strict=True)
    for number, ((label, rows), (colour, marker)) in enumerate(zip(series.items(), looks, strict=False)):
        shift = width * (number - (len(series) - 1) / 2)
        mean = _averaged(places[rows], factor * table[name].values[rows])
        bars |= {"color": colour, "marker": marker, "label": label or None}
        panel.errorbar(mean.index + shift, mean["mean"], mean["std"], **bars)
        if FLOORS.get(name) in table:
            floor = _averaged(places[rows], table[FLOORS[name]].values[rows])["mean"]
            panel.plot(
                floor.index + shift, floor, color=FLOOR, ls=":" if connected else "", marker="_", lw=1.0, zorder=1
            )


def draw_peers(panel: Axes, name: str, peers: Sequence[Mapping[str, str]]) -> None:
    """Draw the errors and the cost of peers against their numbers of training frames, a dashed line each."""
    column, factor = ("train_seconds", 1 / 60) if name == COST else (name, 1.0)
    models = dict.fromkeys(row["model"] for row in peers if row["model"] != "densnet")
    for model, grey in zip(models, cycle(("#555555", "#999999")), strict=False):
        known = sorted((int(r["n_train"]), float(r[column])) for r in peers if r["model"] == model and r.get(column))
        if known:
            frames, values = np.transpose(known)
            panel.plot(frames, factor * values, "--", color=grey, marker="x", ms=4, lw=1.1, label=model)


def _averaged(places: Array, values: Array) -> pd.DataFrame:
    """Return mean and standard deviation (``mean``, ``std``) of the values that are known at each place, ascending."""
    return pd.Series(values, places).dropna().groupby(level=0).agg(["mean", "std"]).fillna(0.0)


def _ticks(panel: Axes, ticks: dict[float, str], *, numeric: bool, learning: bool) -> None:
    if learning:
        panel.set_xscale("log")
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticks(sorted(ticks), texts := [ticks[place] for place in sorted(ticks)])
    if not numeric:
        panel.set_xlim(min(ticks) - 0.5, max(ticks) + 0.5)
        if max(map(len, texts)) > 8:
            slope = 30 if len(texts) <= 6 else 90
            panel.set_xticks(sorted(ticks), texts, rotation=slope, ha="right", va="center", rotation_mode="anchor")


def _words(table: xr.Dataset, across: Axis, series: list[Axis]) -> dict[str, str]:
    seeds = [axis for axis in axes_of(table) if axis.is_seed and axis is not across]
    count = max((len(rows) for rows in groups(table, [across, *series]).values()), default=1)
    frames = sorted({int(n) for n in table["n_test"].values})
    return {
        "tested": str(frames[0]) if len(frames) == 1 else f"{frames[0]} to {frames[-1]}",
        "across": ", ".join(across.keys),
        "lines": f"A line for each {' and '.join(axis.title for axis in series)}. " if series else "",
        "bars": f"Mean and standard deviation of {count} seeds. " if seeds and count > 1 else "",
    }
