r"""Natural density functions: few contracted functions of a large basis that hold almost all of a density.

For one element and one l let :math:`x = L^T \Delta c`, (n, 2 l + 1), be the whitened difference of a fitted density
from its free atoms, :math:`B = L L^T` the Coulomb block of one centre (:mod:`densnet.basis.whitening`). The
eigenvectors U of

.. math:: C_{nn'} = \frac{1}{N} \sum_{t, i, m} x_{nm} x_{n'm}

over frames t and atoms i of the element are the principal components of Δρ in the Coulomb metric; the columns of
:math:`L^{-T} U` contract the large basis to orthonormal functions on each atom. Among all elements and l those
are kept whose eigenvalue, the electrostatic energy that one coefficient carries, is largest. The first s function of
each element is its free atom, so that the prior stays exact. After natural orbitals (Löwdin, Phys. Rev. 97, 1474
(1955)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from densnet.basis.basis import Basis, Shell
from densnet.basis.whitening import unwhitening_factor, whitening_factor
from densnet.errors import DensnetError
from densnet.fitting.prior import superposition

Array = NDArray[np.float64]
Key = tuple[int, int]
"""Element and l."""


@dataclass(frozen=True)
class FittedMolecule:
    """A molecule whose density was fitted in the large basis: numbers (i,), coefficients (t, k) of its frames."""

    numbers: NDArray[np.int64]
    coefficients: Array


@dataclass(frozen=True)
class _Components:
    """Principal components of one element and l: vectors (n, n) in columns, the energy in each, and per coefficient."""

    vectors: Array
    energies: Array
    per_coefficient: Array


def natural_basis(
    primitives: Basis,
    free_atoms: Mapping[int, Array],
    molecules: Sequence[FittedMolecule],
    *,
    retained_share: float,
    name: str = "natural",
) -> Basis:
    """Contract a large basis to the natural density functions of some fitted densities.

    Args:
        primitives: the large basis.
        free_atoms: by atomic number, coefficients of the free atom in the s functions of ``primitives``
            (:func:`densnet.fitting.prior.fit_free_atom`); none of what is fitted without free atoms, a response.
        molecules: fitted in ``primitives``.
        retained_share: of Σ x², the on-site electrostatic energy of all Δρ, that the kept functions hold; 0 to 1.
        name: of the result.

    Raises:
        DensnetError: the share is not between 0 and 1, no molecules, or too few functions for charge and dipole.
    """
    if not 0.0 < retained_share < 1.0:
        raise DensnetError(f"retained_share: expected a share between 0 and 1, got {retained_share:g}")
    if not molecules:
        raise DensnetError("natural basis: expected at least one fitted molecule, got none; fit some frames first")
    atoms = {number: _free_atom_direction(primitives, number, c) for number, c in free_atoms.items()}
    components = {
        key: _principal(x, atoms.get(key[0]) if key[1] == 0 else None)
        for key, x in _whitened(primitives, free_atoms, molecules).items()
    }
    threshold = _threshold(components, retained_share)
    shells: dict[int, list[Shell]] = {}
    for (number, l), principal in sorted(components.items()):
        chosen = principal.vectors[:, principal.per_coefficient >= threshold]
        if l == 0 and number in atoms:
            chosen = np.column_stack([atoms[number], chosen])
        shells.setdefault(number, []).extend(_contracted(primitives, number, l, chosen))
    if not any(shell.l == 1 for listed in shells.values() for shell in listed):
        raise DensnetError(
            f"retained_share: {retained_share:g} keeps no p functions, which the dipole needs; choose one nearer to 1"
        )
    return Basis(name, {number: tuple(listed) for number, listed in shells.items()})


def _whitened(
    primitives: Basis, free_atoms: Mapping[int, Array], molecules: Sequence[FittedMolecule]
) -> dict[Key, Array]:
    """Return x of all frames and atoms of each element and l, (n, t i m), largest axis last."""
    gathered: dict[Key, list[Array]] = {}
    for molecule in molecules:
        layout = primitives.layout(molecule.numbers)
        prior = superposition(primitives, molecule.numbers, free_atoms) if free_atoms else 0.0
        difference = molecule.coefficients - prior
        for atom, number in enumerate(molecule.numbers):
            for l in sorted({shell.l for shell in primitives.of(int(number))}):
                columns = difference[:, (layout.atom == atom) & (layout.l == l)]
                blocks = columns.reshape(len(columns), -1, 2 * l + 1)
                L = whitening_factor(primitives, int(number), l)
                x = np.einsum("pn,tpm->ntm", L, blocks)
                gathered.setdefault((int(number), l), []).append(x.reshape(len(L), -1))
    return {key: np.concatenate(columns, axis=1) for key, columns in gathered.items()}


def _free_atom_direction(primitives: Basis, number: int, coefficients: Array) -> Array:
    """Return the free atom as a vector of unit length in the whitened space of s functions, (n,)."""
    x = whitening_factor(primitives, number, 0).T @ coefficients
    return x / np.linalg.norm(x)


def _principal(x: Array, taken: Array | None) -> _Components:
    """Diagonalise x xᵀ, (n, n), in the space orthogonal to ``taken`` (n,)."""
    if taken is not None:
        x = x - np.outer(taken, taken @ x)
    energies, vectors = np.linalg.eigh(x @ x.T)
    energies, vectors = np.maximum(energies[::-1], 0.0), vectors[:, ::-1]
    # An eigenvector's sign is arbitrary; the same data shall give the same basis.
    vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(vectors))] < 0, -1.0, 1.0)
    return _Components(vectors, energies, energies / x.shape[1])


def _threshold(components: Mapping[Key, _Components], share: float) -> float:
    """Return the smallest energy per coefficient such that what lies above it holds ``share`` of all energy."""
    energies = np.concatenate([c.energies for c in components.values()])
    per_coefficient = np.concatenate([c.per_coefficient for c in components.values()])
    order = np.argsort(-per_coefficient, kind="stable")
    held = np.cumsum(energies[order]) / energies.sum()
    return float(per_coefficient[order[min(int(np.searchsorted(held, share)), len(order) - 1)]])


def _contracted(primitives: Basis, number: int, l: int, vectors: Array) -> list[Shell]:
    exponents = [shell.exponents for shell in primitives.of(number) if shell.l == l]
    if any(len(e) != 1 for e in exponents):
        raise DensnetError(
            f"basis {primitives.name!r}: has contracted functions; natural functions are made from an uncontracted "
            "basis such as even-tempered"
        )
    columns = unwhitening_factor(primitives, number, l) @ vectors
    return [Shell(l, tuple(e[0] for e in exponents), tuple(column)) for column in columns.T]
