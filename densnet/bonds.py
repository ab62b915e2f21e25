"""Which atoms of a geometry are bonded, by their distances and covalent radii.

Radii are ASE's: Cordero et al., Dalton Trans. 2832 (2008).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, shortest_path

Array = NDArray[np.float64]

BONDED_BELOW = 1.3
"""Atoms nearer than this many times the sum of their covalent radii are bonded."""
SINGLE_DOUBLE_TRIPLE = {
    "B": (0.85, 0.78, 0.73),
    "C": (0.75, 0.67, 0.60),
    "N": (0.71, 0.60, 0.54),
    "O": (0.63, 0.57, 0.53),
    "Si": (1.16, 1.07, 1.02),
    "P": (1.11, 1.02, 0.94),
    "S": (1.03, 0.94, 0.95),
}
"""Covalent radii of single, double and triple bonds in Angstrom: Pyykkö, Atsumi, Chem. Eur. J. 15, 12770 (2009)."""
CONTACT = 3.2
"""Angstrom; atoms nearer than this are in contact, bonded or not."""


def distances(positions: Array) -> Array:
    """Return the distances (..., i, i) in Angstrom of all atoms of geometries (..., i, x)."""
    return np.linalg.norm(positions[..., :, None, :] - positions[..., None, :, :], axis=-1)


def sums_of_radii(numbers: NDArray[np.int64]) -> Array:
    """Return the sum of the covalent radii of each pair of atoms, (i, i) in Angstrom."""
    return np.add.outer(covalent_radii[numbers], covalent_radii[numbers])


def bonded(numbers: NDArray[np.int64], positions: Array) -> NDArray[np.bool_]:
    """Return which atoms of a geometry (i, x) in Angstrom are bonded, (i, i)."""
    near = distances(positions) < BONDED_BELOW * sums_of_radii(numbers)
    np.fill_diagonal(near, False)
    return near


def bonds_between(bonds: NDArray[np.bool_]) -> Array:
    """Return the number of bonds on the shortest way from atom to atom, (i, i); infinite between fragments."""
    return np.asarray(shortest_path(bonds.astype(float), unweighted=True))


def fragments(bonds: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of the fragment that each atom belongs to, (i,), counted from 0."""
    return np.asarray(connected_components(bonds, directed=False)[1], dtype=np.int64)


@dataclass(frozen=True)
class BondTree:
    """The molecules of a structure, and a way along bonds from the first atom of each to all of its atoms.

    Attributes:
        molecule: the number of each atom's molecule, (i,), counted from 0.
        levels: bonds (n, 2) to atoms one bond away from the first atoms, to those two away, ..., nearer atom first.
        images: lattice vectors that bring each atom beside those it is bonded to, (i, 3).
        endless: whether each molecule is bonded to its own periodic image, (molecule,): a solid, a layer, a chain.
    """

    molecule: NDArray[np.int64]
    levels: tuple[NDArray[np.int64], ...]
    images: NDArray[np.int64]
    endless: NDArray[np.bool_]


def bond_tree(numbers: NDArray[np.int64], positions: Array, cell: Array, periodic: NDArray[np.bool_]) -> BondTree:
    """Return the molecules of a structure, which may be cut by its cell.

    Args:
        numbers: atomic numbers, (i,).
        positions: (i, x), Angstrom.
        cell: lattice vectors, (3, 3), Angstrom; zeros along directions that are not periodic.
        periodic: along which lattice vectors, (3,).
    """
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    structure = Atoms(numbers, positions, cell=cell, pbc=periodic)
    first, second, shift = neighbor_list("ijS", structure, BONDED_BELOW * covalent_radii[numbers])
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(len(numbers), len(numbers)))
    molecule = np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
    reached = np.zeros(len(numbers), dtype=bool)
    reached[np.unique(molecule, return_index=True)[1]] = True
    images, levels = np.zeros((len(numbers), 3), dtype=np.int64), []
    while (leaving := np.flatnonzero(reached[first] & ~reached[second])).size:
        atoms, of_leaving = np.unique(second[leaving], return_index=True)
        bonds = leaving[of_leaving]
        images[atoms] = images[first[bonds]] + shift[bonds]
        reached[atoms] = True
        levels.append(np.stack([first[bonds], atoms], axis=1))
    torn = (images[first] + shift != images[second]).any(axis=1)
    endless = np.zeros(molecule.max(initial=-1) + 1, dtype=bool)
    endless[molecule[first[torn]]] = True
    return BondTree(molecule, tuple(levels), images, endless)


def made_whole(numbers: NDArray[np.int64], positions: Array, cell: Array) -> Array | None:
    """Return a periodic structure with every atom beside those it is bonded to, (i, x), Angstrom; None of a solid.

    Args:
        positions: (i, x), Angstrom.
        cell: lattice vectors, (3, 3), Angstrom.
    """
    tree = bond_tree(numbers, positions, cell, np.ones(3, dtype=bool))
    return None if tree.endless.any() else np.asarray(positions + tree.images @ cell)


def joined_names(numbers: NDArray[np.int64], atoms: Iterable[int]) -> str:
    """Return the name of a bond, angle or torsion by its atoms, counted from one: "C1-H5"."""
    return "-".join(f"{chemical_symbols[numbers[atom]]}{atom + 1}" for atom in atoms)


def bond_name(first: int, second: int, length: float) -> str:
    """Return a bond of two elements as chemists write it, "O-H", "C=O"; its order follows from the length in Angstrom.

    It is double from two fifths of the way between the lengths of a double and a single bond on, triple from a quarter
    of the way between a triple and a double one: benzene's bonds are "C=C", those of amides "C-N", those of CO2 "C=O".
    """
    symbols = in_order([first, second])
    mark = "-"
    if all(symbol in SINGLE_DOUBLE_TRIPLE for symbol in symbols):
        single, double, triple = np.sum([SINGLE_DOUBLE_TRIPLE[symbol] for symbol in symbols], axis=0)
        if length < double + 0.4 * (single - double):
            mark = "≡" if length < triple + 0.25 * (double - triple) else "="
    return mark.join(symbols)


def in_order(numbers: Sequence[int]) -> list[str]:
    """Return elements in the order of formulas, carbon first and hydrogen last."""
    symbols = [chemical_symbols[number] for number in numbers]
    return sorted(symbols, key=lambda symbol: (symbol == "H", symbol != "C", symbol))
