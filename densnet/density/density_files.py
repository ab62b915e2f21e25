"""Densities as netCDF files, with their basis, order of functions and units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset

METHOD_VERSION: int = 1
CONVENTION = "densnet"
_VARIABLES = ("numbers", "positions", "nuclear_charges", "coefficients")

Array = NDArray[np.float64]


def write(
    path: str | Path,
    basis: Basis,
    numbers: NDArray[np.int64],
    positions: Array,
    nuclear_charges: Array,
    coefficients: Array,
    prior: Array | None,
) -> None:
    """Write one density; positions (i, 3) in Å, coefficients and prior (k,) in bohr^(-3/2), canonical order.

    Raises:
        DensnetError: the file cannot be written.
    """
    variables = {
        "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
        "positions": variable(("atom", "x"), positions, "angstrom", "positions of the nuclei"),
        "nuclear_charges": variable(("atom",), nuclear_charges, "e", "charges of the nuclei"),
        "coefficients": variable(("k",), coefficients, "bohr^(-3/2)", "coefficients of the density"),
    }
    if prior is not None:
        variables["prior"] = variable(("k",), prior, "bohr^(-3/2)", "coefficients of the free atoms, side by side")
    dataset = xr.Dataset(variables, attrs={"fit_basis": basis.to_json(), "coefficient_convention": CONVENTION})
    write_dataset(dataset, Path(path), stage="density", method_version=METHOD_VERSION, settings={})


def read(path: str | Path) -> tuple[Basis, xr.Dataset]:
    """Read what :func:`write` wrote: the basis and the variables.

    Raises:
        DensnetError: no such file, truncated, foreign, or in another order of functions.
    """
    dataset = read_dataset(Path(path), stage="density", variables=_VARIABLES)
    convention = dataset.attrs.get("coefficient_convention")
    if convention != CONVENTION:
        raise DensnetError(
            f"{path}: expected coefficients in the order {CONVENTION!r}, found {convention!r}; save it again"
        )
    return Basis.from_json(str(dataset.attrs.get("fit_basis")), path), dataset
