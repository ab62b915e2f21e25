"""Choose diverse geometries, and measure how far geometries are from each other.

Both work on the sorted distances of a molecule: for each pair of elements the interatomic distances of that kind,
ascending. They change neither with rotation, translation or inversion nor with the exchange of like atoms (the three
hydrogens of a methyl group), they are continuous, and need no superposition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from densnet.errors import DensnetError


def sorted_distances(numbers: NDArray[np.int64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances of all pairs, (t, p), Angstrom: by pair of elements, ascending within each.

    Args:
        numbers: atomic numbers, (i,).
        positions: Angstrom, (t, i, x).
    """
    first, second = np.triu_indices(len(numbers), 1)
    distances = np.linalg.norm(positions[:, first] - positions[:, second], axis=-1)
    low, high = np.minimum(numbers[first], numbers[second]), np.maximum(numbers[first], numbers[second])
    kinds = low * 1000 + high
    return np.concatenate([np.sort(distances[:, kinds == kind], axis=1) for kind in np.unique(kinds)], axis=1)


def distance_to_nearest(descriptors: NDArray[np.float64], references: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the distance of each geometry to the nearest reference geometry, (t,), Angstrom.

    .. math:: d(A, B)^2 = \frac{1}{P} \sum_p (r_p^A - r_p^B)^2

    over the P sorted distances :math:`r_p` of :func:`sorted_distances`.
    """
    return np.asarray(cdist(descriptors, references).min(axis=1) / np.sqrt(descriptors.shape[1]))


def farthest_points(descriptors: NDArray[np.float64], count: int, first: int) -> NDArray[np.int64]:
    """Return ``count`` rows, each the one farthest from all that were chosen before it.

    Gonzalez, Theor. Comput. Sci. 38, 293 (1985). Ties go to the lower row, so that the choice is deterministic.

    Args:
        descriptors: (t, p).
        first: the row to begin with.

    Raises:
        DensnetError: fewer rows than asked for.
    """
    if count > len(descriptors):
        raise DensnetError(f"sampling: {count} geometries are wanted of {len(descriptors)} candidates; sample longer")
    chosen = np.empty(count, dtype=np.int64)
    nearest = np.full(len(descriptors), np.inf)
    candidate = first
    for place in range(count):
        chosen[place] = candidate
        nearest = np.minimum(nearest, ((descriptors - descriptors[candidate]) ** 2).sum(axis=1))
        nearest[candidate] = -np.inf
        candidate = int(nearest.argmax())
    return chosen
