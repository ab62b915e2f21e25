r"""The potential of smeared nuclei, and distances between two of them, in closed form.

.. math:: v(r) = \sum_i Z_i \exp\Big(-\frac{|r - y_i|^2}{2 \gamma^2}\Big), \quad
          \langle v, v' \rangle = \int v\, v' = (\pi \gamma^2)^{3/2} \sum_{ij} Z_i Z_j
          \exp\Big(-\frac{|y_i - y'_j|^2}{4 \gamma^2}\Big), \quad
          D^2 = \langle v, v \rangle + \langle v', v' \rangle - 2 \langle v, v' \rangle

Brockherde et al. put v on a grid and take exp(-|v - v'|²/2σ²) of the vectors; on a fine grid |v - v'|² is D² over the
volume of a cell, which the width σ absorbs: their kernel without a grid. Positions in Angstrom, v in e.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

VALUES_AT_ONCE = 4_000_000
"""Components of differences between atoms that are held at a time."""


@dataclass(frozen=True)
class SmearedNuclei:
    """Potentials of one molecule's smeared nuclei.

    Attributes:
        charges: Z, (i,), in e.
        smearing: γ in Angstrom.
    """

    charges: Array
    smearing: float

    def inner(self, first: Array, second: Array) -> Array:
        """Return ⟨v_t, v_m⟩, (t, m), in e² Å³, of geometries (t, i, x) and (m, j, x)."""
        blocks = self._blocks(first, second)
        return np.concatenate([self._products(first[block], second)[1].sum(axis=(2, 3)) for block in blocks])

    def norms(self, positions: Array) -> Array:
        """Return ⟨v_t, v_t⟩, (t,), in e² Å³, of geometries (t, i, x)."""
        return np.array([self.inner(geometry[None], geometry[None])[0, 0] for geometry in positions])

    def squared_distances(self, first: Array, second: Array) -> Array:
        """Return D², (t, m), in e² Å³, of geometries (t, i, x) and (m, j, x)."""
        squares = self.norms(first)[:, None] + self.norms(second) - 2.0 * self.inner(first, second)
        return np.maximum(squares, 0.0)

    def slope(self, positions: Array, points: Array, weights: Array) -> Array:
        """Return Σ_m w_tm ∂D²_tm/∂y_ti, (t, i, x), of geometries (t, i, x), points (m, j, x) and weights (t, m)."""
        between, inside = np.zeros_like(positions), np.zeros_like(positions)
        for block in self._blocks(positions, points):
            apart, products = self._products(positions[block], points)
            between[block] = np.einsum("tm,tmij,tmijx->tix", weights[block], products, apart, optimize=True)
        for t, geometry in enumerate(positions):
            apart, products = self._products(geometry[None], geometry[None])
            inside[t] = weights[t].sum() * np.einsum("ij,ijx->ix", products[0, 0], apart[0, 0])
        return np.asarray((between - inside) / self.smearing**2)

    def _blocks(self, first: Array, second: Array) -> list[slice]:
        """Return slices of the first geometries whose differences from all the second take little memory."""
        step = max(1, VALUES_AT_ONCE // (len(second) * first.shape[1] ** 2 * 3))
        return [slice(start, start + step) for start in range(0, len(first), step)]

    def _products(self, first: Array, second: Array) -> tuple[Array, Array]:
        """Return y_ti - y_mj, (t, m, i, j, x), and the terms of the inner product, (t, m, i, j)."""
        apart = first[:, None, :, None] - second[None, :, None, :]
        decay = np.exp(-np.einsum("tmijx,tmijx->tmij", apart, apart) / (4.0 * self.smearing**2))
        return apart, (np.pi * self.smearing**2) ** 1.5 * np.outer(self.charges, self.charges) * decay
