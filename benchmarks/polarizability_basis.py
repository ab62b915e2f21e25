"""Polarizability of a molecule in several orbital bases, by coupled-perturbed Kohn-Sham: errors and costs.

    python benchmarks/polarizability_basis.py --smiles CCO

One geometry, the molecule's as RDKit and GFN2-xTB make it; the last basis is what the others are held against.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from pyscf import dft

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.fitting.linear_response import linear_response
from densnet.mechanics.relaxation import relaxed
from densnet.molecule import from_smiles
from densnet.potentials import named
from densnet.training.response_errors import anisotropy
from densnet.units import BOHR_IN_ANGSTROM

BASES = ("def2-SVP", "def2-SVPD", "aug-cc-pVDZ", "aug-cc-pVTZ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smiles", default="CCO")
    parser.add_argument("--functional", default="PBE")
    parser.add_argument("--bases", nargs="+", default=BASES)
    options = parser.parse_args()
    molecule = from_smiles(options.smiles)
    positions = relaxed(named("gfn2-xtb")(molecule), molecule.positions) / BOHR_IN_ANGSTROM
    rows = [row(molecule.numbers, positions, name, options.functional) for name in options.bases]
    best = rows[-1]
    print(f"{'basis':14} functions  iso [bohr³]  off [%]  anisotropy  SCF [s]  response [s]")
    for name, functions, isotropic, gamma, scf, response in rows:
        off = 100 * (isotropic / best[2] - 1)
        print(f"{name:14} {functions:9d}  {isotropic:11.3f}  {off:7.2f}  {gamma:10.3f}  {scf:7.1f}  {response:12.1f}")


def row(
    numbers: np.ndarray, positions: np.ndarray, name: str, functional: str
) -> tuple[str, int, float, float, float, float]:
    basis = Basis.from_name(name, numbers)
    mole = integrals.pyscf_mole(basis, numbers, positions)
    mole.charge = mole.spin = 0
    began = time.monotonic()
    mean_field = dft.RKS(mole, xc=functional).density_fit(auxbasis="def2-universal-jkfit")
    mean_field.run(conv_tol=1e-9, verbose=0)
    converged = time.monotonic()
    index, sign = to_canonical("pyscf", integrals.shells_of(basis, numbers))
    occupied = mean_field.mo_coeff[:, mean_field.mo_occ > 0][index] * sign[:, None]
    alpha = linear_response(basis, numbers, positions, occupied, functional).polarizability
    ended = time.monotonic()
    isotropic, gamma = float(np.trace(alpha)) / 3, float(anisotropy(alpha[None])[0])
    return name, basis.n_functions(numbers), isotropic, gamma, converged - began, ended - converged


if __name__ == "__main__":
    main()
