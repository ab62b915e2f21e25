"""Which atoms of a geometry are bonded, by their distances and covalent radii.

Radii are ASE's: Cordero et al., Dalton Trans. 2832 (2008).
"""

from __future__ import annotations

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path

Array = NDArray[np.float64]

BONDED_BELOW = 1.3
"""Atoms nearer than this many times the sum of their covalent radii are bonded."""
CONTACT = 3.2
"""Angstrom; atoms nearer than this are in contact, bonded or not."""


def distances(positions: Array) -> Array:
    """Return the distances (..., i, i) in Angstrom of all atoms of geometries (..., i, x)."""
    return np.linalg.norm(positions[..., :, None, :] - positions[..., None, :, :], axis=-1)


def sums_of_radii(numbers: NDArray[np.int64]) -> Array:
    """Return the sum of the covalent radii of each pair of atoms, (i, i) in Angstrom."""
    return np.add.outer(covalent_radii[numbers], covalent_radii[numbers])


def bonded(numbers: NDArray[np.int64], positions: Array) -> NDArray[np.bool_]:
    """Return which atoms of a geometry (i, x) in Angstrom are bonded, (i, i)."""
    near = distances(positions) < BONDED_BELOW * sums_of_radii(numbers)
    np.fill_diagonal(near, False)
    return near


def bonds_between(bonds: NDArray[np.bool_]) -> Array:
    """Return the number of bonds on the shortest way from atom to atom, (i, i); infinite between fragments."""
    return np.asarray(shortest_path(bonds.astype(float), unweighted=True))
