"""What an ensemble says of its own error, beside the error: pairs (spread, error) of held-out frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import spearmanr

from densnet.quantities import DIPOLE, ENERGY, FORCES, PREDICTED

Array = NDArray[np.float64]

MEAN_OF_A_NORMAL = np.sqrt(2.0 / np.pi)
"""⟨|x|⟩ of a normal distribution of standard deviation 1: what turns ∫σ into the ∫|Δρ| to be expected."""


@dataclass(frozen=True)
class Calibration:
    """Expected and true errors of one quantity, one pair for each thing that was predicted.

    Attributes:
        expected: from the spread; a standard deviation, or for the density the error that is expected from it.
        error: the true one.
        unit: of both.
    """

    expected: Array
    error: Array
    unit: str

    @property
    def factor(self) -> float | None:
        """By which the spread must be scaled, (⟨error² / expected²⟩)^½; None if a spread is zero."""
        return float(np.sqrt(np.mean((self.error / self.expected) ** 2))) if (self.expected > 0).all() else None

    @property
    def correlation(self) -> float | None:
        """Spearman's rank correlation of spread and error; None if either is constant or there are too few."""
        if len(self.error) < 3 or np.ptp(self.expected) == 0 or np.ptp(self.error) == 0:
            return None
        return float(spearmanr(self.expected, self.error).statistic)

    def binned(self, points: int) -> tuple[Array, Array]:
        """Return root mean squares of expected and true errors in bins of at least ``points`` rising spreads."""
        order = np.argsort(self.expected)
        bins = np.array_split(order, max(len(order) // points, 1))
        expected, error = (np.array([np.sqrt(np.mean(x[b] ** 2)) for b in bins]) for x in (self.expected, self.error))
        return expected, error


def has_spread(evaluation: xr.Dataset) -> bool:
    """Return whether an evaluation is that of an ensemble."""
    return "energy_spread" in evaluation.variables


def calibrations(evaluation: xr.Dataset) -> dict[str, Calibration]:
    """Return an ensemble's spreads and its mean's errors by quantity.

    Of the density in each atom's cell, of dipole and energy of each frame, of the force on each atom.
    """
    pairs = {
        "density": Calibration(
            MEAN_OF_A_NORMAL * evaluation["density_spread_by_atom"].values.ravel(),
            evaluation["nmae_by_atom"].sel(pair="model-fit").transpose("frame", "atom").values.ravel(),
            "%",
        )
    }
    for name in (DIPOLE.name, ENERGY.name, FORCES.name):
        scale = PREDICTED[name].error
        factor = scale.shown(1.0, evaluation.sizes["atom"])
        error = (evaluation[f"{name}_predicted"] - evaluation[f"{name}_reference"]).values
        spread = evaluation[f"{name}_spread"].values
        pairs[scale.word] = Calibration(factor * spread.ravel(), factor * scale.root(error**2).ravel(), scale.unit)
    return pairs
