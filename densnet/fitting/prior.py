"""Superposition of free atoms: the density that a model corrects.

Each element's spherically averaged density matrix is fitted in the element's own s functions, by the Coulomb metric,
under the exact charge. A molecule's prior is those coefficients side by side; it does not depend on the geometry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.fitting.fit import CoulombMetric, constrained_solution

Array = NDArray[np.float64]

ELECTRON_TOLERANCE = 1e-6
"""How far the trace of an atom's D S may be from its number of electrons."""


def fit_free_atom(basis: Basis, orbital_basis: Basis, number: int, density_matrix: Array) -> Array:
    """Return the coefficients of one element's s functions for its free atom, (n,); their charge is exactly Z.

    J c = b + q λ, q·c = Z over the s functions alone: all other integrals with a spherical density vanish.

    Args:
        density_matrix: D, (m, m), spin summed and spherically averaged, canonical order, of the neutral atom.

    Raises:
        DensnetError: D does not hold Z electrons (wrong order of its functions, or an effective core potential), or the
            fit basis has no s functions for the element.
    """
    symbol = chemical_symbols[number]
    origin = np.zeros((1, 3))
    n_electrons = float(np.vdot(integrals.overlap(orbital_basis, [number], origin), density_matrix))
    if abs(n_electrons - number) > ELECTRON_TOLERANCE:
        raise DensnetError(
            f"free atom {symbol}: its density matrix holds {n_electrons:.6f} electrons, expected {number}; "
            "use an all-electron basis and make the atoms file again"
        )
    s = np.flatnonzero(basis.layout([number]).l == 0)
    if s.size == 0:
        raise DensnetError(f"fit basis {basis.name!r}: no s functions for {symbol}; choose another fit basis")
    b = integrals.three_center(basis, orbital_basis, [number], origin, density_matrix)[s]
    q = integrals.charges(basis, [number])[s]
    metric = CoulombMetric(integrals.coulomb(basis, [number], origin)[np.ix_(s, s)])
    return constrained_solution(metric, b, q[:, None], np.array([float(number)]))


def superposition(basis: Basis, numbers: Sequence[int] | NDArray[np.integer], free_atoms: Mapping[int, Array]) -> Array:
    """Return the prior's coefficients of a molecule, (k,), canonical order.

    The atoms are neutral: a charged molecule's charge is all in Δc, with q·Δc = N_e - Σ Z.

    Args:
        free_atoms: by atomic number, what :func:`fit_free_atom` returned.

    Raises:
        DensnetError: an element is missing.
    """
    missing = sorted({int(number) for number in numbers} - set(free_atoms))
    if missing:
        raise DensnetError(
            f"free atoms: none for {', '.join(chemical_symbols[z] for z in missing)}; make the atoms file again"
        )
    layout = basis.layout(numbers)
    prior = np.zeros(len(layout))
    for atom, number in enumerate(numbers):
        prior[(layout.atom == atom) & (layout.l == 0)] = free_atoms[int(number)]
    return prior
