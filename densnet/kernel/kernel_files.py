"""Fitted kernel maps as netCDF files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.kernel.alignment import Alignment
from densnet.kernel.hohenberg_kohn import HohenbergKohn, metric_factor
from densnet.kernel.kernel_ridge import KernelRidge
from densnet.molecule import formula

METHOD_VERSION: int = 1
MAPS = ("density", "energy", "direct")
OF_MAPS = ("width", "ridge", "mean", "weights")
VARIABLES = (
    "numbers",
    "share",
    "smearing",
    "reference",
    "aligned",
    "whitened",
    *(f"{map}_{name}" for map in MAPS for name in OF_MAPS),
)
HDF5 = b"\x89HDF"
WHITENED = "hartree^(1/2), Coulomb and overlap metric in atomic units"


def is_kernel_file(path: Path) -> bool:
    """Return whether a file may hold kernel maps: it is a netCDF file, and model.pt is none."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(HDF5)) == HDF5
    except OSError:
        return False


def write_kernel(path: Path, maps: HohenbergKohn, settings: Mapping[str, Any]) -> None:
    """Write fitted maps.

    Raises:
        DensnetError: the file cannot be written.
    """
    variables = {
        "numbers": variable(("atom",), maps.numbers, "1", "atomic numbers"),
        "share": variable(("atom",), maps.alignment.weights, "1", "weights of the atoms in the alignment"),
        "smearing": variable((), maps.smearing, "angstrom", "width of the Gaussians in the place of the nuclei"),
        "reference": variable(
            ("atom", "x"), maps.alignment.reference, "angstrom", "geometry that others are turned to"
        ),
        "aligned": variable(("m", "atom", "x"), maps.aligned, "angstrom", "training geometries, turned"),
        "whitened": variable(("m", "k"), maps.whitened, WHITENED, "whitened coefficients of the training densities"),
    }
    inputs = {"density": "e angstrom^(3/2)", "energy": WHITENED, "direct": "e angstrom^(3/2)"}
    for name in MAPS:
        fitted: KernelRidge = getattr(maps, name)
        of_values = ("k",) if fitted.mean.ndim else ()
        unit = WHITENED if of_values else "eV"
        variables |= {
            f"{name}_width": variable((), fitted.width, inputs[name], "width of the kernel"),
            f"{name}_ridge": variable((), fitted.ridge, "1", "ridge"),
            f"{name}_mean": variable(of_values, fitted.mean, unit, "mean of the training values"),
            f"{name}_weights": variable(("m", *of_values), fitted.weights, unit, "weights of the training points"),
        }
    attrs = {
        "title": f"Hohenberg-Kohn map of {formula(maps.numbers)} by kernel ridge regression",
        "fit_basis": maps.basis.to_json(),
        "coefficient_convention": "densnet",
    }
    write_dataset(
        xr.Dataset(variables, attrs=attrs),
        path,
        stage="kernel",
        method_version=METHOD_VERSION,
        settings=settings,
    )


def read_kernel(path: Path) -> HohenbergKohn:
    """Read what :func:`write_kernel` wrote.

    Raises:
        DensnetError: no such file, a truncated or foreign one, or one that contradicts itself.
    """
    data = read_dataset(path, stage="kernel", variables=VARIABLES)
    numbers = np.asarray(data["numbers"].values, dtype=np.int64)
    basis = Basis.from_json(str(data.attrs.get("fit_basis")), path)
    k, m = data.sizes.get("k"), data.sizes.get("m")
    if basis.n_functions(numbers) != k or data["aligned"].shape != (m, len(numbers), 3):
        raise DensnetError(
            f"{path}: expected {basis.n_functions(numbers)} functions of its basis and geometries of {len(numbers)} "
            f"atoms, found {k} and {data['aligned'].shape}; delete it and run again"
        )
    if not all(np.isfinite(data[name].values).all() for name in VARIABLES):
        raise DensnetError(f"{path}: expected finite numbers, found others; delete it and run again")
    alignment = Alignment(data["share"].values, data["reference"].values)
    fitted = {
        name: KernelRidge(
            float(data[f"{name}_width"]),
            float(data[f"{name}_ridge"]),
            data[f"{name}_mean"].values,
            data[f"{name}_weights"].values,
        )
        for name in MAPS
    }
    return HohenbergKohn(
        basis,
        numbers,
        alignment,
        float(data["smearing"]),
        data["aligned"].values,
        data["whitened"].values,
        metric_factor(basis, numbers, alignment.reference),
        **fitted,
    )
