"""Errors of the electrostatic potential that a density makes around its molecule, against the Kohn-Sham density's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.electrostatics import ChargeDistribution, nuclear_potential, potential

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True)
class PotentialError:
    """Deviation ΔV_g of a potential on points g.

    Attributes:
        rms: (Σ_g ΔV_g² / G)^½ in hartree/e.
        largest: max_g |ΔV_g| in hartree/e.
        relative: 100 (Σ_g ΔV_g² / Σ_g V_g²)^½ in percent, V the reference: the RRMS of fits to potentials.
    """

    rms: float
    largest: float
    relative: float

    @classmethod
    def of(cls, potential: Array, reference: Array) -> PotentialError:
        """Compare potentials (g,) in hartree/e, the nuclei's part in both."""
        difference = potential - reference
        rms = float(np.sqrt(np.mean(difference**2)))
        size = float(np.sqrt(np.mean(reference**2)))
        return cls(rms, float(np.abs(difference).max()), 100.0 * rms / size if size > 0 else float("nan"))


def fitted_potential(basis: Basis, numbers: Numbers, positions: Array, coefficients: Array, points: Array) -> Array:
    """Return V_g = Σ_i Z_i / |r_g - R_i| - Σ_k c_k ∫ χ_k(r') / |r_g - r'| dr' in hartree/e, (g,).

    Args:
        positions: (i, 3) in bohr.
        coefficients: c, (k,), canonical order.
        points: (g, 3) in bohr.
    """
    nuclei = np.asarray(numbers)
    return potential(
        ChargeDistribution(basis, nuclei, np.asarray(positions), coefficients, nuclei.astype(float)), points
    )


def kohn_sham_potential(
    orbital_basis: Basis, numbers: Numbers, positions: Array, orbitals: Array, points: Array
) -> Array:
    """Return V_g = Σ_i Z_i / |r_g - R_i| - Σ_mn D_mn (m| 1/|r_g - r| |n) in hartree/e, (g,), D = 2 C Cᵀ.

    Args:
        positions: (i, 3) in bohr.
        orbitals: C, (m, o), doubly occupied, canonical order.
        points: (g, 3) in bohr.
    """
    electrons = integrals.attraction(orbital_basis, numbers, positions, 2.0 * orbitals @ orbitals.T, points)
    return nuclear_potential(np.asarray(numbers, dtype=float), np.asarray(positions), points) - electrons
