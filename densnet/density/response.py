"""The density's response to a static electric field, ρ^(1)_y = ∂ρ/∂F_y = Σ_k c^y_k χ_k, and what follows from it.

To first order a field F changes ρ by Σ_y F_y ρ^(1)_y, the dipole by α F with α_xy = -∫ x ρ^(1)_y, in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.units import POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FieldResponse:
    """ρ^(1) of one geometry, in a basis of its own.

    Attributes:
        basis: of the functions χ.
        coefficients: (field, k), atomic units, canonical order.
    """

    basis: Basis
    coefficients: Array

    def polarizability(self, numbers: NDArray[np.int64], positions: Array) -> Array:
        """Return α, (x, field), in e² Å²/eV; positions (i, 3) in bohr."""
        d = integrals.dipoles(self.basis, numbers, positions)
        return -np.einsum("kx,yk->xy", d, self.coefficients) * POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV


def invariants(tensors: Array) -> tuple[Array, Array]:
    """Return a² and γ², (...,) each, of symmetric tensors (..., x, x), or of their derivatives.

    a = tr / 3, γ² = (3/2) tr (β·β) with β = tensor - a 1; in the tensors' units squared.
    """
    a = np.trace(tensors, axis1=-2, axis2=-1) / 3.0
    beta = tensors - a[..., None, None] * np.eye(3)
    return a**2, 1.5 * (beta**2).sum(axis=(-2, -1))


def joined_basis(
    first: Basis, second: Basis, numbers: NDArray[np.int64]
) -> tuple[Basis, NDArray[np.int64], NDArray[np.int64]]:
    """Return the basis with the functions of two, and where those of each stand in it on a molecule.

    Raises:
        DensnetError: one of them lacks an element.
    """
    elements = sorted({int(number) for number in numbers})
    joined = Basis(f"{first.name} + {second.name}", {z: first.of(z) + second.of(z) for z in elements})
    place = {key: index for index, key in enumerate(_keys(joined, numbers))}
    shifted = [(atom, l, n + first.n_radial(int(numbers[atom]), l), m) for atom, l, n, m in _keys(second, numbers)]
    return joined, np.array([place[key] for key in _keys(first, numbers)]), np.array([place[key] for key in shifted])


def _keys(basis: Basis, numbers: NDArray[np.int64]) -> list[tuple[int, int, int, int]]:
    layout = basis.layout(numbers)
    columns = (layout.atom.tolist(), layout.l.tolist(), layout.n.tolist(), layout.m.tolist())
    return list(zip(*columns, strict=True))
