"""Any ASE calculator as a potential, and back: any potential as an ASE calculator."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorError

from densnet.errors import DensnetError
from densnet.mechanics.ase_calculator import AseCalculator
from densnet.molecule import Molecule
from densnet.potential import Array, Potential, Quantities, joined

__all__ = ["AseCalculator", "AsePotential"]

PROPERTIES = ("forces", "energy", "dipole")
"""In the order in which they are asked for: with forces most calculators compute all the rest."""


class AsePotential(Potential):
    """An ASE calculator as a potential; geometries are evaluated one after the other.

    Args:
        calculator: gives energies and forces, in ASE's units, and perhaps a dipole.
        molecule: its charge is told to the calculator as ASE's models have it, ``atoms.info["charge"]``.
        name: as files and figures call it; the calculator's own, if none is given.
    """

    dtype = "unknown"

    def __init__(self, calculator: Any, molecule: Molecule, name: str = "") -> None:
        self.calculator, self.numbers, self.charge = calculator, molecule.numbers, molecule.charge
        self.name = name or str(getattr(calculator, "name", "") or type(calculator).__name__).lower()
        known = set(PROPERTIES) & set(getattr(calculator, "implemented_properties", ()))
        self.quantities = frozenset({"energy", "forces"} | known)

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom.

        Raises:
            DensnetError: the calculator fails.
        """
        return joined([self._evaluated(geometry) for geometry in positions])

    def _evaluated(self, geometry: Array) -> Quantities:
        atoms = self._atoms(geometry)
        try:
            names = [name for name in PROPERTIES if name in self.quantities]
            values = {name: self.calculator.get_property(name, atoms) for name in names}
        except (CalculatorError, RuntimeError, ValueError, KeyError, NotImplementedError, ArithmeticError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise DensnetError(f"{self.name}: the calculator fails: {type(error).__name__}: {reason}") from error
        return {name: np.array([value], dtype=np.float64) for name, value in values.items()}

    def _atoms(self, geometry: Array) -> Atoms:
        return Atoms(self.numbers, geometry, info={"charge": self.charge}, calculator=self.calculator)

    def forget(self) -> None:
        """Drop what the calculator keeps from its last geometry, if it can."""
        if hasattr(self.calculator, "reset"):
            self.calculator.reset()
