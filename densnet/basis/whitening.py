"""Whitening of density coefficients by the on-site Coulomb metric.

For one element and one l, B = L Lᵀ is the Coulomb block of its shells on one centre, the same for every m. The whitened
coefficients x = Lᵀ c have the on-site Coulomb energy cᵀ B c = xᵀ x, so that near-redundant exponents no longer matter;
mixing shells of one l with the same matrix for every m keeps them equivariant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from densnet.basis.basis import Basis
from densnet.basis.integrals import onsite_coulomb
from densnet.errors import DensnetError


def whitening_factor(basis: Basis, number: int, l: int) -> NDArray[np.float64]:
    """Return L, (n, n), lower triangular, with L Lᵀ = B of one element's shells of angular momentum ``l``.

    Then x = Lᵀ c along the shell index n, and c = L⁻ᵀ x. (0, 0) if the element has no such shell.

    Raises:
        DensnetError: the element's shells are linearly dependent, or the basis lacks the element.
    """
    B = onsite_coulomb(basis, number, l)
    if B.size == 0:
        return np.zeros((0, 0))
    scale = np.sqrt(np.diag(B))
    try:
        return scale[:, None] * np.asarray(cholesky(B / np.outer(scale, scale), lower=True))
    except LinAlgError as error:
        raise DensnetError(
            f"basis {basis.name!r}: the l = {l} shells of atomic number {number} are linearly dependent ({error}); "
            f"choose a basis without repeated exponents"
        ) from error


def unwhitening_factor(basis: Basis, number: int, l: int) -> NDArray[np.float64]:
    """Return L⁻ᵀ, (n, n), upper triangular: c = L⁻ᵀ x.

    Raises:
        DensnetError: as :func:`whitening_factor`.
    """
    L = whitening_factor(basis, number, l)
    return np.asarray(solve_triangular(L, np.eye(len(L)), lower=True)).T if L.size else L
