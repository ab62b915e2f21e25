"""What tells a molecule from its ruins: distances in units of the sum of covalent radii."""

from __future__ import annotations

import ase.data
import numpy as np
from numpy.typing import NDArray

from densnet.bonds import bonded, distances, joined_names, sums_of_radii
from densnet.potential import Array

COLLAPSED, BROKEN, NEW_BOND = 0.55, 2.0, 1.15
"""Of the sum of covalent radii: no pair of atoms comes nearer, no bond between heavy atoms gets longer, and no heavy
atoms come nearer that were not bonded. Atoms with a common neighbour, 2.4 Angstrom for C and O in ethanol, stay above
1.6 times in hot molecules too."""


class Wholeness:
    """Tells a molecule from its ruins, by the bonds of a geometry and the covalent radii.

    Pairs of atoms nearer than :data:`COLLAPSED`, bonds between heavy atoms longer than :data:`BROKEN`, new bonds
    between heavy atoms (:data:`NEW_BOND`), and a hydrogen with no atom within :data:`BROKEN` are faults. A hydrogen
    that goes from one atom to another is none: hot molecules do that.

    Args:
        numbers: atomic numbers, (i,).
        minimum: Angstrom, (i, x).
    """

    def __init__(self, numbers: NDArray[np.int64], minimum: Array) -> None:
        self.numbers, self.sums = numbers, sums_of_radii(numbers)
        heavy = np.logical_and.outer(numbers > 1, numbers > 1)
        bonds = bonded(numbers, minimum)
        self.least = np.where(heavy & ~bonds, NEW_BOND, COLLAPSED)
        self.most = np.where(heavy & bonds, BROKEN, np.inf)
        self.own = np.eye(len(numbers), dtype=bool)

    def faults(self, positions: Array) -> list[str]:
        """Return for each replica (R, i, x), in Angstrom, what is wrong with it: "" if nothing."""
        separation = distances(positions)
        ratio = np.where(self.own, np.inf, separation / self.sums)
        near, far = ratio < self.least, np.where(self.own, 0.0, ratio) > self.most
        lost = (ratio.min(axis=-1) > BROKEN) & (self.numbers == 1)
        wrong = near.any(axis=(1, 2)) | far.any(axis=(1, 2)) | lost.any(axis=1)
        reasons = [""] * len(positions)
        for replica in np.flatnonzero(wrong):
            if far[replica].any():
                reasons[replica] = self._of_pair(far[replica], separation[replica], "broken")
            elif near[replica].any():
                reasons[replica] = self._of_pair(near[replica], separation[replica], "too close")
            else:
                atom = int(lost[replica].argmax())
                reasons[replica] = f"{ase.data.chemical_symbols[self.numbers[atom]]}{atom + 1} lost"
        return reasons

    def _of_pair(self, which: NDArray[np.bool_], separation: Array, fault: str) -> str:
        pair = tuple(np.argwhere(which)[0])
        return f"{joined_names(self.numbers, pair)} {fault}, {separation[pair]:.2f} Å"
