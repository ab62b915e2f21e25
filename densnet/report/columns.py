"""What the columns of a table are called and mean, said once; its rows as CSV and as they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np
import pandas as pd
import xarray as xr

from densnet.errors import DensnetError
from densnet.io.netcdf import variable

Shown = tuple[list[str], list[list[str]]]
"""Heads and cells."""


class Column(NamedTuple):
    """A column of a netCDF table over (row,): its head where it is shown, its units and meaning in the file."""

    head: str
    units: str
    long_name: str


def row_variables(columns: Mapping[str, Column], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows, a value for each column, as variables over (row,)."""
    return {
        name: variable(("row",), np.array([row[name] for row in rows]), column.units, column.long_name)
        for name, column in columns.items()
    }


def csv_of_table(table: xr.Dataset, columns: Mapping[str, Column]) -> str:
    """Return the columns as CSV, six digits."""
    return str(table[[*columns]].to_dataframe().to_csv(index=False, float_format="%.6g", na_rep="nan"))


def shown_table(table: xr.Dataset, columns: Mapping[str, Column]) -> Shown:
    """Return the columns as they are shown, three digits."""
    rows = zip(*(table[name].values.tolist() for name in columns), strict=True)
    cells = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    return [column.head for column in columns.values()], cells


def heads_of(record: type[Any]) -> dict[str, str]:
    """Return the heads of a dataclass's fields that are annotated with one."""
    hints = get_type_hints(record, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}


def csv_of_records(record: type[Any], rows: Sequence[Any]) -> str:
    """Return instances of a dataclass as CSV, four digits; what is None is empty."""
    cells = [[f"{value:.4g}" if isinstance(value, float) else value for value in astuple(row)] for row in rows]
    names = [field.name for field in fields(record)]
    return str(pd.DataFrame(cells, columns=names, dtype=object).to_csv(index=False))


def read_records(record: type[Any], verb: str, path: Path) -> list[dict[str, str]]:
    """Read what :func:`csv_of_records` wrote, by a verb of ``densnet``; cells are text."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DensnetError(f"{path}: cannot be read ({error}); run 'densnet {verb}'") from error
    if list(table.columns) != [field.name for field in fields(record)]:
        raise DensnetError(f"{path}: expected the columns of 'densnet {verb}', found others; run it again")
    return table.to_dict("records")


def shown_records(record: type[Any], rows: Sequence[Mapping[str, str]]) -> Shown:
    """Return the fields that have heads; a cell that is empty is a dash."""
    heads = heads_of(record)
    return [*heads.values()], [[row[name] or "–" for name in heads] for row in rows]
