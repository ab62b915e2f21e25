r"""Molecules turned onto a reference geometry, and what the turning adds to a gradient.

.. math:: y_i = A (R_i - \bar R), \quad \bar R = \sum_i w_i R_i, \quad
          A = \arg\min \sum_i w_i |A (R_i - \bar R) - y^0_i|^2

over proper rotations A, atom by atom (:mod:`densnet.mechanics.alignment`), with weights w of sum 1, shares of the mass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from densnet.mechanics.alignment import centred, rotations_from

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """Turns geometries onto a reference.

    Attributes:
        weights: w, (i,), of sum 1.
        reference: y⁰, (i, x) in Angstrom, its weighted mean at the origin.
    """

    weights: Array
    reference: Array

    @classmethod
    def onto(cls, numbers: NDArray[np.int64], geometry: Array) -> Alignment:
        """Return the alignment onto a geometry (i, x), each atom weighted by its share of the mass."""
        weights = atomic_masses[numbers] / atomic_masses[numbers].sum()
        return cls(weights, geometry - weights @ geometry)

    def __call__(self, positions: Array) -> tuple[Array, Array]:
        """Return aligned positions y (t, i, x) and the rotations A (t, x, x) of geometries (t, i, x)."""
        A = rotations_from(self.weights, self.reference, positions).transpose(0, 2, 1)
        return np.einsum("txy,tiy->tix", A, centred(self.weights, positions)), A

    def pull_back(self, slope: Array, aligned: Array, rotation: Array) -> Array:
        r"""Return ∂f/∂R, (t, i, x), from the slope g = ∂f/∂y of any function of aligned positions.

        A moves with R so that :math:`\sum_i w_i\, y^0_i \times y_i = 0` stays true. With the torque
        :math:`\tau = \sum_i y_i \times g_i`, :math:`M = \sum_i w_i (y^0_i \cdot y_i\, 1 - y_i {y^0_i}^T)` and
        :math:`u = M^{-T} \tau`,

        .. math:: \frac{\partial f}{\partial R_i} = A^T \Big(g_i - w_i\, u \times y^0_i - w_i \sum_j g_j\Big).

        Args:
            slope: g, (t, i, x).
            aligned, rotation: y and A of :meth:`__call__`.
        """
        torque = np.cross(aligned, slope).sum(axis=1)
        products = np.einsum("i,tix,iy->txy", self.weights, aligned, self.reference)
        M = np.trace(products, axis1=1, axis2=2)[:, None, None] * np.eye(3) - products
        # of a linear molecule M is singular along the axis, about which there is no torque
        u = np.einsum("tyx,ty->tx", np.linalg.pinv(M, rcond=1e-9), torque)
        turning = np.cross(u[:, None], self.reference) + slope.sum(axis=1)[:, None]
        return np.einsum("tyx,tiy->tix", rotation, slope - self.weights[:, None] * turning)


def central_geometry(numbers: NDArray[np.int64], positions: Array) -> Array:
    """Return the geometry (i, x) nearest to the mean of geometries (t, i, x) when all are aligned onto the first."""
    aligned, _ = Alignment.onto(numbers, positions[0])(positions)
    return np.asarray(positions[((aligned - aligned.mean(axis=0)) ** 2).sum(axis=(1, 2)).argmin()])
