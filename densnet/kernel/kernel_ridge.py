r"""Kernel ridge regression with a Gaussian kernel of given distances.

.. math:: \hat f = \bar f + \sum_m \alpha_m \exp\Big(-\frac{D_m^2}{2 \sigma^2}\Big), \quad
          \alpha = (K + \lambda 1)^{-1} (f - \bar f)

The width σ and the ridge λ are those, on a grid, of the least squared error when each training point is left out in
turn; scikit-learn knows that error in closed form (Rifkin and Lippert, MIT-CSAIL-TR-2007-025) and solves the equations.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError

Array = NDArray[np.float64]

WIDTHS = tuple(2.0**power for power in range(-1, 8))
"""σ to try, over the median distance between two training points."""
RIDGES = tuple(10.0**power for power in range(-12, -1, 2))
"""λ to try; the kernel of a point with itself is 1. Smaller ones gain nothing and let weights of 1e10 cancel."""
STARTS = 300
"""Of K-means, of which the best is taken; with fewer the training points, and the errors, depend more on the seed."""


@dataclass(frozen=True)
class KernelRidge:
    """A fitted regression.

    Attributes:
        width: σ, in the unit of the distances.
        ridge: λ.
        mean: of the training values, (...).
        weights: α, (m, ...).
    """

    width: float
    ridge: float
    mean: Array
    weights: Array

    @classmethod
    def fitted(cls, squared_distances: Array, values: Array) -> KernelRidge:
        """Choose σ and λ by cross-validation and fit.

        Args:
            squared_distances: D² between the training points, (m, m).
            values: f, (m,) or (m, k); the squared errors of all k are added up.

        Raises:
            DensnetError: points that all coincide, or scikit-learn is missing.
        """
        scale = float(np.median(squared_distances[np.triu_indices(len(values), 1)]))
        if not scale > 0.0:
            raise DensnetError("labels: expected different geometries, found the same ones; sample others")
        mean = values.mean(axis=0)
        kernels = [np.exp(-squared_distances / (2.0 * scale * width**2)) for width in WIDTHS]
        scores = [left_out(kernel, values - mean) for kernel in kernels]
        best = min(range(len(WIDTHS)), key=lambda number: scores[number][0])
        ridge = scores[best][1]
        weights = solved(kernels[best], values - mean, ridge)
        return cls(float(np.sqrt(scale)) * WIDTHS[best], ridge, mean, weights)

    def kernel(self, squared_distances: Array) -> Array:
        """Return exp(-D²/2σ²), (t, m)."""
        return np.exp(-squared_distances / (2.0 * self.width**2))

    def __call__(self, kernel: Array) -> Array:
        """Return the predictions, (t, ...), from the kernel (t, m) between geometries and training points."""
        return np.asarray(self.mean + kernel @ self.weights)


def points_of(inner: Array) -> Array:
    """Return coordinates (m, d) whose inner products, and so distances, are the given ones (m, m)."""
    values, vectors = np.linalg.eigh(inner)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def chosen_by_k_means(points: Array, count: int, seed: int) -> NDArray[np.int64]:
    """Return the rows of the points (m, d) nearest to the centres of so many clusters, one of each, ascending.

    Raises:
        DensnetError: scikit-learn is missing, or fewer different points than clusters.
    """
    _check_library()
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(count, n_init=STARTS, random_state=seed).fit(points)
    if len(np.unique(clusters.labels_)) < count:
        raise DensnetError(f"m: expected at most as many points as different geometries, found {count}; lower it")
    nearest = np.linalg.norm(points - clusters.cluster_centers_[clusters.labels_], axis=1)
    members = [np.flatnonzero(clusters.labels_ == cluster) for cluster in range(count)]
    return np.sort([rows[nearest[rows].argmin()] for rows in members])


def left_out(kernel: Array, values: Array) -> tuple[float, float]:
    """Return the least mean squared error of points that are left out in turn, over :data:`RIDGES`, and its λ.

    Args:
        kernel: K, (m, m).
        values: f less its mean, (m,) or (m, k).
    """
    _check_library()
    from sklearn.linear_model import RidgeCV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = RidgeCV(RIDGES, fit_intercept=False, gcv_mode="eigen").fit(points_of(kernel), values)
    return -float(search.best_score_), float(search.alpha_)


def solved(kernel: Array, values: Array, ridge: float) -> Array:
    """Return α = (K + λ)⁻¹ f, (m, ...); where λ is too small for the computer's digits, in the sense of least squares.

    Args:
        kernel: K, (m, m).
        values: f, (m, ...).
        ridge: λ.
    """
    _check_library()
    from sklearn.kernel_ridge import KernelRidge as Regression

    with warnings.catch_warnings():
        # that the equations are nearly singular is known, and why the ridge is chosen by cross-validation
        warnings.simplefilter("ignore")
        return np.asarray(Regression(kernel="precomputed", alpha=ridge).fit(kernel, values).dual_coef_)


def _check_library() -> None:
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise DensnetError(
            "kernel: the package scikit-learn is not installed; install it by .venv/bin/pip install -c "
            "envs/requirements.lock '.[kernel]'"
        )
