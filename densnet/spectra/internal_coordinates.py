"""Stretches, bends and torsions of a molecule, and how they change when its atoms move (Wilson's s vectors).

E. B. Wilson, J. C. Decius, P. C. Cross, Molecular Vibrations (1955), ch. 4; torsions after Blondel and Karplus,
J. Comput. Chem. 17, 1132 (1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.bonds import bond_name, bonded, in_order

Array = NDArray[np.float64]
Atoms = NDArray[np.int64]

KINDS = ("stretch", "bend", "torsion")
FLAT_DEGREES = 350.0
"""Sum of the angles about an atom with three neighbours above which it is flat, but for its vibrations."""
LINEAR_COSINE = 0.996
"""Three atoms in a row (175 degrees) have no angle that could be differentiated, but bend in two directions; there are
no torsions about them."""


@dataclass(frozen=True)
class InternalCoordinates:
    """Which atoms each coordinate belongs to.

    Attributes:
        stretches: (m, 2).
        bends: (m, 3), the middle atom in the middle.
        linear: (m, 3), atoms in a row, each of them two bends more.
        torsions: (m, 4), about the middle bond.
        planes: (m, 3), for each bend, those of atoms in a row behind the others, the neighbours of its middle atom if
            they are three and all in a plane with it; otherwise thrice the middle atom.
    """

    stretches: Atoms
    bends: Atoms
    linear: Atoms
    torsions: Atoms
    planes: Atoms

    @classmethod
    def of(cls, numbers: NDArray[np.int64], positions: Array) -> InternalCoordinates:
        """Find all bonds of a geometry (i, 3) in Angstrom, and every bend and torsion along them."""
        neighbours = [np.flatnonzero(row).tolist() for row in bonded(numbers, positions)]
        stretches = [(i, j) for i, bonded_to in enumerate(neighbours) for j in bonded_to if i < j]
        bends = [(i, j, k) for j, bonded_to in enumerate(neighbours) for i, k in combinations(bonded_to, 2)]
        bent = [bend for bend in bends if abs(_cosine(positions, bend)) < LINEAR_COSINE]
        linear = [bend for bend in bends if bend not in bent]
        known = set(bent) | {(k, j, i) for i, j, k in bent}
        torsions = [
            (i, j, k, l)
            for j, k in stretches
            for i in neighbours[j]
            for l in neighbours[k]
            if i != k and l != j and i != l and (i, j, k) in known and (j, k, l) in known
        ]
        planes = [tuple(neighbours[j]) if _is_flat(positions, j, neighbours[j]) else (j, j, j) for _, j, _ in bent]
        planes += [(j, j, j) for _, j, _ in linear for _ in range(2)]
        return cls(_atoms(stretches, 2), _atoms(bent, 3), _atoms(linear, 3), _atoms(torsions, 4), _atoms(planes, 3))

    @property
    def all_bends(self) -> Atoms:
        """Return the atoms of all bends, (m, 3), those in a row twice and behind the others."""
        return np.concatenate([self.bends, self.linear.repeat(2, axis=0)])

    def derivatives(self, positions: Array) -> dict[str, Array]:
        """Return dq/dR of each kind at geometries (t, i, 3), (t, m, 3 i): no units, or radian/Angstrom."""
        vectors_of = {
            "stretch": (self.stretches, _stretch(positions, self.stretches)),
            "bend": (
                self.all_bends,
                np.concatenate([_bend(positions, self.bends), _linear_bends(positions, self.linear)], axis=1),
            ),
            "torsion": (self.torsions, _torsion(positions, self.torsions)),
        }
        return {kind: _spread(atoms, vectors, positions.shape) for kind, (atoms, vectors) in vectors_of.items()}

    def names(self, numbers: NDArray[np.int64], positions: Array) -> dict[str, list[str]]:
        """Return what each coordinate is called: "C=O stretch", "C-O-H bend", "C-O torsion" after its middle bond.

        Args:
            numbers: (i,).
            positions: (t, i, 3) in Angstrom; bonds are named by their mean lengths.
        """

        def bond(i: int, j: int) -> str:
            length = np.linalg.norm(positions[:, i] - positions[:, j], axis=-1).mean()
            return bond_name(numbers[i], numbers[j], float(length))

        def angle(i: int, j: int, k: int) -> str:
            first, last = in_order([numbers[i], numbers[k]])
            return f"{first}-{chemical_symbols[numbers[j]]}-{last}"

        return {
            "stretch": [f"{bond(i, j)} stretch" for i, j in self.stretches],
            "bend": [f"{angle(i, j, k)} bend" for i, j, k in self.all_bends],
            "torsion": [f"{bond(j, k)} torsion" for _, j, k, _ in self.torsions],
        }

    @property
    def has_flat(self) -> bool:
        """Whether any bend is about a flat atom."""
        return bool((self.planes[:, 0] != self.planes[:, 1]).any())

    def in_plane(self, positions: Array, bends: Array) -> Array:
        """Return derivatives of bends (t, m, 3 i), at flat atoms without what leaves the plane of the neighbours.

        There the three angles sum to 360 degrees, and an atom that swings through the plane changes the sum by the
        square of its height: a motion out of the plane, for torsions to tell, would now and then be one of bends.
        """
        a, b, c = (positions[:, self.planes[:, corner]] for corner in range(3))
        normal = np.cross(b - a, c - a)
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        normal = normal / np.where(length > 0, length, 1.0)
        vectors = bends.reshape(*bends.shape[:2], -1, 3)
        height = np.einsum("tmix,tmx->tmi", vectors, normal)
        return np.asarray((vectors - height[..., None] * normal[:, :, None]).reshape(bends.shape))


def _is_flat(positions: Array, middle: int, neighbours: list[int]) -> bool:
    if len(neighbours) != 3:
        return False
    cosines = [_cosine(positions, (i, middle, k)) for i, k in combinations(neighbours, 2)]
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).sum()) > FLAT_DEGREES


def _atoms(listed: Sequence[tuple[int, ...]], size: int) -> Atoms:
    return np.array(listed, dtype=np.int64).reshape(-1, size)


def _cosine(positions: Array, bend: tuple[int, int, int]) -> float:
    i, j, k = bend
    u, v = positions[i] - positions[j], positions[k] - positions[j]
    return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))


def _spread(atoms: Atoms, vectors: Array, shape: tuple[int, ...]) -> Array:
    """Put the vectors (t, m, corners, 3) of each coordinate where its atoms stand among all, (t, m, 3 i)."""
    rows = np.zeros((shape[0], len(atoms), shape[1], 3))
    which = np.arange(len(atoms))
    for corner in range(atoms.shape[1]):
        rows[:, which, atoms[:, corner]] = vectors[:, :, corner]
    return rows.reshape(shape[0], len(atoms), 3 * shape[1])


def _unit(vectors: Array) -> tuple[Array, Array]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / length, length


def _stretch(positions: Array, atoms: Atoms) -> Array:
    u, _ = _unit(positions[:, atoms[:, 0]] - positions[:, atoms[:, 1]])
    return np.stack([u, -u], axis=2)


def _bend(positions: Array, atoms: Atoms) -> Array:
    u, a = _unit(positions[:, atoms[:, 0]] - positions[:, atoms[:, 1]])
    v, b = _unit(positions[:, atoms[:, 2]] - positions[:, atoms[:, 1]])
    cosine = (u * v).sum(-1, keepdims=True)
    sine = np.sqrt(1 - cosine**2)
    first, last = (cosine * u - v) / (a * sine), (cosine * v - u) / (b * sine)
    return np.stack([first, -first - last, last], axis=2)


def _linear_bends(positions: Array, atoms: Atoms) -> Array:
    """Return the s vectors of atoms in a row (t, 2 m, 3, 3): each row bends in two directions across its axis.

    In a direction e they are e/a and e/b for the ends, a and b from the middle, which takes the opposite of both.
    """
    u, a = _unit(positions[:, atoms[:, 0]] - positions[:, atoms[:, 1]])
    v, b = _unit(positions[:, atoms[:, 2]] - positions[:, atoms[:, 1]])
    axis, _ = _unit(u - v)
    across = np.eye(3)[np.abs(axis).argmin(axis=-1)]
    first, _ = _unit(np.cross(axis, across))
    directions = np.stack([first, np.cross(axis, first)], axis=2)
    a, b = a[:, :, None], b[:, :, None]
    vectors = np.stack([directions / a, -directions / a - directions / b, directions / b], axis=3)
    return vectors.reshape(len(positions), -1, 3, 3)


def _torsion(positions: Array, atoms: Atoms) -> Array:
    i, j, k, l = (positions[:, atoms[:, corner]] for corner in range(4))
    F, G, H = i - j, j - k, l - k
    A, B = np.cross(F, G), np.cross(H, G)
    length = np.linalg.norm(G, axis=-1, keepdims=True)
    a, b = A / (A * A).sum(-1, keepdims=True), B / (B * B).sum(-1, keepdims=True)
    along = (F * G).sum(-1, keepdims=True) / length * a - (H * G).sum(-1, keepdims=True) / length * b
    return np.stack([-length * a, length * a + along, -length * b - along, length * b], axis=2)
