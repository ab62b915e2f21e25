"""The chart of speed and accuracy: what energy and forces cost against how wrong they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from densnet.mechanics.timing import nanoseconds_a_day
from densnet.report.chart_table import ANOTHER, WALL, ChartRow
from densnet.report.palette import EXPERIMENT, FLOOR, MODEL, PEERS
from densnet.report.style import Drawn, drawing, legend_outside, lettered_panels
from densnet.units import EV_IN_MEV, KCAL_PER_MOL_IN_EV

CHEMICAL_ACCURACY = KCAL_PER_MOL_IN_EV * EV_IN_MEV
"""1 kcal/mol/Å in meV/Å."""
OUTER = (*PEERS, "#8C564B", "#999933")
"""Colours of whoever is not ours; more than that many begin anew."""
SMALLEST, LARGEST = 4.0, 10.0
"""Diameters of the markers of our models, by their weights."""
PEER_MARKER, RING = 6.0, 3.0
FASTEST = 1e-9
"""Milliseconds, below which nothing is drawn."""
ERRORS = {
    "force_mae_mev_per_angstrom": "force error, MAE [meV/Å]",
    "dipole_mae_debye": "dipole error, MAE [D]",
}
"""Of each panel of a system, the field of :class:`ChartRow` and the name of its axis."""


@drawing(
    12,
    "Speed and accuracy",
    "{systems}: time of energy and forces of one geometry on {threads}, with all else that comes with them, against "
    "the mean absolute error on held-out frames ({frames}) of the labels' level, {level}; left, components of the "
    "forces; right, length of the error of the dipole, for those that have one. Filled: one geometry a call; open: in "
    "batches of {batch}. Circles have learned this level, and larger ones of densnet have more weights; squares are of "
    "another level, and their error holds its distance from this one. {clock} Upper axis: dynamics that this makes in "
    "a day with steps of {timestep:g} fs, of a batch all copies together. {reference}{gaps}",
    of="chart",
)
def speed_accuracy_chart(rows: Sequence[ChartRow]) -> Drawn:
    """Draw the errors of the forces and of the dipole against the time, a row of panels for each system."""
    measured = [row for row in rows if not row.gap]
    systems = list(dict.fromkeys(row.system for row in rows))
    labels = labels_of(measured)
    colours = _colours(measured, labels)
    timestep = next(row.timestep_fs for row in measured if row.timestep_fs)
    figure, panels = lettered_panels(9.0, 0.7 + 3.3 * len(systems), len(systems), len(ERRORS))
    for number, system in enumerate(systems):
        here = [row for row in measured if row.system == system]
        for panel, (error, axis) in zip(panels[number * len(ERRORS) :], ERRORS.items(), strict=False):
            if not any(getattr(row, error) for row in here if row.role != "reference"):
                panel.set_visible(False)
                continue
            for label in dict.fromkeys(labels[row] for row in here):
                _draw(panel, [row for row in here if labels[row] == label], error, label, colours[label])
            _furnish(panel, axis, system, timestep)
        panels[number * len(ERRORS)].axhline(
            CHEMICAL_ACCURACY, color=FLOOR, ls="--", lw=1.0, zorder=0, label="1 kcal/mol/Å"
        )
    legend_outside(figure, panels)
    return figure, _words(rows, measured, timestep)


def labels_of(rows: Sequence[ChartRow]) -> dict[ChartRow, str]:
    """Return what each row's contestant is called; of models that have as many weights the file is named, too."""
    shown = {row: row.contestant + (f", {_grouped(row.weights)} weights" if row.weights else "") for row in rows}
    files = {(row.system, shown[row], row.file) for row in rows}
    alike = Counter((system, label) for system, label, _ in files)
    return {row: label if alike[row.system, label] == 1 else f"{label} ({row.file})" for row, label in shown.items()}


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _colours(rows: Sequence[ChartRow], labels: Mapping[ChartRow, str]) -> dict[str, str]:
    others = dict.fromkeys(labels[row] for row in rows if row.role == "peer")
    of_others = {label: OUTER[number % len(OUTER)] for number, label in enumerate(others)}
    return {labels[row]: MODEL if row.role == "model" else EXPERIMENT for row in rows} | of_others


def _draw(panel: Axes, rows: Sequence[ChartRow], error: str, label: str, colour: str) -> None:
    """Draw one contestant: a point alone and one in batches; a line where the labels' own program is."""
    if rows[0].role == "reference":
        panel.axvline(float(rows[0].ms_per_geometry or 0), color=colour, ls=":", lw=1.2, label=label, zorder=0)
        return
    points = [(float(row.ms_per_geometry or 0), getattr(row, error), row.batch) for row in rows if getattr(row, error)]
    marker, size = "s" if rows[0].level == ANOTHER else "o", _size(rows[0])
    panel.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour, lw=0.8, zorder=1)
    for x, y, batch in points:
        if batch == 1:
            panel.plot(x, y, marker, ms=size, color=colour, ls="", label=label, zorder=3)
        else:
            # a ring, to be seen around a point that is no slower alone
            panel.plot(x, y, marker, ms=size + RING, color=colour, mfc="white", ls="", zorder=2)


def _size(row: ChartRow) -> float:
    """Return the diameter of a marker: of our models it grows with the logarithm of their weights, from 10⁴ to 10⁶."""
    if row.role != "model" or not row.weights:
        return PEER_MARKER
    share = (math.log10(row.weights) - 4) / 2
    return SMALLEST + (LARGEST - SMALLEST) * min(max(share, 0.0), 1.0)


def _furnish(panel: Axes, axis: str, system: str, timestep: float) -> None:
    panel.set(xscale="log", yscale="log", xlabel="energy + forces [ms]", ylabel=axis)
    panel.margins(0.12)
    panel.set_title(system, loc="right")
    panel.grid(which="major")

    def in_a_day(milliseconds: Any) -> Any:
        # matplotlib tries zero, too
        return nanoseconds_a_day(np.maximum(milliseconds, FASTEST), timestep)

    # each is the inverse of the other: their product is a constant
    panel.secondary_xaxis("top", functions=(in_a_day, in_a_day)).set_xlabel("ns/day")


def _words(rows: Sequence[ChartRow], measured: Sequence[ChartRow], timestep: float) -> dict[str, object]:
    """Return what the caption leaves open."""
    systems = dict.fromkeys(row.system for row in rows)
    frames = {row.system: row.n_frames for row in measured if row.role != "reference"}
    levels = dict.fromkeys(row.level for row in measured if row.level != ANOTHER)
    own = next((row for row in measured if row.role == "reference"), None)
    threads = sorted({row.threads for row in measured if row.threads})
    left_out = dict.fromkeys(f"{row.file or row.contestant} ({row.system})" for row in rows if row.gap)
    apart = sorted({row.contestant for row in measured if row.role == "peer" and row.level != ANOTHER and row.weights})
    return {
        "systems": " and ".join(systems),
        "threads": "one thread" if threads == [1] else f"{', '.join(map(str, threads))} threads",
        "frames": ", ".join(f"{system} {count}" for system, count in frames.items()),
        "level": " and ".join(levels),
        "batch": max((row.batch or 1 for row in measured), default=1),
        "timestep": timestep,
        "clock": "Processor times, medians of rounds in which all take turns"
        + (f"; {', '.join(apart)} was timed when it had been trained." if apart else "."),
        "reference": "" if own is None else f"Dotted: {own.contestant} itself, {WALL} time of a label. ",
        "gaps": f"Left out, for the reasons that the table says: {', '.join(left_out)}." if left_out else "",
    }
