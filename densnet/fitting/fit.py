"""Coulomb-metric fit of a Kohn-Sham density in a Gaussian basis, with exact charge and dipole.

Minimise (ρ - ρ̂|ρ - ρ̂) over ρ̂ = Σ_k c_k χ_k under q·c = N_e and Σ_k c_k d_k = ∫ r ρ:

    J c = b + A λ,   Aᵀ c = t,   A = [q, d_x, d_y, d_z],   b_k = Σ_mn (k|mn) D_mn

With a ridge λ > 0 the electrostatic energies of what each atom's functions add to a prior, Σ_i (Δρ_i|Δρ_i), are held
small as well: J + λ G in place of J for Δc = c - prior, G the blocks of J on one atom. Atoms whose functions overlap
could else share a density in many ways; a small λ picks a smooth one and hardly changes ρ̂.

Dunlap, Connolly, Sabin, J. Chem. Phys. 71, 3396 (1979); atomic units, canonical order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, eigh, lapack

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.errors import DensnetError

Array = NDArray[np.float64]
Numbers = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True)
class Fit:
    """A fitted density and how good it is.

    Attributes:
        coefficients: c, (k,); charge and dipole are exact.
        dipole: ∫ r ρ of the electrons, (3,), e bohr, positive charge.
        unconstrained_dipole: the same of the fit under the charge constraint alone: shows the basis's own error.
        self_energy: (ρ - ρ̂|ρ - ρ̂) in hartree (no factor 1/2); NaN if the density's own (ρ|ρ) was not given.
        on_one_atom: Σ_i (Δρ_i|Δρ_i) / (Δρ|Δρ), Δρ_i what the functions of atom i add to the prior; well above 1 the
            atoms cancel each other, and coefficients are hard to learn.
        condition_number: of J (ridge included) scaled to unit diagonal, in the 1-norm (LAPACK's estimate).
    """

    coefficients: Array
    dipole: Array
    unconstrained_dipole: Array
    self_energy: float
    on_one_atom: float
    condition_number: float


class CoulombMetric:
    """J of one geometry, factorised once: solves J x = y.

    J is scaled to unit diagonal before its Cholesky factorisation, and a step of iterative refinement follows each
    solution, so that nearly redundant functions cost no digits that matter.

    Args:
        J: (k, k), hartree.
        eigenvalue_cutoff: if given, eigenvectors of the scaled J below it are left out (minimum-norm solution).

    Raises:
        DensnetError: J is not positive definite in floating point (redundant functions) and no cutoff was given.
    """

    def __init__(self, J: Array, eigenvalue_cutoff: float | None = None) -> None:
        self.scale = 1.0 / np.sqrt(np.diag(J))
        self.scaled = J * np.outer(self.scale, self.scale)
        self.pseudo_inverse: Array | None = None
        if eigenvalue_cutoff is not None:
            values, vectors = eigh(self.scaled)
            significant = values > eigenvalue_cutoff
            self.pseudo_inverse = (vectors[:, significant] / values[significant]) @ vectors[:, significant].T
            self.condition_number = float(values[-1] / values[significant][0])
            return
        factor, failed = lapack.dpotrf(self.scaled, lower=1)
        reciprocal = 0.0
        if not failed:
            reciprocal, failed = lapack.dpocon(factor, np.abs(self.scaled).sum(axis=0).max(), uplo="L")
        if failed or reciprocal < 4.0 * np.finfo(float).eps:
            raise DensnetError(
                f"fit basis: its {len(J)} functions are linearly dependent at this geometry; "
                "choose a smaller fit basis, or set an eigenvalue cutoff (for instance 1e-10)"
            )
        self.factor = factor
        self.condition_number = float(1.0 / reciprocal)

    def solve(self, y: Array) -> Array:
        """Return x with J x = y; y (k,) or (k, n)."""
        scale = self.scale.reshape((-1,) + (1,) * (y.ndim - 1))
        right = scale * y
        if self.pseudo_inverse is not None:
            return scale * (self.pseudo_inverse @ right)
        x = cho_solve((self.factor, True), right)
        x += cho_solve((self.factor, True), right - self.scaled @ x)
        return scale * x


def constrained_solution(metric: CoulombMetric, b: Array, A: Array, t: Array) -> Array:
    """Return the c that minimises cᵀ J c - 2 b·c under Aᵀ c = t, by Lagrange multipliers.

    Args:
        metric: J, factorised.
        b: (k,).
        A: (k, n) constraints, one a column.
        t: (n,) their targets.

    Raises:
        DensnetError: the constraints contradict each other (a basis without p functions cannot have any dipole).
    """
    c = metric.solve(b)
    X = metric.solve(A)
    try:
        # A second pass removes what rounding left of the constraint.
        for _ in range(2):
            c = c + X @ np.linalg.solve(A.T @ X, t - A.T @ c)
    except LinAlgError as error:
        raise DensnetError(
            "fit basis: cannot hold the charge and the dipole at once; choose a basis with s and p functions"
        ) from error
    return c


def fit_density(
    basis: Basis,
    orbital_basis: Basis,
    numbers: Numbers,
    positions: Array,
    density_matrix: Array,
    *,
    prior: Array | None = None,
    ridge: float = 0.0,
    density_self_energy: float = float("nan"),
    eigenvalue_cutoff: float | None = None,
) -> Fit:
    """Fit the density of a density matrix; its charge and dipole come out exact.

    Args:
        basis: to fit in.
        orbital_basis: of the density matrix.
        positions: (i, 3) in bohr.
        density_matrix: D, (m, m), spin summed, canonical order.
        prior: coefficients of the superposed free atoms, (k,), from which the ridge holds back; zero if not given.
        ridge: λ, a small share of the atoms' own Coulomb energies, 1e-5 for instance.
        density_self_energy: (ρ|ρ) in hartree (:func:`density_self_energy`), for the residual's.
        eigenvalue_cutoff: see :class:`CoulombMetric`.

    Raises:
        DensnetError: a basis lacks an element, is linearly dependent or cannot hold the constraints.
    """
    at = FitMetric.of(basis, orbital_basis, numbers, positions, ridge=ridge, eigenvalue_cutoff=eigenvalue_cutoff)
    return at.fit(np.asarray(density_matrix), prior=prior, density_self_energy=density_self_energy)


@dataclass(frozen=True)
class FitMetric:
    """What the fits of all densities at one geometry have in common.

    Attributes:
        basis: to fit in.
        orbital_basis: of the density matrices.
        numbers: (i,).
        positions: (i, x) in bohr.
        J: (k, k).
        d: dipoles of the functions about the middle of the molecule, (k, x).
        held: J with the ridge, factorised.
    """

    basis: Basis
    orbital_basis: Basis
    numbers: Numbers
    positions: Array
    J: Array
    d: Array
    held: CoulombMetric

    @classmethod
    def of(
        cls,
        basis: Basis,
        orbital_basis: Basis,
        numbers: Numbers,
        positions: Array,
        *,
        ridge: float,
        eigenvalue_cutoff: float | None = None,
    ) -> FitMetric:
        """Return the metric of a geometry (i, x) in bohr; other arguments and errors: :func:`fit_density`."""
        positions = np.asarray(positions)
        shifted = positions - positions.mean(axis=0)
        J = integrals.coulomb(basis, numbers, shifted)
        held = J.copy()
        for i in atom_slices(basis, numbers):
            held[i, i] *= 1.0 + ridge
        d = integrals.dipoles(basis, numbers, shifted)
        return cls(basis, orbital_basis, numbers, positions, J, d, CoulombMetric(held, eigenvalue_cutoff))

    def fit(self, D: Array, *, prior: Array | None = None, density_self_energy: float = float("nan")) -> Fit:
        """Fit the density of a density matrix D, (m, m); arguments and errors: :func:`fit_density`."""
        orbital_basis, numbers, J, d = self.orbital_basis, self.numbers, self.J, self.d
        n_electrons = float(np.vdot(integrals.overlap(orbital_basis, numbers, self.positions), D))
        centre = self.positions.mean(axis=0)
        # Moments are taken about the middle of the molecule: far from the origin the dipole would drown in N_e R.
        shifted = self.positions - centre
        dipole = np.einsum("xmn,mn->x", integrals.position_matrix(orbital_basis, numbers, shifted), D)
        b = integrals.three_center(self.basis, orbital_basis, numbers, shifted, D)
        moments = np.column_stack([integrals.charges(self.basis, numbers), d])
        p = np.zeros(len(d)) if prior is None else np.asarray(prior)
        difference, left = b - J @ p, np.array([n_electrons, *dipole]) - moments.T @ p
        with_charge = p + constrained_solution(self.held, difference, moments[:, :1], left[:1])
        c = p + constrained_solution(self.held, difference, moments, left)
        on_atoms = [float((c - p)[i] @ J[i, i] @ (c - p)[i]) for i in atom_slices(self.basis, numbers)]
        return Fit(
            coefficients=c,
            dipole=dipole + n_electrons * centre,
            unconstrained_dipole=d.T @ with_charge + n_electrons * centre,
            self_energy=density_self_energy - 2.0 * float(b @ c) + float(c @ J @ c),
            on_one_atom=sum(on_atoms) / float((c - p) @ J @ (c - p)),
            condition_number=self.held.condition_number,
        )


def atom_slices(basis: Basis, numbers: Numbers) -> list[slice]:
    """Return which functions sit on each atom."""
    ends = np.cumsum([basis.n_functions([number]) for number in numbers])
    return [slice(int(end) - basis.n_functions([z]), int(end)) for end, z in zip(ends, numbers, strict=True)]


def density_self_energy(orbital_basis: Basis, numbers: Numbers, positions: Array, density_matrix: Array) -> float:
    """Return (ρ|ρ) = Σ D_mn D_m'n' (mn|m'n') in hartree (no factor 1/2), from exact four-centre integrals.

    Args:
        positions: (i, 3) in bohr.
        density_matrix: D, (m, m), spin summed, canonical order.
    """
    from pyscf.scf.hf import get_jk

    mole = integrals.pyscf_mole(orbital_basis, numbers, positions)
    D = integrals.in_pyscf_order(orbital_basis, numbers, density_matrix)
    coulomb_matrix, _ = get_jk(mole, D, hermi=1, with_k=False)
    return float(np.vdot(coulomb_matrix, D))
