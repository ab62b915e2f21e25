"""Densities that come as coefficients of a named fitting basis: checked, charge and dipole made exact, no fit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.error import DensityGrid
from densnet.errors import DensnetError
from densnet.fitting.fit import CoulombMetric, constrained_solution
from densnet.fitting.label_content import FittedFrame
from densnet.fitting.prior import fit_free_atom, superposition
from densnet.fitting.settings import FitSettings
from densnet.reference import import_checks as checks
from densnet.reference.imported_data import ImportedData
from densnet.units import BOHR_IN_ANGSTROM, E_BOHR_IN_DEBYE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ImportedFrame:
    """One frame in atomic units: positions (i, 3), c (k,) canonical, orbitals (m, o) or None, dipole (3,) or None."""

    positions: Array
    coefficients: Array
    orbitals: Array | None
    dipole: Array | None


@dataclass(frozen=True)
class ImportedMolecule:
    """What all frames share: numbers (i,), bases, the prior's coefficients (k,), number of electrons."""

    numbers: NDArray[np.int64]
    fit_basis: Basis
    orbital_basis: Basis | None
    prior: Array
    n_electrons: int

    @classmethod
    def of(
        cls, data: ImportedData, atom_basis: Basis, atoms: Mapping[int, Array]
    ) -> tuple[ImportedMolecule, list[ImportedFrame]]:
        """Check the coefficients' order, normalisation, charge and dipole; return them in canonical order.

        Args:
            atom_basis: of the free atoms' density matrices ``atoms``, (m, m) by atomic number.

        Raises:
            DensnetError: they are not what they are said to be.
        """
        functions = data.fit_functions
        if functions is None or data.coefficients is None:
            raise DensnetError(f"{data.source}: holds no coefficients; give 'coefficients' or use its orbitals")
        basis, numbers = functions.basis, data.numbers
        scale = checks.function_lengths(data)
        checks.check_overlap(data, scale)
        if data.overlap is None and not data.labelled:
            print(
                f"densnet import: warning: {data.source} has no 'overlap' of its fitting functions: charge and dipole "
                "alone are checked, which do not see a wrong order of functions with l >= 2",
                file=sys.stderr,
            )
        c = functions.canonical(data.coefficients, 1) * scale
        tolerance = checks.LABELLED if data.labelled else checks.IN_ORDER
        _check_charges(data, c @ integrals.charges(basis, numbers), tolerance.charge)
        moments = [
            data.numbers @ r - frame @ integrals.dipoles(basis, numbers, r / BOHR_IN_ANGSTROM) * BOHR_IN_ANGSTROM
            for r, frame in zip(data.positions, c, strict=True)
        ]
        orbitals = None if data.orbitals is None else checks.canonical_orbitals(data)
        dipoles = data.dipoles if orbitals is None else checks.orbital_dipoles(data, orbitals)
        if dipoles is not None:
            checks.check_dipoles(data, np.array(moments), dipoles, tolerance.dipole_debye)
        priors = {number: fit_free_atom(basis, atom_basis, number, matrix) for number, matrix in atoms.items()}
        frames = [
            ImportedFrame(
                positions=data.positions[t] / BOHR_IN_ANGSTROM,
                coefficients=c[t],
                orbitals=None if orbitals is None else orbitals[t],
                dipole=None if dipoles is None else dipoles[t] / BOHR_IN_ANGSTROM,
            )
            for t in range(len(c))
        ]
        orbital_basis = data.orbital_functions.basis if data.orbital_functions and orbitals is not None else None
        molecule = cls(numbers, basis, orbital_basis, superposition(basis, numbers, priors), data.n_electrons)
        return molecule, frames


def _check_charges(data: ImportedData, charges: Array, tolerance: float) -> None:
    off = np.abs(charges - data.n_electrons)
    if off.max() > tolerance * data.n_electrons:
        frame = int((off > tolerance * data.n_electrons).argmax())
        raise DensnetError(
            f"{data.source}: frame {frame}: the coefficients hold {charges[frame]:.4f} electrons, expected "
            f"{data.n_electrons}; check fit_basis, order, shells, normalisation and charge"
        )
    if off.max() > checks.MOVED_CHARGE * data.n_electrons:
        print(
            f"densnet import: {data.source}: the coefficients' charge is off by up to {off.max():.3g} electrons: moved "
            "to the nearest densities of the exact charge",
            file=sys.stderr,
        )


def take_frame(frame: ImportedFrame, *, molecule: ImportedMolecule, settings: FitSettings) -> tuple[FittedFrame, Array]:
    """Make charge and dipole exact and measure the density's errors; return them and the dipole in e Å, (3,).

    The density that has both exactly and is nearest in the Coulomb metric: minimise δᵀ J δ under q·(c + δ) = N_e and
    Σ (c + δ)_k d_k = the exact electronic dipole. Without a dipole to go by, the charge alone is made exact.

    Raises:
        DensnetError: the fit basis is linearly dependent and no eigenvalue cutoff was given.
    """
    basis, numbers = molecule.fit_basis, molecule.numbers
    # About the middle of the molecule: far from the origin the dipole would drown in N_e R.
    centre = frame.positions.mean(axis=0)
    shifted = frame.positions - centre
    q, d = integrals.charges(basis, numbers), integrals.dipoles(basis, numbers, shifted)
    metric = CoulombMetric(integrals.coulomb(basis, numbers, shifted), settings.eigenvalue_cutoff)
    nothing = np.zeros_like(q)

    def nearest(A: Array, t: Array) -> Array:
        return frame.coefficients + constrained_solution(metric, nothing, A, t - A.T @ frame.coefficients)

    charged = nearest(q[:, None], np.array([float(molecule.n_electrons)]))
    c, dipole_error = charged, float("nan")
    if frame.dipole is not None:
        electrons = numbers @ frame.positions - frame.dipole - molecule.n_electrons * centre
        c = nearest(np.column_stack([q, d]), np.array([molecule.n_electrons, *electrons]))
        dipole_error = float(np.linalg.norm(charged @ d - electrons)) * E_BOHR_IN_DEBYE
    grid = DensityGrid.around(numbers, frame.positions, settings.grid_level)
    rho, rho_prior = grid.fitted(basis, np.stack([c, molecule.prior]))
    floor = float("nan")
    if frame.orbitals is not None and molecule.orbital_basis is not None:
        floor = grid.nmae(rho, grid.kohn_sham(molecule.orbital_basis, frame.orbitals), molecule.n_electrons)
    taken = FittedFrame(
        failure="",
        coefficients=c,
        floor_nmae=floor,
        floor_dipole_error=dipole_error,
        prior_nmae=grid.nmae(rho_prior, rho, molecule.n_electrons),
        condition_number=metric.condition_number,
    )
    dipole = numbers @ frame.positions - c @ integrals.dipoles(basis, numbers, frame.positions)
    return taken, dipole * BOHR_IN_ANGSTROM
