"""Many molecules beside experiment, in one figure."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from densnet.report.gallery import MODEL, REFERENCE, Gallery
from densnet.report.gallery_table import called, mean_over_molecules, methods
from densnet.report.palette import EXPERIMENT, FLOOR, PEERS
from densnet.report.palette import MODEL as OURS
from densnet.report.style import Drawn, drawing, legend_outside, new_figure, write_letters

HALF_ROW = 0.12
"""Of a molecule's row, between the marks of methods."""


@drawing(
    1,
    "All molecules beside experiment",
    "{count} molecules. (a) Mean difference of lines from the measured fundamentals, 1/cm: filled, harmonic lines, "
    "each beside the fundamental of its symmetry species; open, bands of classical dynamics, each from the nearest of "
    "its fundamentals. Dashed: means over the molecules, {means}. (b) Harmonic lines of the model from those of "
    "{reference}, which it learned: mean (dot) and largest (end of the line) difference over modes; the mean over the "
    "molecules is {from_reference} 1/cm. (c) Every harmonic line less the fundamental that it belongs to.{unmeasured}",
    of="gallery",
)
def gallery(shown: Gallery) -> Drawn:
    """Draw differences from experiment and from the reference by molecule, and by wavenumber."""
    count = len(shown.molecules)
    figure = new_figure(9.0, 3.9 + 0.22 * count)
    grid = figure.add_gridspec(2, 2, height_ratios=[0.9 + 0.22 * count, 3.0], width_ratios=[1.7, 1.0])
    left, below = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, :])
    right = figure.add_subplot(grid[0, 1], sharey=left)
    right.tick_params(labelleft=False)
    write_letters([left, right, below])
    colours = _colours(shown)
    for kind in ("harmonic", "dynamics"):
        _draw_means(left, shown, kind, colours)
    _draw_from_reference(right, shown)
    _draw_lines(below, shown, colours)
    left.set_yticks(np.arange(count), shown.molecules["system"])
    left.set(ylim=(count - 0.4, -0.6), xlabel="mean difference from the fundamentals [1/cm]")
    legend_outside(figure, [left], "outside upper right")
    means = [
        f"{called(name, shown)} {kind} {mean_over_molecules(shown, f'{kind}_{name}_mean'):.1f}"
        for kind in ("harmonic", "dynamics")
        for name in methods(shown, kind)
    ]
    without = shown.molecules.loc[~shown.molecules["system"].isin(_measured(shown)), "system"]
    return figure, {
        "count": count,
        "means": ", ".join(means) if means else "none",
        "reference": called(REFERENCE, shown),
        "from_reference": f"{mean_over_molecules(shown, 'model_from_reference_mean'):.1f}",
        "unmeasured": f" Without published fundamentals: {', '.join(without)}." if len(without) else "",
    }


def _measured(shown: Gallery) -> list[str]:
    return list(shown.lines["system"].unique()) if len(shown.lines) else []


def _colours(shown: Gallery) -> dict[str, str]:
    names = dict.fromkeys([*methods(shown, "harmonic"), *methods(shown, "dynamics")])
    others = [name for name in names if name not in (MODEL, REFERENCE)]
    of_others = {name: PEERS[k % len(PEERS)] for k, name in enumerate(others)}
    return {MODEL: OURS, REFERENCE: EXPERIMENT} | of_others


def _draw_means(axes: Axes, shown: Gallery, kind: str, colours: dict[str, str]) -> None:
    names = methods(shown, kind)
    for place, name in enumerate(names):
        offset = HALF_ROW * (2 * place - len(names) + 1) / max(len(names) - 1, 1)
        rows = np.arange(len(shown.molecules)) + offset
        values = shown.molecules[f"{kind}_{name}_mean"]
        filled = kind == "harmonic"
        inside, label = colours[name] if filled else "white", f"{called(name, shown)}, {kind}"
        axes.plot(values, rows, "o" if filled else "D", ms=5, mfc=inside, color=colours[name], label=label)
        mean = mean_over_molecules(shown, f"{kind}_{name}_mean")
        if filled and np.isfinite(mean):
            axes.axvline(mean, color=colours[name], lw=1.0, ls="--", zorder=0)
    axes.grid(True)
    axes.set_xlim(left=0)


def _draw_from_reference(axes: Axes, shown: Gallery) -> None:
    rows = np.arange(len(shown.molecules))
    mean, largest = (shown.molecules[f"model_from_reference_{which}"] for which in ("mean", "largest"))
    axes.hlines(rows, mean, largest, color=OURS, lw=1.2)
    axes.plot(mean, rows, "o", color=OURS, ms=5)
    axes.set(xlabel=f"model from {called(REFERENCE, shown)} [1/cm]")
    axes.set_xlim(left=0)
    axes.grid(True)


def _draw_lines(axes: Axes, shown: Gallery, colours: dict[str, str]) -> None:
    axes.axhline(0, color=FLOOR, lw=0.8)
    for name in methods(shown, "harmonic") if len(shown.lines) else ():
        apart = shown.lines[f"harmonic_{name}"] - shown.lines["fundamental"]
        axes.plot(shown.lines["fundamental"], apart, "o", ms=3.5, alpha=0.8, color=colours[name], mew=0)
    axes.set(xlabel="measured fundamental [1/cm]", ylabel="harmonic − measured [1/cm]")
    axes.invert_xaxis()
    axes.grid(True)
