"""An electron density in a Gaussian basis, in ASE's units outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.cube import write_cube
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

Array = NDArray[np.float64]

LARGEST_CUBE = 500_000_000
"""Most points of a cube file (4 GB in memory)."""


class Density:
    """ρ(r) = Σ_k c_k χ_k(r) around the nuclei of one molecule.

    Args:
        basis: of the functions χ.
        numbers: (i,) atomic numbers.
        positions: (i, 3) in Å.
        coefficients: c, (k,), in bohr^(-3/2), canonical order (:class:`densnet.basis.basis.Basis`).

    Raises:
        DensnetError: an array has the wrong shape or holds NaN, or the basis lacks an element.
    """

    def __init__(
        self,
        basis: Basis,
        numbers: Sequence[int] | NDArray[np.integer],
        positions: Any,
        coefficients: Any,
    ) -> None:
        self.basis = basis
        self.numbers = np.array(numbers, dtype=np.int64)
        self.positions = _rows_of_three("positions", positions).copy()
        self.coefficients = np.array(coefficients, dtype=float)
        if self.numbers.shape != (len(self.positions),):
            raise DensnetError(
                f"numbers: expected one atomic number for each of the {len(self.positions)} positions, "
                f"got shape {self.numbers.shape}"
            )
        expected = basis.n_functions(self.numbers)
        if self.coefficients.shape != (expected,):
            raise DensnetError(
                f"coefficients: basis {basis.name!r} has {expected} functions on these atoms, expected shape "
                f"({expected},), got {self.coefficients.shape}"
            )
        if not np.isfinite(self.coefficients).all():
            raise DensnetError("coefficients: expected finite numbers, got NaN or infinity")

    @property
    def n_electrons(self) -> float:
        """Number of electrons, ∫ ρ = Σ_k c_k q_k, in closed form."""
        return float(integrals.charges(self.basis, self.numbers) @ self.coefficients)

    def at(self, points: Any) -> Array:
        """Return ρ in e/Å³, (g,), at points (g, 3) in Å; in blocks, so memory does not grow with the basis times g.

        Raises:
            DensnetError: points are not (g, 3) or not finite.
        """
        return self._at(points) / BOHR_IN_ANGSTROM**3

    def dipole(self) -> Array:
        """Return μ = Σ_i Z_i R_i - Σ_k c_k d_k in e·Å, (3,), about the origin, in closed form."""
        electrons = self.coefficients @ integrals.dipoles(self.basis, self.numbers, self.positions / BOHR_IN_ANGSTROM)
        return np.asarray(self.numbers @ self.positions - electrons * BOHR_IN_ANGSTROM)

    def potential(self, points: Any) -> Array:
        """Return the electrostatic potential in V, (g,), at points (g, 3) in Å; infinite on a nucleus.

        V(r) = Σ_i Z_i / |r - R_i| - Σ_k c_k ∫ χ_k(r') / |r - r'| dr', in closed form.

        Raises:
            DensnetError: points are not (g, 3) or not finite.
        """
        points = _rows_of_three("points", points) / BOHR_IN_ANGSTROM
        positions = self.positions / BOHR_IN_ANGSTROM
        electrons = integrals.potential(self.basis, self.numbers, positions, self.coefficients, points)
        nuclei = np.zeros(len(points))
        with np.errstate(divide="ignore"):
            for number, position in zip(self.numbers, positions, strict=True):
                nuclei += number / np.linalg.norm(points - position, axis=1)
        return (nuclei - electrons) * HARTREE_IN_EV

    def to_cube(self, path: str | Path, *, spacing: float = 0.1, margin: float = 3.0) -> None:
        """Write the density as a Gaussian cube file, in e/bohr³ as is the custom of that format; atomically.

        Args:
            spacing: distance of neighbouring points in Å.
            margin: of the box around the nuclei, in Å.

        Raises:
            DensnetError: spacing or margin not positive, too many points, or the file cannot be written.
        """
        for name, value in (("spacing", spacing), ("margin", margin)):
            if not (np.isfinite(value) and value > 0):
                raise DensnetError(f"{name}: expected a positive length in Å, got {value}")
        origin = self.positions.min(axis=0) - margin
        counts = np.ceil((self.positions.max(axis=0) + margin - origin) / spacing) + 1
        if counts.prod() > LARGEST_CUBE:
            raise DensnetError(
                f"spacing: {spacing} Å makes a cube of {counts.prod():.1e} points, more than {LARGEST_CUBE:.0e}; "
                "choose a wider spacing or a smaller margin"
            )
        x, y, z = (origin[axis] + spacing * np.arange(int(counts[axis])) for axis in range(3))
        plane = np.stack(np.meshgrid(y, z, indexing="ij"), axis=-1).reshape(-1, 2)
        values = np.stack([self._at(np.insert(plane, 0, at, axis=1)).reshape(len(y), len(z)) for at in x])
        atoms = Atoms(numbers=self.numbers, positions=self.positions, cell=spacing * counts)
        write_atomically(Path(path), _cube_writer(atoms, values, origin))

    def _at(self, points: Any) -> Array:
        points = _rows_of_three("points", points) / BOHR_IN_ANGSTROM
        return integrals.expand(self.basis, self.numbers, self.positions / BOHR_IN_ANGSTROM, self.coefficients, points)


def _cube_writer(atoms: Atoms, values: Array, origin: Array) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("w") as opened:
            write_cube(opened, atoms, data=values, origin=origin, comment="electron density in e/bohr^3, by densnet")

    return write


def _rows_of_three(name: str, values: Any) -> Array:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DensnetError(
            f"{name}: expected numbers in an array of shape (g, 3), got {type(values).__name__}"
        ) from error
    if array.ndim != 2 or array.shape[1] != 3:
        raise DensnetError(f"{name}: expected an array of shape (g, 3) in Å, got {array.shape}")
    if not np.isfinite(array).all():
        raise DensnetError(f"{name}: expected finite coordinates, got NaN or infinity")
    return array
