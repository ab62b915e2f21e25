r"""Which vibrations belong to the same symmetry species, from the geometry alone and without character tables.

An operation R of the point group moves atom i to where an equal one stands, :math:`R x_i = x_{\pi(i)}`, and so acts on
the modes, :math:`(D(R) m)_{\pi(i)} = R m_i`. The mean of D over a class of conjugate operations commutes with all of
them and with the Hessian; on the modes of one species it is the number :math:`\chi(C) / d`, its character over its
degeneracy (Wilson, Decius, Cross, Molecular Vibrations (1955), ch. 5). The spaces in which every class has one such
number are the species.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Array = NDArray[np.float64]

TOLERANCE = 0.05
"""Angstrom; so far a relaxed geometry may be from the symmetric one. Soft torsions end some hundredths away from it."""
STRAIGHT = 0.02
"""Of the second axis of the atoms' positions over the first: below it they are in a row."""
SAME = 0.1
"""Between the elements of two matrices of one operation; those of two operations differ by 0.5 and more."""
GAP = 0.2
"""Between the numbers of a class on two species; they are 1, 1/2, 1/3 ... apart."""
BELONGS = 0.6
"""Share of a mode that must lie in its species; less says that the geometry's symmetry is not the Hessian's."""


@dataclass(frozen=True)
class Operation:
    """A rotation, reflection or inversion of a molecule onto itself.

    Attributes:
        matrix: R (x, x) about the centre.
        image: (i,) the atom where each atom comes to lie.
    """

    matrix: Array
    image: NDArray[np.int64]

    def acting_on(self, modes: Array) -> Array:
        """Return D(R) m of modes (n, 3 i)."""
        vectors = modes.reshape(len(modes), -1, 3)
        moved = np.empty_like(vectors)
        moved[:, self.image] = vectors @ self.matrix.T
        return moved.reshape(modes.shape)


@dataclass(frozen=True)
class Species:
    """Modes of one symmetry species.

    Attributes:
        modes: which, ascending.
        symmetric: no operation changes them.
    """

    modes: NDArray[np.int64]
    symmetric: bool


def operations(masses: Array, positions: Array, tolerance: float = TOLERANCE) -> list[Operation]:
    """Return the operations that lay a molecule onto itself, the identity among them.

    Of atoms in a row, quarter turns about the axis stand for all turns.

    Args:
        masses: (i,) atoms of equal mass are the same.
        positions: (i, x) in Angstrom.
        tolerance: between an atom and where it should be, Angstrom.
    """
    x = positions - masses @ positions / masses.sum()
    _, extent, axes = np.linalg.svd(x)
    matrices = _of_a_row(axes) if extent[1] <= STRAIGHT * extent[0] else _candidates(masses, x, tolerance)
    distinct: list[Operation] = []
    for matrix in matrices:
        operation = _operation(matrix, masses, x, tolerance)
        if operation is not None and not any(_alike(operation.matrix, known.matrix) for known in distinct):
            distinct.append(operation)
    return distinct


def species_of(masses: Array, positions: Array, modes: Array) -> list[Species] | None:
    """Return the species of normal modes at a geometry; None if the modes do not have its symmetry.

    Args:
        masses: (i,).
        positions: (i, x) in Angstrom.
        modes: (n, 3 i) mass-weighted, orthonormal.
    """
    spaces, group = [np.eye(len(modes))], operations(masses, positions)
    for operators in _classes(group):
        mean = np.mean([operation.acting_on(modes) for operation in operators], axis=0) @ modes.T
        spaces = [part for space in spaces for part in _split(space, (mean + mean.T) / 2)]
    owner = np.repeat(np.arange(len(spaces)), [space.shape[1] for space in spaces])
    shares = np.stack([(space**2).sum(1) for space in spaces], axis=1)[:, owner]
    rows, columns = linear_sum_assignment(shares, maximize=True)
    if len(rows) < len(modes) or shares[rows, columns].min() < BELONGS:
        return None
    return [
        Species(np.flatnonzero(owner[columns] == number), _unchanged(space.T @ modes, group))
        for number, space in enumerate(spaces)
    ]


def _of_a_row(axes: Array) -> list[Array]:
    """Return identity, quarter turns about the first axis, and inversion."""
    quarter = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    return [np.eye(3), axes.T @ quarter @ axes, axes.T @ quarter.T @ axes, -np.eye(3)]


def _candidates(masses: Array, x: Array, tolerance: float) -> list[Array]:
    """Return matrices that lay two atoms, not in line with the centre, onto equal ones, the first of them the same."""
    first = int(np.linalg.norm(x, axis=1).argmax())
    second = int(np.linalg.norm(np.cross(x[first], x), axis=1).argmax())
    frame = np.stack([x[first], x[second], np.cross(x[first], x[second])], axis=1)
    matrices = [np.eye(3)]
    for i in np.flatnonzero(masses == masses[first]):
        for j in np.flatnonzero(masses == masses[second]):
            lengths = [x[first] @ x[first] - x[i] @ x[i], x[second] @ x[second] - x[j] @ x[j]]
            if i == j or np.abs([*lengths, x[first] @ x[second] - x[i] @ x[j]]).max() > 8 * tolerance:
                continue
            for sign in (1, -1):
                image = np.stack([x[i], x[j], sign * np.cross(x[i], x[j])], axis=1)
                left, _, right = np.linalg.svd(image @ np.linalg.inv(frame))
                matrices.append(left @ right)
    return matrices


def _operation(matrix: Array, masses: Array, x: Array, tolerance: float) -> Operation | None:
    """Return the operation near a matrix, None if it does not lay every atom onto an equal one."""
    apart = np.linalg.norm((x @ matrix.T)[:, None] - x, axis=2)
    image = np.where(masses[:, None] == masses, apart, np.inf).argmin(axis=1)
    if len(set(image.tolist())) < len(x) or apart[np.arange(len(x)), image].max() > 2 * tolerance:
        return None
    left, _, right = np.linalg.svd(x[image].T @ x)
    left[:, 2] *= np.sign(np.linalg.det(matrix) * np.linalg.det(left @ right))
    best = left @ right if np.linalg.matrix_rank(x, tol=tolerance) > 1 else matrix
    if np.linalg.norm(x @ best.T - x[image], axis=1).max() > tolerance:
        return None
    return Operation(best, image)


def _alike(first: Array, second: Array) -> bool:
    return bool(np.abs(first - second).max() < SAME)


def _classes(group: Sequence[Operation]) -> list[list[Operation]]:
    """Return the operations by classes of conjugates, inverses together."""
    left, classes = list(group), list[list[Operation]]()
    while left:
        conjugates = [by.matrix @ left[0].matrix @ by.matrix.T for by in group]
        conjugates += [matrix.T for matrix in conjugates]
        members = [entry for entry in left if any(_alike(entry.matrix, matrix) for matrix in conjugates)]
        classes.append(members)
        left = [entry for entry in left if not any(entry is member for member in members)]
    return classes


def _split(space: Array, operator: Array) -> list[Array]:
    """Return the parts of a space (n, m) on which a symmetric operator (n, n) is one number."""
    values, vectors = np.linalg.eigh(space.T @ operator @ space)
    edges = [0, *(np.flatnonzero(np.diff(values) > GAP) + 1).tolist(), len(values)]
    return [space @ vectors[:, start:end] for start, end in pairwise(edges)]


def _unchanged(vectors: Array, group: Sequence[Operation]) -> bool:
    return all(np.einsum("nx,nx->n", operation.acting_on(vectors), vectors).min() > 1 - GAP for operation in group)
