"""Charges and multipoles of many densities of one molecule, as xarray."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.density import Density
from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.processes.pool import map_in_processes

METHOD_VERSION: int = 1

Array = NDArray[np.float64]
Partition = Literal["hirshfeld", "stockholder", "none"]


@dataclass(frozen=True)
class MomentsSettings:
    """What is computed of each density."""

    charges: Partition = "hirshfeld"
    """Atomic charges and dipoles: hirshfeld, stockholder (iterated; some ten times slower) or none."""
    stride: int = 10
    """Frames of the trajectory between those that are taken."""
    grid_level: int = 1
    """Grid of the partition, 0 (coarse) to 9 (fine); 1 gives charges to some 1e-4 e."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.charges not in ("hirshfeld", "stockholder", "none"):
            raise DensnetError(f"charges: expected hirshfeld, stockholder or none, got {self.charges!r}")
        if self.stride < 1:
            raise DensnetError(f"stride: expected a positive whole number, got {self.stride}")
        if not 0 <= self.grid_level <= 9:
            raise DensnetError(f"grid_level: expected 0 (coarse) to 9 (fine), got {self.grid_level}")


def moments(density: Density, settings: MomentsSettings) -> dict[str, Array]:
    """Return dipole (3,) e·Å, traceless quadrupole (3, 3) e·Å² and, unless left out, atomic charges and dipoles.

    Raises:
        DensnetError: no free atoms for Hirshfeld's partition, or a stockholder iteration that does not converge.
    """
    found = {"dipole": density.dipole(), "quadrupole": density.quadrupole()}
    if settings.charges == "none":
        return found
    partition = density.hirshfeld if settings.charges == "hirshfeld" else density.iterated_stockholder
    atoms = partition(grid_level=settings.grid_level)
    residual = np.array(atoms.residual)
    return found | {"charges": atoms.charges, "atomic_dipoles": atoms.dipoles, "charge_residual": residual}


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
    one = functools.partial(_moments_of_frame, basis=basis, numbers=numbers, prior=prior, settings=settings)
    if settings.charges == "none":  # so quick that starting a process takes longer
        return map(one, frames)
    return map_in_processes(one, list(frames), processes=processes)


def moments_dataset(
    rows: list[dict[str, Array]], numbers: NDArray[np.integer], dims: tuple[str, ...], shape: tuple[int, ...]
) -> xr.Dataset:
    """Return the moments of all frames with ``dims`` of ``shape`` in front, e.g. (replica, time).

    Raises:
        DensnetError: other than one row a frame.
    """
    if len(rows) != math.prod(shape):
        raise DensnetError(f"moments: expected {math.prod(shape)} frames for {dims}, got {len(rows)}")
    said: dict[str, tuple[tuple[str, ...], str, str]] = {
        "dipole": (("x",), "e angstrom", "electric dipole moment about the origin"),
        "quadrupole": (("x", "y"), "e angstrom^2", "traceless quadrupole about the centre of nuclear charge"),
        "charges": (("atom",), "e", "atomic charges"),
        "atomic_dipoles": (("atom", "x"), "e angstrom", "atomic dipoles, each about its own nucleus"),
        "charge_residual": ((), "e", "electrons that the quadrature missed, spread over the atoms"),
    }
    variables: dict[str, Any] = {"numbers": variable(("atom",), numbers, "1", "atomic numbers")}
    for name in rows[0]:
        own, units, long_name = said[name]
        values = np.array([row[name] for row in rows])
        variables[name] = variable((*dims, *own), values.reshape(*shape, *values.shape[1:]), units, long_name)
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
