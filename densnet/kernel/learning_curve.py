"""Errors of kernel maps on test frames against the number of training points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.density.error import DensityGrid
from densnet.density.settings import GRID_LEVEL
from densnet.kernel.hohenberg_kohn import HohenbergKohn, KernelFrames
from densnet.units import BOHR_IN_ANGSTROM, EV_IN_MEV, KCAL_PER_MOL_IN_EV

Array = NDArray[np.float64]


@dataclass(frozen=True)
class KernelErrors:
    """Mean absolute errors of ML-HK and of ML-KS for one number of training points, m.

    The density's is its NMAE against the fitted one; of the forces, over components.
    """

    m: int
    hk_energy_mae_kcal_per_mol: float
    ks_energy_mae_kcal_per_mol: float
    hk_density_nmae_percent: float
    hk_force_mae_mev_per_angstrom: float
    ks_force_mae_mev_per_angstrom: float


def kernel_errors(
    fitted: Sequence[HohenbergKohn], test: KernelFrames, forces: Array, *, n_electrons: float
) -> list[KernelErrors]:
    """Judge maps of several numbers of training points by the same frames.

    Args:
        fitted: maps.
        test: frames that they have not seen.
        forces: of these, eV/Angstrom, (t, i, x).
        n_electrons: of the molecule.
    """
    nmae = _nmae(test, np.stack([maps.coefficients(test.positions) for maps in fitted]), n_electrons)
    rows = []
    for maps, density in zip(fitted, nmae, strict=True):
        (hk, hk_forces), (ks, ks_forces) = (
            maps.energy_and_forces(test.positions, by_density=by_density) for by_density in (True, False)
        )
        rows.append(
            KernelErrors(
                maps.n_points,
                _mean_error(hk, test.energy) / KCAL_PER_MOL_IN_EV,
                _mean_error(ks, test.energy) / KCAL_PER_MOL_IN_EV,
                float(density),
                _mean_error(hk_forces, forces) * EV_IN_MEV,
                _mean_error(ks_forces, forces) * EV_IN_MEV,
            )
        )
    return rows


def _mean_error(predicted: Array, reference: Array) -> float:
    return float(np.abs(predicted - reference).mean())


def _nmae(test: KernelFrames, predicted: Array, n_electrons: float) -> Array:
    """Return the NMAE in percent, mean over the frames, (n,), of coefficients (n, t, k) against the frames' own."""
    errors = np.zeros(predicted.shape[:2])
    for t, positions in enumerate(test.positions):
        grid = DensityGrid.around(test.numbers, positions / BOHR_IN_ANGSTROM, GRID_LEVEL)
        true, *densities = grid.fitted(test.basis, np.vstack([test.coefficients[t], *predicted[:, t, None]]))
        errors[:, t] = [grid.nmae(density, true, n_electrons) for density in densities]
    return np.asarray(errors.mean(axis=1))
