"""Errors of densities: on a grid (how much, and where), in the Coulomb metric, in the overlap metric, in the dipole.

NMAE = 100 ∫ |ρ̂ - ρ| dr / N_e, in percent, by quadrature on Becke's atom-centred grid. It compares densities: the
coefficients of a nearly redundant basis may differ by much where the densities do not. Its parts by atom or by distance
from the nuclei sum up to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.settings import GRID_LEVEL

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]

MOLECULAR_SURFACE = 1e-3
"""Density in e/bohr³ that bounds a molecule: Bader, Carroll, Cheeseman, Chang, J. Am. Chem. Soc. 109, 7968 (1987)."""


@dataclass(frozen=True)
class DensityGrid:
    """Becke's grid around a molecule, for densities of all kinds.

    Attributes:
        numbers: (i,) atomic numbers.
        positions: (i, 3) in bohr.
        points: (g, 3) in bohr.
        weights: (g,) in bohr³.
        atom: (g,) whose cell each point integrates; Becke's fuzzy cells, w_i(r) with Σ_i w_i = 1.
    """

    numbers: NDArray[np.int64]
    positions: Array
    points: Array
    weights: Array
    atom: NDArray[np.int64]

    @classmethod
    def around(cls, numbers: Numbers, positions: Array, level: int = GRID_LEVEL) -> DensityGrid:
        """Make the grid of a molecule; positions (i, 3) in bohr, level 0 (coarse) to 9 (fine).

        Raises:
            DensnetError: no such level.
        """
        cells = integrals.becke_cells(numbers, positions, level)
        return cls(np.asarray(numbers, dtype=np.int64), np.asarray(positions, dtype=float), *cells)

    def fitted(self, basis: Basis, coefficients: Array) -> Array:
        """Return ρ_g = Σ_k c_k χ_k(r_g) in e/bohr³, (g,) for c (k,), (s, g) for several, (s, k)."""
        return integrals.expand(basis, self.numbers, self.positions, np.asarray(coefficients).T, self.points).T

    def kohn_sham(self, orbital_basis: Basis, orbitals: Array) -> Array:
        """Return ρ_g in e/bohr³, (g,), of doubly occupied orbitals (m, o): see :func:`kohn_sham_density`."""
        return kohn_sham_density(orbital_basis, self.numbers, self.positions, orbitals, self.points)

    def nmae(self, density: Array, reference: Array, n_electrons: float) -> float:
        """Return 100 ∫ |ρ̂ - ρ| / N_e in percent, densities (g,) in e/bohr³."""
        return float(100.0 * (self.weights @ np.abs(density - reference)) / n_electrons)

    def nmae_by_atom(self, density: Array, reference: Array, n_electrons: float) -> Array:
        """Return 100 ∫ w_i |ρ̂ - ρ| / N_e in percent, (i,), over each atom's cell; they sum to the NMAE."""
        share = self._shares(density, reference, n_electrons)
        return np.bincount(self.atom, weights=share, minlength=len(self.numbers)).astype(float)

    def nmae_by_distance(self, density: Array, reference: Array, n_electrons: float, edges: Sequence[float]) -> Array:
        """Return 100 ∫_n |ρ̂ - ρ| / N_e in percent, (n,), shell by shell; they sum to the NMAE.

        Shell n holds the points whose distance to the nearest nucleus is ``edges[n]`` to ``edges[n + 1]``; the last
        one is open.

        Args:
            edges: (n,) in bohr, ascending, the first one zero.
        """
        shell = np.searchsorted(edges, self.distance_to_nucleus(), side="right") - 1
        share = self._shares(density, reference, n_electrons)
        return np.bincount(shell, weights=share, minlength=len(edges)).astype(float)

    def distance_to_nucleus(self) -> Array:
        """Return min_i |r_g - R_i|, (g,), in bohr."""
        distance, _ = cKDTree(self.positions).query(self.points)
        return np.asarray(distance)

    def overlap_norm(self, density: Array, reference: Array) -> float:
        """Return (∫ (ρ̂ - ρ)²)^½ in e bohr^(-3/2), by quadrature; in closed form: :func:`overlap_norm`."""
        return float(np.sqrt(self.weights @ (density - reference) ** 2))

    def negative_volume(self, difference: Array, density: Array, surface: float = MOLECULAR_SURFACE) -> float:
        """Return the percentage of the molecule's volume in which a difference of densities is negative.

        100 ∫ θ(-Δρ) θ(ρ - s) / ∫ θ(ρ - s), θ the unit step.

        Args:
            difference: Δρ, (g,), in e/bohr³.
            density: ρ, (g,), in e/bohr³, which bounds the molecule.
            surface: s, in e/bohr³.
        """
        inside = self.weights * (density > surface)
        return float(100.0 * (inside @ (difference < 0.0)) / inside.sum())

    def _shares(self, density: Array, reference: Array, n_electrons: float) -> Array:
        return 100.0 / n_electrons * self.weights * np.abs(density - reference)


def kohn_sham_density(
    orbital_basis: Basis, numbers: Numbers, positions: Array, orbitals: Array, points: Array
) -> Array:
    """Return ρ_g = 2 Σ_o ψ_o(r_g)², (g,), in e/bohr³.

    Args:
        positions: (i, 3) in bohr.
        orbitals: (m, o), doubly occupied, canonical order.
        points: (g, 3) in bohr.
    """
    psi = integrals.expand(orbital_basis, numbers, positions, orbitals, points)
    return 2.0 * np.einsum("go,go->g", psi, psi)


def coulomb_self_energy(basis: Basis, numbers: Numbers, positions: Array, difference: Array) -> float:
    """Return (Δρ|Δρ) = Δcᵀ J Δc in hartree, without a factor 1/2.

    Args:
        positions: (i, 3) in bohr.
        difference: Δc, (k,), canonical order.
    """
    return float(difference @ integrals.coulomb(basis, numbers, positions) @ difference)


def overlap_norm(basis: Basis, numbers: Numbers, positions: Array, difference: Array) -> float:
    """Return (∫ Δρ²)^½ = (Δcᵀ S Δc)^½ in e bohr^(-3/2); weighs the cores, where the Coulomb metric weighs the valence.

    Args:
        positions: (i, 3) in bohr.
        difference: Δc, (k,), canonical order.
    """
    squared = float(difference @ integrals.overlap(basis, numbers, positions) @ difference)
    return float(np.sqrt(max(squared, 0.0)))


def dipole_error(basis: Basis, numbers: Numbers, positions: Array, difference: Array) -> float:
    """Return |Σ_k Δc_k d_k|, the length of the dipole's error vector, in e bohr; of equal charges.

    Args:
        positions: (i, 3) in bohr.
        difference: Δc, (k,), canonical order.
    """
    return float(np.linalg.norm(difference @ integrals.dipoles(basis, numbers, positions)))
