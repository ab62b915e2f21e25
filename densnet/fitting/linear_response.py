r"""First-order change of Kohn-Sham orbitals in a static electric field, and the polarizability that follows.

With the field F the electrons' Hamiltonian is h + F·r. From converged occupied orbitals C, (m, o), the Kohn-Sham matrix
is built once; its eigenvectors in the span of C and in the complement are the orbitals i and a with energies ε. The
coupled-perturbed equations

.. math::

    (ε_a - ε_i) U^x_{ai} + ⟨a| \hat K[D^x] |i⟩ = -⟨a| r_x |i⟩, \qquad
    D^x = 2 \sum_{ai} U^x_{ai} (C_a C_i^T + C_i C_a^T)

have as their kernel K the Coulomb potential and the second derivative of exchange and correlation. Then
C^x_i = Σ_a C_a U^x_ai, ρ^(1)_x = Σ D^x χ χ, and α_xy = -∫ x ρ^(1)_y = -Σ_mn D^y_mn ⟨m|r_x|n⟩. The labels' own program
is not asked again: no self-consistency is iterated. Pople, Krishnan, Schlegel, Binkley, Int. J. Quantum Chem. Symp. 13,
225 (1979); integrals and kernels by PySCF, Coulomb and exchange fitted. Atomic units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import from_canonical, to_canonical
from densnet.basis.pyscf_functionals import libxc_name
from densnet.errors import DensnetError

Array = NDArray[np.float64]

GRID_LEVEL = 1
"""Of exchange and correlation: on ethanol (PBE/def2-SVP) α differs by 3e-6 of itself from that on Psi4's grid."""
AUXILIARY = "def2-universal-jkfit"
"""Of Coulomb and exchange; in α of water it leaves 1e-4 to 2e-4 of itself, from STO-3G to aug-cc-pVTZ."""
CONVERGENCE = 1e-6
ITERATIONS = 40
OFF_STATIONARY = 5e-4
"""Largest ⟨a|F|i⟩ in hartree of orbitals that are taken for converged at the functional that is named; the grid leaves
2e-5, orbitals of PBE in revPBE have 3e-3."""


@dataclass(frozen=True)
class LinearResponse:
    """Response of one geometry to a static field.

    Attributes:
        orbitals: C^x, first-order occupied orbitals, (x, m, o), canonical order; orthogonal to the occupied ones.
        polarizability: α, (x, field), bohr³.
    """

    orbitals: Array
    polarizability: Array


def linear_response(
    orbital_basis: Basis, numbers: NDArray[np.int64], positions: Array, occupied: Array, functional: str
) -> LinearResponse:
    """Solve the coupled-perturbed Kohn-Sham equations of a closed shell for the three directions of a field.

    Args:
        positions: (i, 3) in bohr.
        occupied: C, orthonormal, (m, o), canonical order.
        functional: that the orbitals are converged with, by Psi4's name.

    Raises:
        DensnetError: the functional is unknown here or not the orbitals' own; the equations do not converge.
    """
    shells = integrals.shells_of(orbital_basis, numbers)
    back, sign = from_canonical("pyscf", shells)
    C = np.asarray(occupied)[back] * sign[:, None]
    mean_field = _mean_field(orbital_basis, numbers, positions, C, functional)
    gap, position = _orbitals_from_fock(mean_field, C), mean_field.mol.intor("int1e_r")
    i, a = np.split(mean_field.mo_coeff, [C.shape[1]], axis=1)
    potential = mean_field.gen_response(hermi=1)

    def matrix_times(U: Array) -> Array:
        """Return (ε_a - ε_i) U_ai + ⟨a| K[D(U)] |i⟩ of the three directions."""
        half = 2.0 * np.einsum("ma,xai,ni->xmn", a, U, i, optimize=True)
        induced = np.asarray(potential(half + half.transpose(0, 2, 1)))
        return gap * U + np.einsum("ma,xmn,ni->xai", a, induced, i, optimize=True)

    U = conjugate_gradients(matrix_times, -np.einsum("ma,xmn,ni->xai", a, position, i, optimize=True), gap)
    first_order = np.einsum("ma,xai->xmi", a, U)
    half = np.einsum("xmi,ni->xmn", first_order, i)
    alpha = -4.0 * np.einsum("xmn,ymn->xy", position, half)
    # C and the eigenvectors of F in its span differ by a rotation of the occupied orbitals
    first_order = np.einsum("xmi,io->xmo", first_order, i.T @ mean_field.get_ovlp() @ C)
    index, forward = to_canonical("pyscf", shells)
    return LinearResponse(first_order[:, index] * forward[:, None], 0.5 * (alpha + alpha.T))


