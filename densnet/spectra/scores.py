"""How alike two spectra a and b are, each score with its bootstrap interval over replicas.

Both are broadened by the same Gaussian and taken on an even grid of wavenumbers ν̃_g:

    pearson         r = Σ_g (a_g - ā)(b_g - b̄) / [Σ_g (a_g - ā)² Σ_g (b_g - b̄)²]^½
    spearman        the same of the ranks of a_g and of b_g
    overlap         ∫ min(a, b) dν̃, both above their lowest point and of unit area: the share of area in common
    scaling_factor  s = argmax r[a(ν̃/s), b(ν̃)]: what all wavenumbers of a are to be multiplied by
    pearson_scaled  r[a(ν̃/s), b(ν̃)] at that s

Pearson's and Spearman's coefficients of infrared spectra: H. Henschel et al., J. Chem. Theory Comput. 16, 3307 (2020);
with scaled wavenumbers: B. von der Esch et al., J. Chem. Theory Comput. (2021), doi 10.1021/acs.jctc.0c01279.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from densnet.errors import DensnetError
from densnet.spectra.convergence import QUANTILES, SEED, pearson, resampling_weights

Array = NDArray[np.float64]

STEP_WAVENUMBER = 1.0
"""Spacing of the common grid, 1/cm."""
SCALING_STEP = 0.001
"""Spacing of the factors that are tried."""
LEAST_COMMON = 100.0
"""1/cm that two spectra have to share."""
SIGMA_PER_WIDTH = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))
ENDS = (QUANTILES[0], QUANTILES[-1])
"""Quantiles of the draws between which 95 % of them lie."""
SCORES = {
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "overlap": "share of area in common",
    "scaling_factor": "factor of the wavenumbers that gives the highest Pearson correlation",
    "pearson_scaled": "Pearson correlation with wavenumbers scaled by that factor",
}
"""Names and meanings, in the order in which they are shown."""


@dataclass(frozen=True)
class SpectralCurve:
    """A spectrum to be scored.

    Attributes:
        wavenumber: (m,) 1/cm, ascending.
        by_replica: (replica, m) intensities of the replicas that it is the mean of; of a measured one a single row.
        sampled: whether it comes from dynamics, so that other replicas would have given another one.
    """

    wavenumber: Array
    by_replica: Array
    sampled: bool = True

    def broadened(self, width: float) -> SpectralCurve:
        """Return it on an even grid of its own, under a Gaussian of that full width at half maximum (1/cm)."""
        low, high = np.ceil(self.wavenumber[0]), np.floor(self.wavenumber[-1])
        grid = np.arange(low, high + STEP_WAVENUMBER / 2, STEP_WAVENUMBER)
        rows = np.array([np.interp(grid, self.wavenumber, row) for row in self.by_replica])
        sigma = width * SIGMA_PER_WIDTH / STEP_WAVENUMBER
        return SpectralCurve(grid, ndimage.gaussian_filter1d(rows, sigma, mode="nearest", axis=1), self.sampled)

    def scaled(self, factor: float, grid: Array) -> Array:
        """Return the replicas (replica, n) on a grid within its range, all its wavenumbers multiplied by a factor."""
        return np.array([np.interp(grid / factor, self.wavenumber, row) for row in self.by_replica])

    def weights(self, rng: np.random.Generator) -> Array:
        """Return weights (1 + draw, replica) of means: first that of all, then those of replicas drawn anew."""
        n = len(self.by_replica)
        return np.concatenate([np.full((1, n), 1 / n), resampling_weights(n, n, rng)])


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes:
        value: of the mean over all replicas.
        low: lower end of the interval that holds 95 % of the draws of replicas; NaN if nothing can be drawn anew.
        high: upper end.
    """

    value: float
    low: float
    high: float


