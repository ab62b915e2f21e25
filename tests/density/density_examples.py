"""Small molecules with their Kohn-Sham orbitals, made by PySCF in canonical order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from pyscf import dft, scf

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Molecule:
    """numbers (i,), positions (i, 3) in bohr, orbitals (m, o) canonical, dipole (3,) of the whole molecule, e bohr."""

    numbers: NDArray[np.int64]
    positions: Array
    orbital_basis: Basis
    orbitals: Array
    dipole: Array

    @property
    def density_matrix(self) -> Array:
        return 2.0 * self.orbitals @ self.orbitals.T

    @property
    def n_electrons(self) -> int:
        return 2 * self.orbitals.shape[1]


def converge(numbers: list[int], positions: Array, *, functional: str | None) -> Molecule:
    basis = Basis.from_name("def2-SVP", numbers)
    mole = integrals.pyscf_mole(basis, numbers, positions)
    field = scf.RHF(mole) if functional is None else dft.RKS(mole, xc=functional).density_fit()
    if functional is not None:
        field.grids.level = 1
    field.conv_tol = 1e-9
    field.kernel()
    assert field.converged
    index, sign = to_canonical("pyscf", integrals.shells_of(basis, numbers))
    orbitals = field.mo_coeff[:, field.mo_occ > 0][index] * sign[:, None]
    dipole = field.dip_moment(unit="AU", verbose=0)
    return Molecule(np.array(numbers), positions, basis, orbitals, dipole)


def spherical_atom(number: int, orbital: Basis) -> Array:
    """Spherically averaged Hartree-Fock atom by PySCF, (m, m), canonical order."""
    mole = integrals.pyscf_mole(orbital, [number], np.zeros((1, 3)))
    _, _, orbitals, occupation = scf.atom_hf.get_atm_nrhf(mole)[chemical_symbols[number]]
    index, sign = to_canonical("pyscf", integrals.shells_of(orbital, [number]))
    C = orbitals[index] * sign[:, None]
    return (C * occupation) @ C.T
