"""Whether a crystal stays what it was along a trajectory: its volume, and its molecules."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from densnet.bonds import BondTree, joined_names
from densnet.errors import DensnetError
from densnet.mechanics.wholeness import BROKEN, NEW_BOND
from densnet.potential import Array
from densnet.validation.findings import Finding
from densnet.validation.molecular_axes import bond_vectors, stretches
from densnet.validation.motion import Motion

HYDROGEN_REACH = 1.2
"""Angstrom; with 1.15 covalent radii of its neighbour, how far from a hydrogen its nearest heavy atom is looked for."""


@dataclass(frozen=True)
class Intactness:
    """What happens to a cell and its molecules.

    Attributes:
        volume: Angstrom³, (replica, time).
        molecules: their number.
        frames: frames of each replica before the first in which a molecule of any replica is no longer what it was.
        fault: what is wrong in that frame; "" if all molecules are whole in all frames.
    """

    volume: Array
    molecules: int
    frames: int
    fault: str


def check_cell(motion: Motion) -> None:
    """See that a trajectory is periodic along all three lattice vectors.

    Raises:
        DensnetError: it is not.
    """
    if motion.periodic.all():
        return
    found = "no cell" if not motion.periodic.any() else f'pbc="{" ".join("FT"[int(flag)] for flag in motion.periodic)}"'
    raise DensnetError(
        f'{motion.name}: expected a crystal, Lattice="..." with pbc="T T T", found {found}; give its cell, or test a '
        "molecule by the other verbs"
    )


def intactness(motion: Motion, tree: BondTree) -> Intactness:
    """Return the volumes of a periodic trajectory and whether its molecules last.

    A molecule is no longer what it was when a bond is longer than :data:`BROKEN` times the sum of the covalent radii,
    when heavy atoms of two molecules are nearer than :data:`NEW_BOND` times that, or when the heavy atom nearest
    to a hydrogen is one of another molecule.

    Args:
        motion: the trajectory.
        tree: its molecules.
    """
    replicas, frames = motion.positions.shape[:2]
    faults = (
        (time, replica, fault)
        for time in range(frames)
        for replica in range(replicas)
        if (fault := _fault(motion, tree, replica, time))
    )
    time, replica, fault = next(faults, (frames, 0, ""))
    if fault:
        fault = f"{fault} in frame {time + 1}" + (f" of replica {replica + 1}" if replicas > 1 else "")
    volume = np.abs(np.linalg.det(motion.cells))
    return Intactness(volume, int(tree.molecule.max(initial=-1)) + 1, time, fault)


def first_frames(motion: Motion, frames: int) -> Motion:
    """Return the first so many frames of each replica."""
    energy = None if motion.energy is None else motion.energy[:, :frames]
    return replace(motion, positions=motion.positions[:, :frames], cells=motion.cells[:, :frames], energy=energy)


def intactness_findings(intact: Intactness, condition: str) -> list[Finding]:
    """Return volume and the number of frames with whole molecules; what broke is part of the condition."""
    volume = intact.volume
    change = float(np.abs(volume / volume[0, 0] - 1).max())
    frames = f"{condition}; {intact.fault}" if intact.fault else condition
    return [
        Finding("molecules in the cell", condition, intact.molecules, "1"),
        Finding("volume of the cell, mean", condition, float(volume.mean()), "Å³"),
        Finding("largest relative change of the volume", condition, change, "1"),
        Finding("frames in which all molecules are whole", frames, intact.frames, "1"),
        Finding("frames of the trajectory", condition, volume.shape[1], "1"),
    ]


def _fault(motion: Motion, tree: BondTree, replica: int, time: int) -> str:
    """Return what is wrong with the molecules of a frame, "" if nothing."""
    numbers, molecule = motion.numbers, tree.molecule
    bonds, _, lengths = bond_vectors(motion, tree, replica, time)
    stretch = stretches(numbers, bonds, lengths)
    if stretch.max(initial=0.0) > BROKEN:
        worst = int(stretch.argmax())
        return f"{joined_names(numbers, bonds[worst])} broken, {lengths[worst]:.2f} Å"
    frame = Atoms(numbers, motion.positions[replica, time], cell=motion.cells[replica, time], pbc=motion.periodic)
    reach = np.where(numbers == 1, HYDROGEN_REACH, NEW_BOND * covalent_radii[numbers])
    first, second, apart = neighbor_list("ijd", frame, reach)
    heavy = (numbers[first] > 1) & (numbers[second] > 1)
    joined = np.flatnonzero(heavy & (molecule[first] != molecule[second]))
    if joined.size:
        n = joined[int(apart[joined].argmin())]
        return f"{joined_names(numbers, (first[n], second[n]))} of two molecules too close, {apart[n]:.2f} Å"
    return _hydrogen_elsewhere(motion, tree, first, second, apart)


def _hydrogen_elsewhere(
    motion: Motion, tree: BondTree, first: NDArray[np.int64], second: NDArray[np.int64], apart: Array
) -> str:
    """Return which hydrogen has gone to another molecule, if one has.

    Args:
        first, second: atoms that are near to each other, (n,).
        apart: their distances, Angstrom, (n,).
    """
    numbers, molecule = motion.numbers, tree.molecule
    with_heavy = np.isin(molecule, molecule[numbers > 1])
    pairs = np.flatnonzero((numbers[first] == 1) & with_heavy[first] & (numbers[second] > 1))
    pairs = pairs[np.argsort(apart[pairs], kind="stable")]
    hydrogens, nearest = np.unique(first[pairs], return_index=True)
    for h, heavy in zip(hydrogens, second[pairs[nearest]], strict=True):
        if molecule[heavy] != molecule[h]:
            return f"{joined_names(numbers, [h])} gone to {joined_names(numbers, [heavy])}"
    return ""
