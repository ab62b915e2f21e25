"""Errors and cost against what was swept: small multiples, a line for each combination, seeds as error bars."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.quantities import metric_of
from densnet.report.style import (
    EXPERIMENT,
    FLOOR,
    MODEL,
    PEER,
    PRIOR,
    TRUE,
    Drawn,
    Picture,
    drawing,
    logarithmic_heights,
    new_figure,
    panel_letter,
)
from densnet.report.sweep_table import SHOWN, Axis, axes_of, groups, value_text

COLOURS = (MODEL, PEER, TRUE, PRIOR, "#CC79A7", "#56B4E9", EXPERIMENT)
MARKERS = "osD^vP*"
FLOORS = {"density_nmae_true_percent": "density_floor_percent"}
"""The error that the fitting basis alone makes, drawn beside the model's."""
COST = "training_seconds"
PANELS_A_ROW = 3

Array = NDArray[np.float64]


def sweep_figures(table: xr.Dataset, peers: Sequence[Mapping[str, str]] = ()) -> Iterator[Picture]:
    """Yield one figure a system, named ``sweep_<system>``; rows of the table of peers are drawn beside ours."""
    for system in dict.fromkeys(table["system"].values.tolist()):
        own = [row for row in peers if row["system"] == system and not row["temperature_kelvin"]]
        yield sweep_figure(table.isel(variant=table["system"].values == system), str(system), own)


def abscissa(axes: tuple[Axis, ...]) -> Axis:
    """Return the axis to draw against: numbers of frames if they are swept, else the first that is not a seed."""
    frames = [axis for axis in axes if axis.is_frames]
    others = [axis for axis in axes if not axis.is_seed]
    return (frames or others or list(axes))[0]


@drawing(
    1,
    "{title}",
    "{system}: errors on {tested} held-out frames and time of training (both models), against {across}. {lines}{bars}"
    "Dotted: what the fitting basis alone misses.",
    of="sweep",
)
def sweep_figure(table: xr.Dataset, system: str, peers: Sequence[Mapping[str, str]] = ()) -> Drawn:
    """Draw every error, and the training time, of one system's variants; learning curves of its peers with them.

    Raises:
        DensnetError: nothing of that system in the table.
    """
    if not table.sizes["variant"]:
        raise DensnetError(f"sweep: no variant of {system!r} in the table; run the sweep again")
    axes = axes_of(table)
    across = abscissa(axes)
    series = [axis for axis in axes if axis is not across and not axis.is_seed]
    scores = [name for name in table.data_vars if str(name).startswith("spectrum_pearson_")]
    extra = ["nve_drift_mev_per_atom_per_ps", *map(str, scores)]
    panels = [name for name in (*SHOWN, COST, *extra) if name in table and np.isfinite(table[name].values).any()]
    n_rows = -(-len(panels) // PANELS_A_ROW)
    figure = new_figure(9.4, 2.9 * n_rows + 0.5)
    places, ticks, numeric = _places(table, across)
    learning = across.is_frames
    grid = np.atleast_1d(figure.subplots(n_rows, PANELS_A_ROW)).ravel()
    for spare in grid[len(panels) :]:
        spare.set_visible(False)
    for number, (panel, name) in enumerate(zip(grid, panels, strict=False)):
        _draw(panel, table, name, _series(table, series), places, connected=numeric)
        if learning:
            draw_peers(panel, name, peers)
        panel_letter(panel, "abcdefghijkl"[number])
        panel.set_title(_label(name), fontsize=7.5, loc="right")
        panel.set_xlabel("training frames" if learning else textwrap.fill(across.title, 40))
        _scales(panel, ticks, numeric=numeric, learning=learning)
        _heights(panel, logarithmic=learning and name in SHOWN, from_zero=name not in extra)
    legend = {label: handle for panel in grid for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    if legend:
        handles, labels = list(legend.values()), list(legend)
        figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 5))
    title = "Learning curves" if learning else f"Errors against {across.title}"
    return figure, {"name": f"sweep_{system}", "title": title, "system": system} | _words(table, across, series)


def _series(table: xr.Dataset, axes: list[Axis]) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each line by what the legend calls it: a number with the name of its axis."""

    def called(axis: Axis, value: str) -> str:
        return f"{axis.title} {value}" if table[axis.keys[0]].dtype.kind in "if" else value

    return {", ".join(map(called, axes, values)): rows for values, rows in groups(table, axes).items()}


def _label(name: str) -> str:
    if name == COST:
        return "training [min]"
    return metric_of(name).title


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
    panel: Axes,
    table: xr.Dataset,
    name: str,
    series: dict[str, NDArray[np.int64]],
    places: Array,
    *,
    connected: bool,
) -> None:
    factor = 1 / 60 if name == COST else 1.0
    width = 0.12 if not connected else 0.0
    for number, (label, rows) in enumerate(series.items()):
        shift = width * (number - (len(series) - 1) / 2)
        x, mean, deviation = _averaged(places[rows], factor * table[name].values[rows])
        colour = COLOURS[number % len(COLOURS)]
        panel.errorbar(
            x + shift,
            mean,
            yerr=deviation,
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            ms=4,
            lw=1.3 if connected else 0,
            elinewidth=1.0,
            capsize=2.5,
            label=label or None,
        )
        if name in FLOORS and FLOORS[name] in table:
            x, floor, _ = _averaged(places[rows], table[FLOORS[name]].values[rows])
            panel.plot(x + shift, floor, color=FLOOR, ls=":" if connected else "", marker="_", lw=1.0, zorder=1)


def draw_peers(panel: Axes, name: str, peers: Sequence[Mapping[str, str]]) -> None:
    """Draw the errors and the cost of peers against their numbers of training frames, a dashed line each."""
    column, factor = ("train_seconds", 1 / 60) if name == COST else (name, 1.0)
    models = dict.fromkeys(row["model"] for row in peers if row["model"] != "densnet")
    for number, model in enumerate(models):
        known = sorted((int(r["n_train"]), float(r[column])) for r in peers if r["model"] == model and r.get(column))
        if known:
            frames, values = zip(*known, strict=True)
            grey = ("#555555", "#999999")[number % 2]
            panel.plot(frames, [factor * v for v in values], "--", color=grey, marker="x", ms=4, lw=1.1, label=model)


def _averaged(places: Array, values: Array) -> tuple[Array, Array, Array]:
    """Return the places, ascending, with mean and standard deviation of the values at each; of those that are known."""
    known = np.isfinite(values)
    places, values = places[known], values[known]
    x = np.unique(places)
    at = [values[places == place] for place in x]
    return x, np.array([v.mean() for v in at]), np.array([v.std(ddof=1) if len(v) > 1 else 0.0 for v in at])


def _scales(panel: Axes, ticks: dict[float, str], *, numeric: bool, learning: bool) -> None:
    panel.grid(which="major")
    if learning:
        panel.set_xscale("log")
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticks(sorted(ticks), texts := [ticks[place] for place in sorted(ticks)])
    if not numeric:
        panel.set_xlim(min(ticks) - 0.5, max(ticks) + 0.5)
        if max(map(len, texts)) > 8:
            slope = 30 if len(texts) <= 6 else 90
            panel.set_xticks(sorted(ticks), texts, rotation=slope, ha="right", va="center", rotation_mode="anchor")


def _heights(panel: Axes, *, logarithmic: bool, from_zero: bool) -> None:
    if logarithmic:
        logarithmic_heights(panel)
    elif from_zero:
        panel.set_ylim(bottom=0)


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