def conjugate_gradients(matrix_times: Callable[[Array], Array], right: Array, diagonal: Array) -> Array:
    """Return U (x, a, i) with M U = right, M symmetric and nearly diagonal; each of the x on its own, all at once.

    Args:
        matrix_times: M U of any U.
        diagonal: of M, about, (a, i); the preconditioner.

    Raises:
        DensnetError: M is not positive, so that the orbitals are no minimum; no convergence.
    """
    U, residual = np.zeros_like(right), right
    direction = step = residual / diagonal
    product = np.einsum("xai,xai->x", residual, step)
    for _ in range(ITERATIONS):
        moved = matrix_times(direction)
        curvature = np.einsum("xai,xai->x", direction, moved)
        if (curvature < 0).any():
            raise DensnetError("response: the orbitals are no minimum of the energy; label this frame again")
        # a direction that has vanished is finished, whatever its curvature
        length = np.divide(product, curvature, out=np.zeros_like(product), where=curvature > 0)[:, None, None]
        U, residual = U + length * direction, residual - length * moved
        step = residual / diagonal
        if np.abs(step).max() < CONVERGENCE:
            return U
        before, product = product, np.einsum("xai,xai->x", residual, step)
        share = np.divide(product, before, out=np.zeros_like(product), where=before > 0)
        direction = step + share[:, None, None] * direction
    raise DensnetError(
        f"response: the coupled-perturbed equations are off by {np.abs(step).max():.1e} after {ITERATIONS} iterations"
    )


def _mean_field(
    orbital_basis: Basis, numbers: NDArray[np.int64], positions: Array, occupied: Array, functional: str
) -> Any:
    """Return PySCF's restricted Kohn-Sham (or Hartree-Fock) object at this geometry, with a coarse grid."""
    from pyscf import dft, scf

    mole = integrals.pyscf_mole(orbital_basis, numbers, positions)
    mole.charge, mole.spin = int(numbers.sum()) - 2 * occupied.shape[1], 0
    if functional.lower() in ("hf", "scf"):
        return scf.RHF(mole).density_fit(auxbasis=AUXILIARY)
    mean_field = dft.RKS(mole, xc=libxc_name(functional)).density_fit(auxbasis=AUXILIARY)
    mean_field.grids.level = GRID_LEVEL
    return mean_field


def _orbitals_from_fock(mean_field: Any, occupied: Array) -> Array:
    """Give the object the eigenvectors of F within and beyond the occupied space; return ε_a - ε_i, (a, i).

    Raises:
        DensnetError: the orbitals are not stationary: another functional, basis or geometry than theirs.
    """
    S, n_occupied = mean_field.get_ovlp(), occupied.shape[1]
    F = mean_field.get_fock(dm=2.0 * occupied @ occupied.T)
    values, vectors = np.linalg.eigh(S)
    orthonormal = vectors / np.sqrt(values)
    complement = orthonormal - occupied @ (occupied.T @ S @ orthonormal)
    norms, vectors = np.linalg.eigh(complement.T @ S @ complement)
    beyond = complement @ vectors[:, n_occupied:] / np.sqrt(norms[n_occupied:])
    energies, coefficients = [], []
    for space in (occupied, beyond):
        levels, rotation = np.linalg.eigh(space.T @ F @ space)
        energies.append(levels)
        coefficients.append(space @ rotation)
    off = float(np.abs(coefficients[0].T @ F @ coefficients[1]).max())
    if not off < OFF_STATIONARY:
        raise DensnetError(
            f"orbitals: not stationary at the functional that is named (largest element {off:.1e} hartree, expected "
            f"less than {OFF_STATIONARY:g}); functional, basis and geometry must be the labels' own"
        )
    mean_field.mo_coeff, mean_field.mo_energy = np.hstack(coefficients), np.concatenate(energies)
    mean_field.mo_occ = np.where(np.arange(len(F)) < n_occupied, 2.0, 0.0)
    gap: Array = energies[1][:, None] - energies[0]
    return gap
