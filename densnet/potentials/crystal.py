"""Any ASE calculator as the potential of a crystal, whose cell stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms

from densnet.potential import Array
from densnet.potentials.ase import AsePotential


class CrystalPotential(AsePotential):
    """An ASE calculator as the potential of a crystal with a fixed cell.

    Args:
        calculator: gives energies and forces of a periodic structure, in ASE's units.
        crystal: its elements, cell and periodicity; its positions do not matter.
        name: as files and figures call it.
    """

    def __init__(self, calculator: Any, crystal: Atoms, name: str) -> None:
        self.calculator, self.name = calculator, name
        self.numbers = np.asarray(crystal.numbers, dtype=np.int64)
        self.cell, self.periodic = crystal.cell.array.copy(), crystal.pbc.copy()
        self.quantities = frozenset({"energy", "forces"})

    def _atoms(self, geometry: Array) -> Atoms:
        return Atoms(self.numbers, geometry, cell=self.cell, pbc=self.periodic, calculator=self.calculator)
