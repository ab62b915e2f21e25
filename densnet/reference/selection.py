"""Choose diverse geometries, and measure how far geometries are from each other.

Both work on the sorted distances of a molecule, :func:`densnet.molecule.sorted_distances`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from densnet.errors import DensnetError


def distance_to_nearest(descriptors: NDArray[np.float64], references: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the distance of each geometry to the nearest reference geometry, (t,), Angstrom.

    .. math:: d(A, B)^2 = \frac{1}{P} \sum_p (r_p^A - r_p^B)^2

    over the P sorted distances :math:`r_p` of :func:`densnet.molecule.sorted_distances`.
    """
    return np.asarray(cdist(descriptors, references).min(axis=1) / np.sqrt(descriptors.shape[1]))


def farthest_points(
    descriptors: NDArray[np.float64], count: int, first: int | None = None, *, beside: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Return ``count`` rows, each the one farthest from all that were chosen before it.

    Gonzalez, Theor. Comput. Sci. 38, 293 (1985). Ties go to the lower row, so that the choice is deterministic.

    Args:
        descriptors: (t, p).
        first: the row to begin with; if not given, the one farthest from ``beside``.
        beside: descriptors (n, p) of what has been chosen already.

    Raises:
        DensnetError: fewer rows than asked for.
    """
    if count > len(descriptors):
        raise DensnetError(f"sampling: {count} geometries are wanted of {len(descriptors)} candidates; sample longer")
    chosen = np.empty(count, dtype=np.int64)
    nearest = np.full(len(descriptors), np.inf)
    if beside is not None and len(beside):
        nearest = cdist(descriptors, beside, "sqeuclidean").min(axis=1)
    candidate = int(nearest.argmax()) if first is None else first
    for place in range(count):
        chosen[place] = candidate
        nearest = np.minimum(nearest, ((descriptors - descriptors[candidate]) ** 2).sum(axis=1))
        nearest[candidate] = -np.inf
        candidate = int(nearest.argmax())
    return chosen
