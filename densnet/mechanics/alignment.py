"""Geometries laid onto each other: rotations with the least Σ m_i |x_i - R x_i⁰|² about the centre of mass.

Kabsch, Acta Cryst. A 32, 922 (1976). Weights may be masses or any others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def centred(masses: Array, positions: Array) -> Array:
    """Return positions (..., i, x) from the centre of mass, of masses (..., i)."""
    centre = np.einsum("...i,...ix->...x", masses, positions) / masses.sum(axis=-1)[..., None]
    return np.asarray(positions - centre[..., None, :])


def rotations_from(masses: Array, reference: Array, positions: Array) -> Array:
    """Return the proper rotations R (..., 3, 3) that lay a reference onto geometries, about the centre of mass.

    A linear molecule may also spin about its axis, which changes nothing: some R of these is taken.

    Args:
        masses: (..., i).
        reference: (..., i, x).
        positions: (..., i, x), in the same unit.
    """
    covariance = np.einsum(
        "...i,...ix,...iy->...xy", masses, centred(masses, positions), centred(masses, reference), optimize=True
    )
    left, _, right = np.linalg.svd(covariance)
    left[..., -1] *= np.linalg.det(left @ right)[..., None]
    return np.asarray(left @ right)
