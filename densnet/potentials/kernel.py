"""Fitted kernel maps as a potential."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.kernel.hohenberg_kohn import HohenbergKohn
from densnet.kernel.kernel_files import read_kernel
from densnet.potential import Array, Potential, Quantities


class KernelPotential(Potential):
    """Energy, exact forces and the density's dipole by ML-HK (:mod:`densnet.kernel`), for the molecule of its labels.

    Args:
        maps: fitted maps.
        numbers: atomic numbers (i,), those of the maps in their order.

    Raises:
        DensnetError: another molecule, or its atoms in another order.
    """

    name = "kernel"
    quantities = frozenset({"energy", "forces", "dipole"})

    def __init__(self, maps: HohenbergKohn, numbers: NDArray[np.int64]) -> None:
        if not np.array_equal(maps.numbers, numbers):
            expected, actual = (" ".join(chemical_symbols[z] for z in atoms) for atoms in (maps.numbers, numbers))
            raise DensnetError(
                f"kernel: expected the atoms that it was fitted to, in their order, {expected}, found {actual}; "
                "order the atoms alike, or fit it to labels of this molecule"
            )
        self.maps, self.numbers = maps, maps.numbers
        self.elements = frozenset(map(int, numbers))

    @classmethod
    def from_file(cls, path: Path, numbers: NDArray[np.int64]) -> KernelPotential:
        """Return the potential of an output of 'densnet kernel'.

        Raises:
            DensnetError: no such file, or another molecule.
        """
        return cls(read_kernel(path), numbers)

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom."""
        energy, forces = self.maps.energy_and_forces(positions)
        return {"energy": energy, "forces": forces, "dipole": self.maps.dipole(positions)}
