"""Axes that turn with molecules: the principal axes of inertia of a geometry, carried along a trajectory.

A molecule is laid onto its reference geometry by a rotation R (:mod:`densnet.mechanics.alignment`); its axes are
u_k = R u_k⁰.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from densnet.bonds import BondTree, bond_tree, joined_names
from densnet.errors import DensnetError
from densnet.mechanics.alignment import centred, rotations_from
from densnet.mechanics.wholeness import BROKEN
from densnet.molecule import formula
from densnet.potential import Array
from densnet.validation.motion import Motion

AXES = ("smallest", "middle", "largest")
"""Principal axes by their moments of inertia."""
STRAIGHT_BELOW = 0.1
"""Angstrom: the radius of gyration about its axis below which a molecule is linear, bending included."""


@dataclass(frozen=True)
class WholeMolecules:
    """Molecules of one formula along a trajectory, none of them cut by the cell.

    Attributes:
        formula: of each.
        masses: Da, (m, i).
        positions: Angstrom, (replica, time, m, i, x).
    """

    formula: str
    masses: Array
    positions: Array

    @property
    def linear(self) -> bool:
        """Return whether all are linear in the first frame: then only the axis of the smallest moment is defined."""
        moments, _ = principal_axes(self.masses, self.positions[0, 0])
        return bool((moments[:, 0] < STRAIGHT_BELOW**2 * self.masses.sum(axis=-1)).all())

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the names of the axes that are defined."""
        return AXES[:1] if self.linear else AXES


def principal_axes(masses: Array, positions: Array) -> tuple[Array, Array]:
    """Return moments of inertia (..., 3) in Da Å², from small to large, and their axes (..., k, x).

    Args:
        masses: Da, (..., i).
        positions: Angstrom, (..., i, x).
    """
    x = centred(masses, positions)
    second = np.einsum("...i,...ix,...iy->...xy", masses, x, x)
    inertia = np.trace(second, axis1=-2, axis2=-1)[..., None, None] * np.eye(3) - second
    moments, vectors = np.linalg.eigh(inertia)
    return moments, np.swapaxes(vectors, -1, -2)


def carried_axes(molecules: WholeMolecules) -> Array:
    """Return the axes u of each molecule in each frame, unit vectors (replica, time, m, k, x).

    The reference of a molecule is its geometry in the first frame of the first replica. k counts those axes that
    :attr:`WholeMolecules.axes` names.
    """
    reference = molecules.positions[0, 0]
    _, axes = principal_axes(molecules.masses, reference)
    rotations = rotations_from(molecules.masses, reference, molecules.positions)
    return np.einsum("...xy,...ky->...kx", rotations, axes[:, : len(molecules.axes)])


def whole_molecules(motion: Motion, chosen: str | None = None, tree: BondTree | None = None) -> WholeMolecules:
    """Return the molecules of a trajectory, told apart by the bonds of its first frame and made whole along them.

    Args:
        motion: of all atoms.
        chosen: the formula of those to return, where there are several.
        tree: the molecules, if they are known already.

    Raises:
        DensnetError: they cannot be told apart, are of several formulas and none is chosen, or lose a bond.
    """
    tree = tree or tree_of(motion)
    atoms = _chosen_atoms(motion, tree, chosen)
    positions = whole_positions(motion, tree)
    return WholeMolecules(formula(motion.numbers[atoms[0]]), motion.masses[atoms], positions[:, :, atoms])


def tree_of(motion: Motion) -> BondTree:
    """Return the molecules of a trajectory by the bonds of its first frame."""
    return bond_tree(motion.numbers, motion.positions[0, 0], motion.cells[0, 0], motion.periodic)


def whole_positions(motion: Motion, tree: BondTree) -> Array:
    """Return a trajectory (replica, time, i, x) in which no molecule is cut by the cell.

    Raises:
        DensnetError: a bond of the first frame is broken.
    """
    positions = np.empty_like(motion.positions)
    for replica, time in np.ndindex(positions.shape[:2]):
        positions[replica, time] = _whole(motion, tree, replica, time)
    return positions


