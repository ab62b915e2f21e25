"""Errors of densities along frames, whatever the bases of the two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.error import DensityGrid
from densnet.potential import Array
from densnet.units import BOHR_IN_ANGSTROM


@dataclass(frozen=True)
class Expanded:
    """Densities of T frames in a basis.

    Attributes:
        basis: of all of them.
        coefficients: canonical order, (T, k).
    """

    basis: Basis
    coefficients: Array


def density_errors(
    numbers: NDArray[np.int64],
    positions: Array,
    *,
    tested: Expanded,
    reference: Expanded,
    n_electrons: float,
    grid_level: int,
) -> Array:
    """Return NMAE = 100 ∫ |ρ̂ - ρ| dr / N_e of each frame in percent, (T,), on Becke's grid.

    The bases may differ: densities are compared, so that what they lose of the true one counts too where they do.

    Args:
        numbers: atomic numbers, (i,).
        positions: Angstrom, (T, i, x).
        tested: ρ̂.
        reference: ρ.
        n_electrons: N_e.
        grid_level: 0 (coarse) to 9 (fine).

    Raises:
        DensnetError: no such grid level.
    """
    errors = []
    for t, frame in enumerate(positions):
        grid = DensityGrid.around(numbers, frame / BOHR_IN_ANGSTROM, grid_level)
        rho, expected = (grid.fitted(density.basis, density.coefficients[t]) for density in (tested, reference))
        errors.append(grid.nmae(rho, expected, n_electrons))
    return np.array(errors)
