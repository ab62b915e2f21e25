r"""Coefficients of a density that is turned: real solid harmonics of one degree turn among themselves.

.. math:: Y_{lm}(A r) = \sum_{m'} D^l_{mm'}(A)\, Y_{lm'}(r), \qquad c'_{lm} = \sum_{m'} D^l_{mm'}(A)\, c_{lm'}

for the density ρ'(r) = ρ(Aᵀ r). D, the Wigner matrices of the real harmonics, follows from the harmonics' own values:
both sides are polynomials, and enough points in general position fix the matrix to rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.basis.point_values import cartesian_harmonics

Array = NDArray[np.float64]


def rotated(basis: Basis, numbers: Sequence[int] | NDArray[np.integer], coefficients: Array, rotations: Array) -> Array:
    """Return the coefficients (t, k) of densities (t, k) whose molecules are turned by R' = A R.

    Args:
        numbers: atomic numbers, (i,).
        coefficients: (t, k), canonical order.
        rotations: A, (t, x, x), proper or not.
    """
    degree = basis.layout(numbers).l
    turned = np.empty_like(coefficients)
    for l in np.unique(degree):
        of_degree = degree == l
        shells = coefficients[:, of_degree].reshape(len(coefficients), -1, 2 * l + 1)
        turned[:, of_degree] = np.einsum("tpq,tnq->tnp", wigner(int(l), rotations), shells).reshape(len(shells), -1)
    return turned


def wigner(l: int, rotations: Array) -> Array:
    """Return D^l(A), (t, 2 l + 1, 2 l + 1), m = -l .. l, of rotations (t, x, x)."""
    points, inverse = _points(l)
    return np.asarray(_harmonics(l, np.einsum("txy,gy->tgx", rotations, points)).swapaxes(1, 2) @ inverse)


def _harmonics(l: int, points: Array) -> Array:
    """Return r^l Y_lm, (..., m), at points (..., x)."""
    powers = [(a, b, l - a - b) for a in range(l, -1, -1) for b in range(l - a, -1, -1)]
    monomials = np.stack([np.prod(points ** np.array(power), axis=-1) for power in powers], axis=-1)
    return np.asarray(monomials @ cartesian_harmonics(l))


@functools.cache
def _points(l: int) -> tuple[Array, Array]:
    """Return points (g, x) on the unit sphere, and the pseudoinverse (g, m) of the harmonics' values (m, g) there."""
    points = np.random.default_rng(l).normal(size=(4 * l + 4, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points, np.asarray(np.linalg.pinv(_harmonics(l, points).T))
