"""Electrostatics of nuclei and electrons, in closed form; atomic units.

V(r) = Σ_i Z_i / |r - R_i| - Σ_k c_k ∫ χ_k(r') / |r - r'| dr'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from densnet.basis import integrals, point_values
from densnet.basis.basis import Basis
from densnet.errors import DensnetError

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]

SAME_PLACE = 1e-6
"""bohr; nuclei of two molecules nearer than this repel each other without bound."""


@dataclass(frozen=True)
class ChargeDistribution:
    """Nuclei and electrons of a molecule.

    Attributes:
        basis: of the functions χ.
        numbers: (i,) atomic numbers, which say what functions each atom has.
        positions: (i, 3) in bohr.
        coefficients: c, (k,), canonical order.
        nuclear_charges: Z, (i,); zeros for electrons alone.
    """

    basis: Basis
    numbers: NDArray[np.int64]
    positions: Array
    coefficients: Array
    nuclear_charges: Array


def nuclear_potential(nuclear_charges: Array, positions: Array, points: Array) -> Array:
    """Return Σ_i Z_i / |r_g - R_i|, (g,), in hartree/e, positions and points in bohr; infinite on a nucleus."""
    values = np.zeros(len(points))
    with np.errstate(divide="ignore"):
        for Z, R in zip(nuclear_charges, positions, strict=True):
            if Z:
                values += Z / np.linalg.norm(points - R, axis=1)
    return values


def potential(charges: ChargeDistribution, points: Array) -> Array:
    """Return V, (g,), in hartree/e, at points (g, 3) in bohr; infinite on a nucleus."""
    nuclei = nuclear_potential(charges.nuclear_charges, charges.positions, points)
    return nuclei - _potential_of_functions(charges, points)


def field(charges: ChargeDistribution, points: Array) -> Array:
    """Return -∇V, (g, 3), in hartree/(e bohr), at points (g, 3) in bohr; NaN on a nucleus."""
    total = point_values.potential_gradient(
        charges.basis, charges.numbers, charges.positions, charges.coefficients, points
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        for Z, R in zip(charges.nuclear_charges, charges.positions, strict=True):
            if Z:
                total += Z * (points - R) / np.linalg.norm(points - R, axis=1)[:, None] ** 3
    return total


def interaction_energy(a: ChargeDistribution, b: ChargeDistribution) -> float:
    """Return the Coulomb energy between two molecules' nuclei and electrons in hartree.

    E = Σ_ij Z_i Z_j / R_ij - Σ_i Z_i v_b(R_i) - Σ_j Z_j v_a(R_j) + cᵀ J c', v the potential of the functions.

    Raises:
        DensnetError: two nuclei at one place.
    """
    distances = cdist(a.positions, b.positions)
    ZZ = np.outer(a.nuclear_charges, b.nuclear_charges)
    if (distances[ZZ != 0.0] < SAME_PLACE).any():
        raise DensnetError(
            "electrostatic energy: a nucleus of one molecule lies on one of the other; move one of the molecules"
        )
    nuclei = float(np.sum(np.divide(ZZ, distances, out=np.zeros_like(ZZ, dtype=float), where=ZZ != 0.0)))
    attraction = a.nuclear_charges @ _potential_of_functions(b, a.positions)
    attraction += b.nuclear_charges @ _potential_of_functions(a, b.positions)
    return nuclei - float(attraction) + coulomb_product(a, b)


def coulomb_product(a: ChargeDistribution, b: ChargeDistribution) -> float:
    """Return (ρ|ρ') = cᵀ J c' of the electrons alone, in hartree (no factor 1/2)."""
    J = integrals.coulomb_between(a.basis, a.numbers, a.positions, (b.basis, b.numbers, b.positions))
    return float(a.coefficients @ J @ b.coefficients)


def _potential_of_functions(charges: ChargeDistribution, points: Array) -> Array:
    return point_values.potential(charges.basis, charges.numbers, charges.positions, charges.coefficients, points)
