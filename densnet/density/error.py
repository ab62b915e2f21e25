"""Errors of densities: the normalised mean absolute error on a grid, and the Coulomb self-energy of a difference.

NMAE = 100 ∫ |ρ̂ - ρ| dr / N_e, in percent, by quadrature on Becke's atom-centred grid. It compares densities: the
coefficients of a nearly redundant basis may differ by much where the densities do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]

GRID_LEVEL = 1
"""Level of the grid on which errors are measured; finer ones change a fit's NMAE by well under 1 % of it."""


@dataclass(frozen=True)
class DensityGrid:
    """Becke's grid around a molecule, for densities of all kinds.

    Attributes:
        numbers: (i,) atomic numbers.
        positions: (i, 3) in bohr.
        points: (g, 3) in bohr.
        weights: (g,) in bohr³.
    """

    numbers: NDArray[np.int64]
    positions: Array
    points: Array
    weights: Array

    @classmethod
    def around(cls, numbers: Numbers, positions: Array, level: int = GRID_LEVEL) -> DensityGrid:
        """Make the grid of a molecule; positions (i, 3) in bohr, level 0 (coarse) to 9 (fine).

        Raises:
            DensnetError: no such level.
        """
        points, weights = integrals.becke_grid(numbers, positions, level)
        return cls(np.asarray(numbers, dtype=np.int64), np.asarray(positions, dtype=float), points, weights)

    def fitted(self, basis: Basis, coefficients: Array) -> Array:
        """Return ρ_g = Σ_k c_k χ_k(r_g) in e/bohr³, (g,) for c (k,), (s, g) for several, (s, k)."""
        return integrals.expand(basis, self.numbers, self.positions, np.asarray(coefficients).T, self.points).T

    def kohn_sham(self, orbital_basis: Basis, orbitals: Array) -> Array:
        """Return ρ_g = 2 Σ_o ψ_o(r_g)², (g,), in e/bohr³, of doubly occupied orbitals (m, o), canonical order."""
        psi = integrals.expand(orbital_basis, self.numbers, self.positions, orbitals, self.points)
        return 2.0 * np.einsum("go,go->g", psi, psi)

    def nmae(self, density: Array, reference: Array, n_electrons: float) -> float:
        """Return 100 ∫ |ρ̂ - ρ| / N_e in percent, densities (g,) in e/bohr³."""
        return float(100.0 * (self.weights @ np.abs(density - reference)) / n_electrons)


def coulomb_self_energy(basis: Basis, numbers: Numbers, positions: Array, difference: Array) -> float:
    """Return (Δρ|Δρ) = Δcᵀ J Δc in hartree, without a factor 1/2.

    Args:
        positions: (i, 3) in bohr.
        difference: Δc, (k,), canonical order.
    """
    return float(difference @ integrals.coulomb(basis, numbers, positions) @ difference)
