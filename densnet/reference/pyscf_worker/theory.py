"""Level of theory: PySCF's field of it, with Psi4's auxiliary basis, grid and criterion of convergence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyscf
from ase.data import chemical_symbols
from pyscf import dft, gto, lib, scf
from pyscf.df.addons import DEFAULT_AUXBASIS
from pyscf.gto.basis import load_ecp
from pyscf.lib.exceptions import BasisNotFoundError
from worker_jobs import JobError

from densnet.basis.basis import Basis
from densnet.basis.integrals import pyscf_mole

GRID = (75, 302)
"""Radial and spherical points of an atom: Psi4's."""
NONLOCAL_GRID = (50, 146)
"""The same of VV10's double integral."""
UNIVERSAL = "def2-universal-jkfit"
"""Auxiliary basis of orbital bases that have none of their own; def2's are the same."""


def molecule(basis: Basis, numbers: Sequence[int], positions: np.ndarray, charge: int) -> Any:
    """Return PySCF's molecule, closed shell, at ``positions`` (atom, 3) in bohr, functions in the basis' own order."""
    mol = pyscf_mole(basis, numbers, positions)
    mol.charge, mol.spin = charge, 0
    return mol


def orbital_basis(name: str, numbers: Sequence[int]) -> Basis:
    """Return the orbital basis as data, or refuse it: core potentials."""
    basis = Basis.from_name(name, numbers)
    for number in sorted({int(number) for number in numbers}):
        symbol = chemical_symbols[number]
        try:
            has_potential = bool(load_ecp(name, symbol))
        except (BasisNotFoundError, KeyError, RuntimeError):
            has_potential = False
        if has_potential:
            raise JobError(
                f"basis: {name!r} replaces core electrons of {symbol} by a potential; choose an all-electron basis"
            )
    return basis


def auxiliary_basis(mol: Any, name: str) -> dict[str, Any]:
    """Return the basis of density fitting for Coulomb and exchange that Psi4 takes beside an orbital basis, by element.

    PySCF has the table of Psi4's manual, in which Pople's bases stand without their polarisation.
    """
    simplified = re.sub(r"[-_ ]", "", name.lower())
    named = DEFAULT_AUXBASIS.get(re.sub(r"(\*+|\(.*\))$", "", simplified), (UNIVERSAL,))[0]
    return {symbol: _auxiliary_shells(named, symbol) for symbol in sorted(set(mol.elements))}


def _auxiliary_shells(name: str, symbol: str) -> Any:
    for candidate in (name, UNIVERSAL):
        try:
            return gto.basis.load(candidate, symbol)
        except (BasisNotFoundError, KeyError, RuntimeError):
            continue
    raise JobError(f"basis: PySCF has no auxiliary basis for {symbol}; set program to psi4")


def field_of(mol: Any, job: dict[str, Any], fitted: Any = None) -> Any:
    """Return the restricted, density-fitted Hartree-Fock or Kohn-Sham field of a molecule, not yet converged.

    Args:
        job: with ``level`` and ``xc``.
        fitted: the fitted integrals of a field of the same molecule.
    """
    level = job["level"]
    mol.max_memory = level["memory_gib"] * 1024
    field = scf.RHF(mol) if job["xc"] == "HF" else dft.RKS(mol, xc=job["xc"])
    field = field.density_fit(auxbasis=auxiliary_basis(mol, level["basis"]))
    if fitted is not None:
        field.with_df = fitted
    field.chkfile = None
    field.verbose = 0
    if job["xc"] != "HF":
        set_grid(field, GRID)
        field.nlcgrids.atom_grid, field.nlcgrids.prune = NONLOCAL_GRID, None
    field.conv_tol = level["energy_convergence"]
    field.conv_tol_grad = gradient_tolerance(mol.nao, level["density_convergence"])
    field.max_cycle = level["max_iterations"]
    return field


def set_grid(field: Any, points: tuple[int, int]) -> None:
    """Set radial and spherical points of every atom, without pruning."""
    field.grids.atom_grid, field.grids.prune = points, None


def gradient_tolerance(functions: int, density_convergence: float) -> float:
    r"""Return PySCF's bound on the norm of the orbital gradient that is Psi4's on its root mean square.

    Psi4's is the commutator :math:`[F, D]` in an orthonormal basis of N functions, whose two blocks are
    :math:`\pm F_{ov}`; PySCF's gradient is :math:`2 F_{ov}`: with :math:`|[F, D]|^2 = 2 |F_{ov}|^2` it is
    :math:`\sqrt 2 N` times the root mean square.
    """
    return float(np.sqrt(2.0) * functions * density_convergence)


def prepare(job: dict[str, Any], numbers: Sequence[int]) -> tuple[Basis, dict[str, Any]]:
    """Set PySCF up for the job; return the orbital basis and what the "ready" event says."""
    lib.num_threads(1)
    basis = orbital_basis(job["level"]["basis"], numbers)
    shells = {
        str(number): [
            {"l": shell.l, "exponents": list(shell.exponents), "coefficients": list(shell.coefficients)}
            for shell in listed
        ]
        for number, listed in basis.shells.items()
    }
    return basis, {
        "event": "ready",
        "program": f"PySCF {pyscf.__version__}",
        "ao_convention": "pyscf",
        "orbital_basis": {"name": basis.name, "shells": shells},
        "own_dispersion": "vv10" if job["xc"] != "HF" and dft.libxc.is_nlc(job["xc"]) else "none",
    }
