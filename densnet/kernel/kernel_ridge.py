r"""Kernel ridge regression with a Gaussian kernel of given distances.

.. math:: \hat f = \bar f + \sum_m \alpha_m \exp\Big(-\frac{D_m^2}{2 \sigma^2}\Big), \quad
          \alpha = (K + \lambda 1)^{-1} (f - \bar f)

The width σ and the ridge λ are those of the least squared error in cross-validation, on a grid. scikit-learn does the
search and solves the equations; it wants points and not distances, and gets points that have these distances.
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
RIDGES = tuple(10.0**power for power in range(-14, -1, 2))
"""λ to try; the kernel of a point with itself is 1."""


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
    def fitted(cls, points: Array, squared_distances: Array, values: Array, folds: int) -> KernelRidge:
        """Choose σ and λ by cross-validation and fit.

        Args:
            points: coordinates (m, d) whose Euclidean distances are those between the training points.
            squared_distances: D² between the training points, (m, m), as predictions will have them.
            values: f, (m,) or (m, k); the squared errors of all k are added up.
            folds: of the cross-validation; with fewer points one is left out at a time.

        Raises:
            DensnetError: points that all coincide, or scikit-learn is missing.
        """
        apart = squared_distances[np.triu_indices(len(points), 1)]
        scale = float(np.sqrt(np.median(apart)))
        if not scale > 0.0:
            raise DensnetError("labels: expected different geometries, found the same ones; sample others")
        mean = values.mean(axis=0)
        width, ridge = _chosen(points / scale, values - mean, min(folds, len(points)))
        kernel = np.exp(-squared_distances / (2.0 * (scale * width) ** 2))
        return cls(scale * width, ridge, mean, _solved(kernel, values - mean, ridge))

    def kernel(self, squared_distances: Array) -> Array:
        """Return exp(-D²/2σ²), (t, m)."""
        return np.exp(-squared_distances / (2.0 * self.width**2))

    def __call__(self, kernel: Array) -> Array:
        """Return the predictions, (t, ...), from the kernel (t, m) between geometries and training points."""
        return np.asarray(self.mean + kernel @ self.weights)


def points_of(inner: Array) -> Array:
    """Return coordinates (m, m) whose inner products, and so distances, are the given ones (m, m)."""
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
        clusters = KMeans(count, n_init=10, random_state=seed).fit(points)
    if len(np.unique(clusters.labels_)) < count:
        raise DensnetError(f"m: expected at most as many points as different geometries, found {count}; lower it")
    nearest = np.linalg.norm(points - clusters.cluster_centers_[clusters.labels_], axis=1)
    members = [np.flatnonzero(clusters.labels_ == cluster) for cluster in range(count)]
    return np.sort([rows[nearest[rows].argmin()] for rows in members])


def _chosen(points: Array, values: Array, folds: int) -> tuple[float, float]:
    """Return the width and the ridge of least squared error."""
    _check_library()
    from sklearn.kernel_ridge import KernelRidge as Regression
    from sklearn.model_selection import GridSearchCV, KFold

    grid = {"gamma": [1.0 / (2.0 * width**2) for width in WIDTHS], "alpha": list(RIDGES)}
    shuffled = KFold(folds, shuffle=True, random_state=0)
    search = GridSearchCV(Regression(kernel="rbf"), grid, scoring="neg_mean_squared_error", cv=shuffled, refit=False)
    with warnings.catch_warnings():
        # where the ridge is too small for the width, scikit-learn says so and solves in the sense of least squares
        warnings.simplefilter("ignore")
        search.fit(points, values)
    return float(1.0 / np.sqrt(2.0 * search.best_params_["gamma"])), float(search.best_params_["alpha"])


def _solved(kernel: Array, values: Array, ridge: float) -> Array:
    from sklearn.kernel_ridge import KernelRidge as Regression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(Regression(kernel="precomputed", alpha=ridge).fit(kernel, values).dual_coef_)


def _check_library() -> None:
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise DensnetError(
            "kernel: the package scikit-learn is not installed; install it by pip install 'densnet[kernel]'"
        )
