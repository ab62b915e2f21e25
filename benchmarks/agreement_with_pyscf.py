"""Psi4's label beside PySCF's own density of the same geometry: the first table of docs/levels.md.

python benchmarks/agreement_with_pyscf.py O
python benchmarks/agreement_with_pyscf.py CCO
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyscf import dft

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.density.error import DensityGrid
from densnet.molecule import from_smiles
from densnet.reference.level import LevelOfTheory
from densnet.reference.single_points import single_points
from densnet.units import E_BOHR_IN_DEBYE

Array = NDArray[np.float64]
RUNS = (
    ("density fitting, the same grid", True, (75, 302)),
    ("density fitting, 150 x 974 points", True, (150, 974)),
    ("exact integrals, 150 x 974 points", False, (150, 974)),
)


def main(smiles: str) -> None:
    """Print the NMAE and the dipole's difference for each way of running PySCF."""
    molecule = from_smiles(smiles)
    with tempfile.TemporaryDirectory() as folder:
        found, _ = single_points(molecule, LevelOfTheory(), n_frames=1, seed=0, folder=Path(folder))
    positions, orbitals = found.frames()[0]
    basis, numbers = found.orbital_basis, found.numbers
    grid = DensityGrid.around(numbers, positions, 4)
    label, mu = grid.kohn_sham(basis, orbitals), electronic_dipole(basis, numbers, positions, orbitals)
    for name, density_fitting, points in RUNS:
        C = pyscf_orbitals(basis, numbers, positions, density_fitting, points)
        nmae = grid.nmae(label, grid.kohn_sham(basis, C), float(2 * C.shape[1]))
        change = np.linalg.norm(mu - electronic_dipole(basis, numbers, positions, C)) * E_BOHR_IN_DEBYE
        print(f"{smiles}  {name:<36} NMAE {nmae:.6f} %  dipole {change:.1e} D", flush=True)


def pyscf_orbitals(
    basis: Basis, numbers: NDArray[np.int64], positions: Array, density_fitting: bool, points: tuple[int, int]
) -> Array:
    """Return PySCF's occupied PBE orbitals, canonical order, tightly converged."""
    field = dft.RKS(integrals.pyscf_mole(basis, numbers, positions), xc="pbe")
    if density_fitting:
        field = field.density_fit(auxbasis="def2-universal-jkfit")
    field.grids.atom_grid, field.grids.prune = points, None
    field.conv_tol, field.conv_tol_grad = 1e-12, 1e-8
    field.kernel()
    index, sign = to_canonical("pyscf", integrals.shells_of(basis, numbers))
    return field.mo_coeff[:, field.mo_occ > 0][index] * sign[:, None]


def electronic_dipole(basis: Basis, numbers: NDArray[np.int64], positions: Array, orbitals: Array) -> Array:
    """Return the electrons' dipole in e bohr, (3,)."""
    X = integrals.position_matrix(basis, numbers, positions - positions.mean(axis=0))
    return np.einsum("xmn,mn->x", X, 2.0 * orbitals @ orbitals.T)


if __name__ == "__main__":
    main(sys.argv[1])