def scores(a: SpectralCurve, b: SpectralCurve, grid: Array, largest_scaling: float) -> dict[str, Score]:
    """Return the :data:`SCORES` of two broadened spectra.

    Replicas of both are drawn anew, independently of each other (percentile intervals).

    Args:
        a: the one whose wavenumbers are scaled.
        b: what it is compared with.
        grid: (n,) 1/cm within the range of both.
        largest_scaling: factors from 1 minus this to 1 plus this are tried.
    """
    rng = np.random.default_rng(SEED)
    weights_a, weights_b = a.weights(rng), b.weights(rng)
    means_a, means_b = weights_a @ a.scaled(1.0, grid), weights_b @ b.scaled(1.0, grid)
    factor, best = _best_scaling(a, b, weights_a, weights_b, grid, largest_scaling)
    values = {
        "pearson": pearson(means_a, means_b),
        "spearman": pearson(stats.rankdata(means_a, axis=-1), stats.rankdata(means_b, axis=-1)),
        "overlap": overlap(means_a, means_b, grid),
        "scaling_factor": factor,
        "pearson_scaled": best,
    }
    of_dynamics = [len(curve.by_replica) for curve in (a, b) if curve.sampled]
    known = bool(of_dynamics) and min(of_dynamics) > 1
    return {
        name: Score(float(drawn[0]), *(np.quantile(drawn[1:], ENDS).tolist() if known else [np.nan] * 2))
        for name, drawn in values.items()
    }


def overlap(a: Array, b: Array, grid: Array) -> Array:
    """Return the share of area (...,) that spectra (..., n) have in common, both above their lowest point."""
    above = [x - x.min(axis=-1, keepdims=True) for x in (a, b)]
    unit = [x / np.trapezoid(x, grid, axis=-1)[..., None] for x in above]
    return np.asarray(np.trapezoid(np.minimum(*unit), grid, axis=-1))


def _best_scaling(
    a: SpectralCurve, b: SpectralCurve, weights_a: Array, weights_b: Array, grid: Array, largest: float
) -> tuple[Array, Array]:
    """Return the best factor (draw,) of a's wavenumbers and Pearson's coefficient with it; NaN if too little is shared.

    The coefficient is taken where a is known whatever the factor. It is w·K v / (w·G w · v·H v)^½, w and v being the
    weights of the replicas, K, G and H the covariances of a's with b's, of a's and of b's.
    """
    steps = round(largest / SCALING_STEP)
    factors = 1.0 + SCALING_STEP * np.arange(-steps, steps + 1)
    inside = (grid >= a.wavenumber[0] * factors[-1]) & (grid <= a.wavenumber[-1] * factors[0])
    if np.count_nonzero(inside) * STEP_WAVENUMBER < LEAST_COMMON:
        unknown = np.full(len(weights_a), np.nan)
        return unknown, unknown
    common = grid[inside]
    of_b = b.scaled(1.0, common)
    of_b -= of_b.mean(axis=1, keepdims=True)
    norm_b = np.einsum("tr,rs,ts->t", weights_b, of_b @ of_b.T, weights_b, optimize=True)
    tried = []
    for factor in factors:
        of_a = a.scaled(factor, common)
        of_a -= of_a.mean(axis=1, keepdims=True)
        norm_a = np.einsum("tr,rs,ts->t", weights_a, of_a @ of_a.T, weights_a, optimize=True)
        shared = np.einsum("tr,rs,ts->t", weights_a, of_a @ of_b.T, weights_b, optimize=True)
        tried.append(shared / np.sqrt(norm_a * norm_b))
    best = np.argmax(tried, axis=0)
    return factors[best], np.max(tried, axis=0)


def common_grid(ranges: dict[str, Array], low: float, high: float) -> Array:
    """Return the even grid (n,) in 1/cm that all spectra cover between two wavenumbers.

    Raises:
        DensnetError: they share less than :data:`LEAST_COMMON`.
    """
    first, last = max(low, *(float(x[0]) for x in ranges.values())), min(high, *(float(x[-1]) for x in ranges.values()))
    if last - first < LEAST_COMMON:
        covered = ", ".join(f"{name} {x[0]:.0f}-{x[-1]:.0f}" for name, x in ranges.items())
        raise DensnetError(
            f"wavenumber_min: the spectra share less than {LEAST_COMMON:g} 1/cm of {low:g}-{high:g} ({covered}); "
            "widen the range"
        )
    return np.arange(np.ceil(first), np.floor(last) + STEP_WAVENUMBER / 2, STEP_WAVENUMBER)
