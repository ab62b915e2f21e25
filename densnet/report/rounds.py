"""Active learning in a table: labels spent, errors, and what hot dynamics met, a row for each round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from densnet.io.netcdf import variable
from densnet.report.columns import Column, Shown, row_variables, shown_table
from densnet.training.round_errors import RoundErrors

METHOD_VERSION: int = 1

FORCE = "mean absolute error of a force component"
COLUMNS = {
    "round": Column("round", "1", "round of active learning; the last row is the final model"),
    "n_train": Column("labels", "1", "training frames"),
    "test": Column("test frames [meV/Å]", "meV/angstrom", f"{FORCE} on the test frames"),
    "found": Column("frames found [meV/Å]", "meV/angstrom", f"{FORCE} on the frames that the round found"),
    "n_found": Column("found", "1", "frames that the round found and that were then labelled"),
}
"""Of the table; further ones, of the dynamics, run over (row, exploration)."""
EXPLORED = {
    "explored_time": ("ps", "time that all replicas moved together"),
    "explored_failures": ("1", "times that a replica broke or left the training frames for good"),
    "explored_wanted": ("1", "share of the frames met that exceed the threshold for a label"),
}


def rounds_table(errors: Sequence[RoundErrors], explored: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return a row for each round and one for the final model.

    Args:
        errors: of each round's models, then of the final one.
        explored: what each round found: outcomes of "collect".
    """
    n_found = [collected.sizes["frame"] for collected in explored]
    rows = [
        {"round": number, "n_train": e.n_train, "test": e.test, "found": e.found, "n_found": n}
        for number, (e, n) in enumerate(zip(errors, [*n_found, 0], strict=True), start=1)
    ]
    temperature = explored[0]["explored_temperature"].values
    data: dict[str, Any] = {**row_variables(COLUMNS, rows)}
    for name, (units, long_name) in EXPLORED.items():
        values = np.stack([*(collected[name].values for collected in explored), np.full(len(temperature), np.nan)])
        data[name] = variable(("row", "exploration"), values, units, long_name)
    data["temperature"] = variable(("exploration",), temperature, "K", "temperature of the dynamics")
    return xr.Dataset(data)


def as_rows(table: xr.Dataset) -> Shown:
    """Return heads and cells of the table."""
    heads, cells = shown_table(table, COLUMNS)
    for number, temperature in enumerate(table["temperature"].values):
        heads.append(f"failures in {table['explored_time'].values[0, number]:g} ps at {temperature:g} K")
        counts = table["explored_failures"].values[:, number]
        cells = [[*row, "" if np.isnan(n) else f"{n:.0f}"] for row, n in zip(cells, counts, strict=True)]
    return heads, cells
