"""Fit of the density's response ρ^(1)_x = ∂ρ/∂F_x in a Gaussian basis, with the exact polarizability.

    J c^x = b^x + A λ,   Aᵀ c^x = (0, -α_·x),   b^x_k = Σ_mn (k|mn) D^x_mn

as for a density (:mod:`densnet.fitting.fit`), but of no electrons: ∫ρ^(1) = 0 and α_yx = -∫ y ρ^(1)_x hold exactly.
The functions that hold Δρ leave 3 to 4 % of ethanol's ρ^(1), so that the response has natural functions of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.error import DensityGrid
from densnet.fitting.fit import FitMetric
from densnet.fitting.natural import FittedMolecule, natural_basis
from densnet.processes.pool import map_in_processes, one_thread, report_progress

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FrameResponse:
    """Response of one geometry: positions (i, 3) in bohr, C (m, o) and C^x (x, m, o), canonical order."""

    positions: Array
    occupied: Array
    first_order: Array

    def density_matrices(self) -> Array:
        """Return D^x = 2 (C^x Cᵀ + C C^xᵀ), (x, m, m)."""
        half = 2.0 * np.einsum("xmo,no->xmn", self.first_order, self.occupied)
        return half + half.transpose(0, 2, 1)

    def on_grid(self, orbital_basis: Basis, grid: DensityGrid) -> Array:
        """Return ρ^(1)_x = 4 Σ_o ψ_o ψ^x_o, (x, g), in bohr^-1 e²/hartree."""
        orbitals = np.concatenate([self.occupied[None], self.first_order])
        columns = orbitals.transpose(1, 0, 2).reshape(len(self.occupied), -1)
        values = integrals.expand(orbital_basis, grid.numbers, self.positions, columns, grid.points)
        zeroth, *first = values.reshape(len(grid.points), 4, -1).transpose(1, 0, 2)
        return np.array([4.0 * np.einsum("go,go->g", zeroth, along) for along in first])


def fit_response(
    frame: FrameResponse, *, basis: Basis, orbital_basis: Basis, numbers: NDArray[np.int64], ridge: float
) -> Array:
    """Return the coefficients (x, k) of ρ^(1) in a basis.

    Raises:
        DensnetError: a basis lacks an element, is linearly dependent or cannot hold the constraints.
    """
    at = FitMetric.of(basis, orbital_basis, numbers, frame.positions, ridge=ridge)
    return np.array([at.fit(D).coefficients for D in frame.density_matrices()])


def response_nmae(grid: DensityGrid, response: Array, reference: Array) -> float:
    """Return 100 Σ_x ∫|ρ̂^(1)_x - ρ^(1)_x| / Σ_x ∫|ρ^(1)_x| in percent, of responses (x, g) on a grid."""
    return float(100.0 * (np.abs(response - reference) @ grid.weights).sum() / (np.abs(reference) @ grid.weights).sum())


@one_thread()
def natural_response_basis(
    primitives: Basis,
    orbital_basis: Basis,
    numbers: NDArray[np.int64],
    frames: Sequence[FrameResponse],
    *,
    share: float,
    ridge: float,
    processes: int,
) -> Basis:
    """Return the natural functions of the responses of some frames, which hold a share of their on-site energy.

    Args:
        primitives: large uncontracted basis.

    Raises:
        DensnetError: a fit fails, or the share is impossible.
    """
    work = functools.partial(fit_response, basis=primitives, orbital_basis=orbital_basis, numbers=numbers, ridge=ridge)
    coefficients: list[Array] = []
    for c in map_in_processes(work, frames, processes=processes):
        coefficients.append(c)
        report_progress("response: natural functions", len(coefficients), len(frames))
    fitted = [FittedMolecule(numbers, np.concatenate(coefficients))]
    name = f"natural response ({share:g} of {primitives.name})"
    return natural_basis(primitives, {}, fitted, retained_share=share, name=name)