def bond_vectors(motion: Motion, tree: BondTree, replica: int, time: int) -> tuple[NDArray[np.int64], Array, Array]:
    """Return the bonds (n, 2) of a tree, their vectors (n, x) in a frame to the nearest image, and their lengths (n,).

    Vectors and lengths are in Angstrom.
    """
    from ase.geometry import find_mic

    bonds = np.concatenate([np.empty((0, 2), dtype=np.int64), *tree.levels])
    positions = motion.positions[replica, time]
    vectors = positions[bonds[:, 1]] - positions[bonds[:, 0]]
    if motion.periodic.any() and len(bonds):
        vectors, lengths = find_mic(vectors, motion.cells[replica, time], motion.periodic)
        return bonds, vectors, lengths
    return bonds, vectors, np.linalg.norm(vectors, axis=1)


def stretches(numbers: NDArray[np.int64], bonds: NDArray[np.int64], lengths: Array) -> Array:
    """Return the lengths of bonds over the sums of the covalent radii, (n,)."""
    return np.asarray(lengths / covalent_radii[numbers[bonds]].sum(axis=1))


def _chosen_atoms(motion: Motion, tree: BondTree, chosen: str | None) -> NDArray[np.int64]:
    """Return the atoms of each molecule of one formula, (m, i)."""
    molecules = np.split(np.argsort(tree.molecule, kind="stable"), np.cumsum(np.bincount(tree.molecule))[:-1])
    formulas = [formula(motion.numbers[atoms]) for atoms in molecules]
    if chosen is not None:
        chosen = _known(chosen, formulas, motion.name)
    elif len(set(formulas)) > 1:
        raise DensnetError(
            f"{motion.name}: expected molecules of one formula, found {_counts(formulas)}; choose one by --formula"
        )
    rows = [row for row, name in enumerate(formulas) if chosen in (None, name)]
    if tree.endless[rows].any():
        raise DensnetError(
            f"{motion.name}: {formulas[rows[0]]} is bonded to its own periodic image; expected molecules that their "
            "bonds tell apart, not a network"
        )
    if len(molecules[rows[0]]) < 2:
        raise DensnetError(f"{motion.name}: {formulas[rows[0]]} is a single atom, which has no axis; choose --formula")
    return np.array([molecules[row] for row in rows])


def _known(chosen: str, formulas: Sequence[str], name: str) -> str:
    """Return that formula of a trajectory which has the same elements as the chosen one."""
    from ase.formula import Formula

    try:
        count = Formula(chosen).count()
    except ValueError as error:
        raise DensnetError(f"formula: expected one like C2H6O, found {chosen!r}") from error
    for present in set(formulas):
        if Formula(present).count() == count:
            return present
    raise DensnetError(f"formula: expected one of those of {name}, {_counts(formulas)}, found {chosen!r}")


def _counts(formulas: Sequence[str]) -> str:
    common = Counter(formulas).most_common()
    shown = ", ".join(f"{count} {name}" for name, count in common[:5])
    return shown + (f" and {len(common) - 5} more" if len(common) > 5 else "")


def _whole(motion: Motion, tree: BondTree, replica: int, time: int) -> Array:
    """Return a frame (i, x) with each atom at the end of its bond's nearest image.

    Raises:
        DensnetError: a bond of the first frame is broken.
    """
    positions = motion.positions[replica, time].copy()
    bonds, vectors, lengths = bond_vectors(motion, tree, replica, time)
    stretch = stretches(motion.numbers, bonds, lengths)
    if stretch.max(initial=0.0) > BROKEN:
        worst = int(stretch.argmax())
        raise DensnetError(
            f"{motion.name}: the bond {joined_names(motion.numbers, bonds[worst])} of the first frame is "
            f"{lengths[worst]:.2f} Å long in frame {time + 1}; give the frames before molecules break"
        )
    start = 0
    for level in tree.levels:
        positions[level[:, 1]] = positions[level[:, 0]] + vectors[start : start + len(level)]
        start += len(level)
    return positions
