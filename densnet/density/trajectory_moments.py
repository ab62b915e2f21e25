"""Charges and multipoles of many densities of one molecule, as xarray."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.density import Density
from densnet.density.settings import MomentsSettings
from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.processes.pool import map_in_processes

METHOD_VERSION: int = 1

Array = NDArray[np.float64]


def moments(density: Density, settings: MomentsSettings) -> dict[str, Array]:
    """Return dipole (3,) e·Å, traceless quadrupole (3, 3) e·Å² and, unless left out, atomic charges and dipoles.

    Raises:
        DensnetError: no free atoms for Hirshfeld's partition, or a stockholder iteration that does not converge.
    """
    multipoles = {"dipole": density.dipole(), "quadrupole": density.quadrupole()}
    if settings.charges == "none":
        return multipoles
    partition = density.hirshfeld if settings.charges == "hirshfeld" else density.iterated_stockholder
    atoms = partition(grid_level=settings.grid_level)
    residual = np.array(atoms.residual)
    return multipoles | {"charges": atoms.charges, "atomic_dipoles": atoms.dipoles, "charge_residual": residual}


def moments_of_many(
    basis: Basis,
    numbers: NDArray[np.integer],
    prior: Array | None,
    frames: Iterable[tuple[Array, Array]],
    settings: MomentsSettings,
    *,
    processes: int = 1,
) -> Iterator[dict[str, Array]]:
    """Yield :func:`moments` of each frame (positions (i, 3) in Å, coefficients (k,)), in order.

    Raises:
        DensnetError: as :func:`moments` and :class:`Density`; fewer than one process.
    """
    work = functools.partial(_moments_of_frame, basis=basis, numbers=numbers, prior=prior, settings=settings)
    if settings.charges == "none":  # so quick that starting a process takes longer
        return map(work, frames)
    return map_in_processes(work, list(frames), processes=processes)


def moments_dataset(
    rows: list[dict[str, Array]], numbers: NDArray[np.integer], dims: tuple[str, ...], shape: tuple[int, ...]
) -> xr.Dataset:
    """Return the moments of all frames with ``dims`` of ``shape`` in front, e.g. (replica, time).

    Raises:
        DensnetError: other than one row a frame.
    """
    if len(rows) != math.prod(shape):
        raise DensnetError(f"moments: expected {math.prod(shape)} frames for {dims}, got {len(rows)}")
    described: dict[str, tuple[tuple[str, ...], str, str]] = {
        "dipole": (("x",), "e angstrom", "electric dipole moment about the origin"),
        "quadrupole": (("x", "y"), "e angstrom^2", "traceless quadrupole about the centre of nuclear charge"),
        "charges": (("atom",), "e", "atomic charges"),
        "atomic_dipoles": (("atom", "x"), "e angstrom", "atomic dipoles, each about its own nucleus"),
        "charge_residual": ((), "e", "electrons that the quadrature missed, spread over the atoms"),
    }
    variables: dict[str, Any] = {"numbers": variable(("atom",), numbers, "1", "atomic numbers")}
    for name in rows[0]:
        moment_dims, units, long_name = described[name]
        values = np.array([row[name] for row in rows])
        variables[name] = variable((*dims, *moment_dims), values.reshape(*shape, *values.shape[1:]), units, long_name)
    return xr.Dataset(variables)


def _moments_of_frame(
    frame: tuple[Array, Array],
    *,
    basis: Basis,
    numbers: NDArray[np.integer],
    prior: Array | None,
    settings: MomentsSettings,
) -> dict[str, Array]:
    positions, coefficients = frame
    return moments(Density(basis, numbers, positions, coefficients, prior=prior), settings)
