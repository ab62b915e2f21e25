"""An electron density in a Gaussian basis, in ASE's units outside: what it is at points, its moments, its atoms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from densnet.basis import integrals, point_values
from densnet.basis.basis import Basis
from densnet.density import cube_file, density_files, electrostatics, partition
from densnet.density.electrostatics import ChargeDistribution
from densnet.density.partition import AtomicMoments
from densnet.density.response import FieldResponse, joined_basis
from densnet.errors import DensnetError
from densnet.molecule import formula
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

Array = NDArray[np.float64]

SAME_POSITION = 1e-6
"""Å; two densities whose nuclei are nearer than this have the same geometry."""


class Density:
    """ρ(r) = Σ_k c_k χ_k(r) around the nuclei of one molecule.

    Args:
        basis: of the functions χ.
        numbers: (i,) atomic numbers.
        positions: (i, 3) in Å.
        coefficients: c, (k,), in bohr^(-3/2), canonical order (:class:`densnet.basis.basis.Basis`).
        prior: those of the free atoms, (k,), if they are known; Hirshfeld's partition needs them.
        nuclear_charges: (i,) in e; the atomic numbers unless given. A difference of densities has zeros.
        field_response: ρ^(1), if it is known.

    Raises:
        DensnetError: an array has the wrong shape or holds NaN, or the basis lacks an element.
    """

    def __init__(
        self,
        basis: Basis,
        numbers: Sequence[int] | NDArray[np.integer],
        positions: Any,
        coefficients: Any,
        *,
        prior: Any | None = None,
        nuclear_charges: Any | None = None,
        field_response: FieldResponse | None = None,
    ) -> None:
        self.basis, self.field_response = basis, field_response
        self.numbers = np.array(numbers, dtype=np.int64)
        self.positions = _rows_of_three("positions", positions)
        if self.numbers.shape != (len(self.positions),):
            raise DensnetError(
                f"numbers: expected one atomic number for each of the {len(self.positions)} positions, "
                f"got shape {self.numbers.shape}"
            )
        n = basis.n_functions(self.numbers)
        where = f"basis {basis.name!r} has {n} functions on {formula(self.numbers)}"
        self.coefficients = _vector("coefficients", coefficients, n, where)
        self.prior = None if prior is None else _vector("prior", prior, n, where)
        charges = self.numbers if nuclear_charges is None else nuclear_charges
        self.nuclear_charges = _vector("nuclear_charges", charges, len(self.numbers), "one for each atom")

    def __repr__(self) -> str:
        """Say what it is: molecule, electrons, basis."""
        atoms = f"{len(self.numbers)} atoms" if len(self.numbers) > 1 else "1 atom"
        return f"Density({formula(self.numbers)}, {atoms}, {self.n_electrons:.6g} electrons, basis {self.basis.name!r})"

    @property
    def n_electrons(self) -> float:
        """Number of electrons, ∫ ρ = Σ_k c_k q_k, in closed form."""
        return float(integrals.charges(self.basis, self.numbers) @ self.coefficients)

    @property
    def charge(self) -> float:
        """Charge of nuclei and electrons in e, Σ_i Z_i - ∫ ρ."""
        return float(self.nuclear_charges.sum() - self.n_electrons)

    def at(self, points: Any) -> Array:
        """Return ρ in e/Å³, (g,), at points (g, 3) in Å; in blocks, so memory does not grow with the basis times g.

        Atoms are left out where they add less than 1e-13 e/bohr³ (:data:`densnet.basis.point_values.NEGLECTED`).

        Raises:
            DensnetError: points are not (g, 3) or not finite.
        """
        return self._values(point_values.density, points) / BOHR_IN_ANGSTROM**3

    def gradient(self, points: Any) -> Array:
        """Return ∇ρ in e/Å⁴, (g, 3), at points (g, 3) in Å; raises as :meth:`at`."""
        return self._values(point_values.density_gradient, points) / BOHR_IN_ANGSTROM**4

    def laplacian(self, points: Any) -> Array:
        """Return ∇²ρ in e/Å⁵, (g,), at points (g, 3) in Å; raises as :meth:`at`."""
        return self._values(point_values.density_laplacian, points) / BOHR_IN_ANGSTROM**5

    def dipole(self) -> Array:
        """Return μ = Σ_i Z_i R_i - Σ_k c_k d_k in e·Å, (3,), about the origin, in closed form."""
        electrons = self.coefficients @ integrals.dipoles(self.basis, self.numbers, self._bohr)
        return np.asarray(self.nuclear_charges @ self.positions - electrons * BOHR_IN_ANGSTROM)

    def second_moment(self, origin: Any | None = None) -> Array:
        """Return Σ_i Z_i R_i R_iᵀ - ∫ r rᵀ ρ in e·Å², (3, 3), about ``origin`` (3,) in Å, in closed form.

        Psi4 calls this the (primitive) quadrupole. The origin is the centre of nuclear charge unless given.

        Raises:
            DensnetError: the origin is not a point.
        """
        centre = self._centre_of_nuclei() if origin is None else _point("origin", origin)
        R = self.positions - centre
        moments = integrals.second_moments(self.basis, self.numbers, R / BOHR_IN_ANGSTROM)
        electrons = np.einsum("k,kxy->xy", self.coefficients, moments) * BOHR_IN_ANGSTROM**2
        return np.einsum("i,ix,iy->xy", self.nuclear_charges, R, R) - electrons

    def quadrupole(self, origin: Any | None = None) -> Array:
        """Return Buckingham's traceless quadrupole Θ = (3 M - 1 tr M) / 2 in e·Å², (3, 3), M :meth:`second_moment`.

        Psi4's "traceless quadrupole" is 2/3 of it. The origin is the centre of nuclear charge unless given; it matters
        where charge or dipole do not vanish. Buckingham, Q. Rev. Chem. Soc. 13, 183 (1959).

        Raises:
            DensnetError: the origin is not a point.
        """
        M = self.second_moment(origin)
        return 1.5 * M - 0.5 * np.trace(M) * np.eye(3)

    def potential(self, points: Any) -> Array:
        """Return the electrostatic potential in V, (g,), at points (g, 3) in Å; infinite on a nucleus.

        V(r) = Σ_i Z_i / |r - R_i| - Σ_k c_k ∫ χ_k(r') / |r - r'| dr', in closed form.

        Raises:
            DensnetError: points are not (g, 3) or not finite.
        """
        points = _rows_of_three("points", points) / BOHR_IN_ANGSTROM
        return electrostatics.potential(self._distribution(), points) * HARTREE_IN_EV

    def field(self, points: Any) -> Array:
        """Return the electric field -∇V in V/Å, (g, 3), at points (g, 3) in Å, in closed form; NaN on a nucleus.

        Raises:
            DensnetError: points are not (g, 3) or not finite.
        """
        points = _rows_of_three("points", points) / BOHR_IN_ANGSTROM
        return electrostatics.field(self._distribution(), points) * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

    def electrostatic_energy(self, other: Density) -> float:
        """Return the Coulomb energy between this molecule's nuclei and electrons and another's, in eV, in closed form.

        Raises:
            DensnetError: two nuclei at one place.
        """
        return electrostatics.interaction_energy(self._distribution(), other._distribution()) * HARTREE_IN_EV

    def polarizability(self) -> Array:
        """Return α_xy = dμ_x / dF_y in e²·Å²/eV, (3, 3), in closed form.

        Raises:
            DensnetError: the density does not know its response.
        """
        return self._known_response().polarizability(self.numbers, self._bohr)

    def response(self, field: Any) -> Density:
        """Return what a weak static field (3,) in V/Å adds to ρ, to first order: Σ_y F_y ρ^(1)_y; no nuclei in it.

        Raises:
            DensnetError: the density does not know its response, or the field has not three components.
        """
        response = self._known_response()
        F = _point("field", field) / HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM
        no_nuclei = np.zeros(len(self.numbers))
        return Density(
            response.basis, self.numbers, self.positions, F @ response.coefficients, nuclear_charges=no_nuclei
        )

    def in_field(self, field: Any) -> Density:
        """Return ρ in a weak static field (3,) in V/Å, to first order; raises as :meth:`response`."""
        change = self.response(field)
        basis, index, index_of_change = joined_basis(self.basis, change.basis, self.numbers)
        coefficients, prior = np.zeros((2, basis.n_functions(self.numbers)))
        coefficients[index], coefficients[index_of_change] = self.coefficients, change.coefficients
        if self.prior is not None:
            prior[index] = self.prior
        return Density(
            basis,
            self.numbers,
            self.positions,
            coefficients,
            prior=None if self.prior is None else prior,
            nuclear_charges=self.nuclear_charges,
        )

    def atomic_polarizabilities(self) -> Array:
        """Return each atom's share of α, (i, 3, 3), in e²·Å²/eV: the change of q_i R_i + μ_i by Hirshfeld in a field.

        The charges that flow between atoms count with R_i from the middle of the molecule; the shares sum to α, to
        quadrature.

        Raises:
            DensnetError: the density does not know its free atoms or its response.
        """
        centred = self.positions - self.positions.mean(axis=0)
        without = self.in_field(np.zeros(3)).hirshfeld()
        shares = []
        for direction in np.eye(3):
            within = self.in_field(direction).hirshfeld()
            shares.append((within.charges - without.charges)[:, None] * centred + within.dipoles - without.dipoles)
        return np.stack(shares, axis=2)

    def coulomb_norm(self) -> float:
        """Return √(ρ|ρ) in eV^(1/2), of the electrons alone; (ρ|ρ) = ∫∫ ρ ρ'/|r - r'| without a factor 1/2."""
        charges = self._distribution()
        return float(np.sqrt(max(electrostatics.coulomb_product(charges, charges), 0.0) * HARTREE_IN_EV))

    def overlap_norm(self) -> float:
        """Return √∫ρ² in e/Å^(3/2)."""
        S = integrals.overlap(self.basis, self.numbers, self._bohr)
        return float(np.sqrt(max(float(self.coefficients @ S @ self.coefficients), 0.0) / BOHR_IN_ANGSTROM**3))

    def __sub__(self, other: Density) -> Density:
        """Return ρ - ρ' of the same nuclei, which cancel: the difference's moments and potential are the electrons'.

        Raises:
            DensnetError: the other density belongs to another molecule, geometry or basis.
        """
        self._check_same_molecule(other)
        return Density(
            self.basis,
            self.numbers,
            self.positions,
            self.coefficients - other.coefficients,
            nuclear_charges=self.nuclear_charges - other.nuclear_charges,
        )

    def difference(self, other: Density) -> Density:
        """Return ``self - other``."""
        return self - other

    def deformation(self) -> Density:
        """Return Δρ, what the molecule differs by from its free atoms.

        Raises:
            DensnetError: the density does not know its free atoms.
        """
        return self - Density(self.basis, self.numbers, self.positions, self._known_prior())

    def hirshfeld(self, *, grid_level: int = partition.GRID_LEVEL) -> AtomicMoments:
        """Return Hirshfeld's atomic charges (e) and dipoles (e·Å); see :mod:`densnet.density.partition`.

        Raises:
            DensnetError: the density does not know its free atoms, or no such grid level (0 to 9).
        """
        moments = partition.hirshfeld(self._distribution(), self._known_prior(), grid_level=grid_level)
        return moments.in_units(BOHR_IN_ANGSTROM)

    def iterated_stockholder(self, *, grid_level: int = partition.GRID_LEVEL) -> AtomicMoments:
        """Return the charges (e) and dipoles (e·Å) of iterated stockholder atoms; they need no free atoms.

        Raises:
            DensnetError: the iteration does not converge, or no such grid level (0 to 9).
        """
        return partition.iterated_stockholder(self._distribution(), grid_level=grid_level).in_units(BOHR_IN_ANGSTROM)

    def radial_profile(self, centre: int | Any, distances: Any) -> Array:
        """Return the average of ρ over spheres around an atom or a point, in e/Å³, one for each distance.

        Args:
            centre: index of an atom, or a point (3,) in Å.
            distances: (n,) in Å.

        Raises:
            DensnetError: no such atom, or distances are not finite and positive or zero.
        """
        middle = self._atom(int(centre)) if isinstance(centre, int | np.integer) else _point("centre", centre)
        radii = np.atleast_1d(np.asarray(distances, dtype=float))
        if radii.ndim != 1 or not (np.isfinite(radii) & (radii >= 0.0)).all():
            raise DensnetError("distances: expected finite lengths in Å, zero or more, in one row")
        average = point_values.spherical_average(
            self.basis,
            self.numbers,
            self._bohr,
            self.coefficients,
            middle / BOHR_IN_ANGSTROM,
            radii / BOHR_IN_ANGSTROM,
        )
        return average / BOHR_IN_ANGSTROM**3

    def to_cube(
        self,
        path: str | Path,
        *,
        quantity: Literal["density", "potential"] = "density",
        spacing: float = 0.1,
        margin: float = 3.0,
    ) -> None:
        """Write the density (e/bohr³) or the potential (hartree/e) as a Gaussian cube file; atomically.

        Args:
            quantity: what to write, in atomic units as is the custom of that format.
            spacing: distance of neighbouring points in Å.
            margin: of the box around the nuclei, in Å.

        Raises:
            DensnetError: no such quantity, spacing or margin not positive, too many points, or the file cannot be
                written.
        """
        values = {
            "density": (lambda points: self.at(points) * BOHR_IN_ANGSTROM**3, "electron density in e/bohr^3"),
            "potential": (lambda points: self.potential(points) / HARTREE_IN_EV, "potential in hartree/e"),
        }
        if quantity not in values:
            raise DensnetError(f"quantity: expected one of {sorted(values)}, got {quantity!r}")
        values_at, long_name = values[quantity]
        atoms = Atoms(numbers=self.numbers, positions=self.positions)
        cube_file.write(path, values_at, atoms, spacing=spacing, margin=margin, comment=f"{long_name}, by densnet")

    def save(self, path: str | Path) -> None:
        """Write the density to one netCDF file with its basis, conventions and units; :meth:`load` reads it.

        Raises:
            DensnetError: the file cannot be written.
        """
        density_files.write(
            path, self.basis, self.numbers, self.positions, self.nuclear_charges, self.coefficients, self.prior
        )

    @classmethod
    def load(cls, path: str | Path) -> Density:
        """Read what :meth:`save` wrote.

        Raises:
            DensnetError: no such file, truncated or foreign.
        """
        basis, data = density_files.read(path)
        return cls(
            basis,
            data["numbers"].values,
            data["positions"].values,
            data["coefficients"].values,
            prior=data["prior"].values if "prior" in data else None,
            nuclear_charges=data["nuclear_charges"].values,
        )

    @property
    def _bohr(self) -> Array:
        return self.positions / BOHR_IN_ANGSTROM

    def _distribution(self) -> ChargeDistribution:
        return ChargeDistribution(self.basis, self.numbers, self._bohr, self.coefficients, self.nuclear_charges)

    def _values(self, function: Any, points: Any) -> Array:
        points = _rows_of_three("points", points) / BOHR_IN_ANGSTROM
        return np.asarray(function(self.basis, self.numbers, self._bohr, self.coefficients, points))

    def _centre_of_nuclei(self) -> Array:
        return self.numbers @ self.positions / self.numbers.sum()

    def _known_prior(self) -> Array:
        if self.prior is None:
            raise DensnetError(
                "prior: this density does not know its free atoms; make it with prior=... (labels.nc holds it, a "
                "model's density has it), or use iterated_stockholder()"
            )
        return self.prior

    def _known_response(self) -> FieldResponse:
        if self.field_response is None:
            raise DensnetError(
                "response: this density does not know its response to a field; it comes with a model that has learned "
                "it (densnet train response)"
            )
        return self.field_response

    def _atom(self, index: int) -> Array:
        if not -len(self.numbers) <= index < len(self.numbers):
            raise DensnetError(f"centre: expected an atom from 0 to {len(self.numbers) - 1}, got {index}")
        return self.positions[index]

    def _check_same_molecule(self, other: Density) -> None:
        if not np.array_equal(self.numbers, other.numbers):
            raise DensnetError(
                f"difference: expected densities of one molecule, got {formula(self.numbers)} and "
                f"{formula(other.numbers)} (or their atoms in another order)"
            )
        moved = np.abs(self.positions - other.positions).max(initial=0.0)
        if moved > SAME_POSITION:
            raise DensnetError(f"difference: expected one geometry, but an atom is {moved:.2g} Å away in the other")
        if any(self.basis.of(number) != other.basis.of(number) for number in set(self.numbers.tolist())):
            raise DensnetError(
                f"difference: expected one basis, got two ({self.basis.name!r}, {other.basis.name!r}); compare their "
                "values at points instead"
            )


def _vector(name: str, values: Any, length: int, where: str) -> Array:
    return _finite(name, values, (length,), f"{where}, expected shape ({length},)")


def _point(name: str, values: Any) -> Array:
    return _finite(name, values, (3,), "expected a point (3,) in Å")


def _rows_of_three(name: str, values: Any) -> Array:
    return _finite(name, values, (-1, 3), "expected an array of shape (g, 3) in Å")


def _finite(name: str, values: Any, shape: tuple[int, ...], expected: str) -> Array:
    """Return a copy as floats; -1 in the shape is any length."""
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DensnetError(f"{name}: expected numbers in an array, got {type(values).__name__}") from error
    if array.ndim != len(shape) or any(n not in (-1, m) for n, m in zip(shape, array.shape, strict=True)):
        raise DensnetError(f"{name}: {expected}, got {array.shape}")
    if not np.isfinite(array).all():
        raise DensnetError(f"{name}: expected finite numbers, got NaN or infinity")
    return array
