"""Floors of fitting bases against their size, for several molecules: the figure and the tables of docs/bases.md.

    densnet basis --smiles O --natural-frames 12 --natural-share 0.99 0.997 0.999 0.9997 0.9999 0.99999 \
        --fit-basis def2-SVP-JKFIT cc-pVTZ-JKFIT cc-pVQZ-JKFIT aug-cc-pVQZ-JKFIT \
                    even-tempered-2.8-l4 even-tempered-2.4-l4 even-tempered-2-l4 even-tempered-2-l5 --output water.nc
    python benchmarks/fitting_bases.py docs/figures/fitting_bases.png water.nc ethanol.nc ...
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from densnet.fitting.basis_comparison import table_of
from densnet.io.netcdf import read_dataset
from densnet.report.palette import FLOOR, MODEL, PEER, PRIOR
from densnet.report.style import STYLE, new_figure, picture, write_picture

TICKS = (30, 60, 100, 200, 300, 500, 1000, 1500)
ROWS = (
    ("floor_nmae", "NMAE [%]"),
    ("dipole_error", "dipole [D]"),
    ("potential_error", "potential [mV]"),
)
FAMILIES = (
    ("natural", "natural", MODEL, "o-"),
    ("even-tempered", "even-tempered", PRIOR, "s-"),
    ("optimised", "even-tempered, optimised", PEER, "D"),
    ("JKFIT", "JKFIT", FLOOR, "^"),
)


def main(output: Path, files: list[Path]) -> None:
    """Draw one column a molecule and print their tables."""
    tables = [read_dataset(path, stage="basis", variables=("n_functions",)) for path in files]
    for path, table in zip(files, tables, strict=True):
        print(f"{path.stem}, {table.attrs['level']}\n\n{table_of(table)}\n")
    with matplotlib.rc_context(fname=STYLE):
        figure = new_figure(2.6 * len(tables) + 0.6, 6.4)
        panels = figure.subplots(len(ROWS), len(tables), squeeze=False, sharex="col", sharey="row")
        for column, (path, table) in enumerate(zip(files, tables, strict=True)):
            panels[0, column].set_title(path.stem)
            panels[-1, column].set_xlabel("learned coefficients")
            for row, (measure, label) in enumerate(ROWS):
                draw(panels[row, column], table, measure)
                panels[row, 0].set_ylabel(label)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(FAMILIES))
        caption = "Errors of fits to Kohn-Sham densities against the number of coefficients, means over geometries."
        write_picture(picture(figure, output.stem, "Fitting bases", caption), output.parent)


def draw(axes: Axes, table: xr.Dataset, measure: str) -> None:
    """Draw one measure of one molecule, a family of bases in one colour."""
    sizes = table["n_functions"].values
    names = table["basis"].values.astype(str)
    values = table[measure].mean("frame").values
    for key, label, colour, mark in FAMILIES:
        chosen = np.array([key.lower() in family_of(name).lower() for name in names])
        order = np.argsort(sizes[chosen])
        axes.plot(sizes[chosen][order], values[chosen][order], mark, color=colour, label=label, ms=4)
    axes.set_yscale("log")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")


def family_of(name: str) -> str:
    """Return what kind of basis a name means; a file is an optimised one."""
    return "optimised" if name.endswith(".json") else name


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
