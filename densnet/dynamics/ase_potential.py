"""Any ASE calculator as a potential that moves replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorError
from numpy.typing import NDArray

from densnet.dynamics.state import Array, Forces, Potential
from densnet.errors import DensnetError


class AsePotential:
    """An ASE calculator as a potential; replicas are evaluated one after the other.

    Args:
        calculator: gives energies and forces, in ASE's units; a dipole that comes with them is passed on.
        numbers: atomic numbers, (i,).
    """

    def __init__(self, calculator: Any, numbers: NDArray[np.int64]) -> None:
        self.calculator, self.numbers = calculator, numbers
        self.name = str(getattr(calculator, "name", "") or type(calculator).__name__).lower()

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, i, x) in Angstrom.

        Raises:
            DensnetError: the calculator fails.
        """
        energy, forces, dipole = [], [], []
        for geometry in positions:
            atoms = Atoms(self.numbers, geometry, calculator=self.calculator)
            try:
                forces.append(atoms.get_forces())
                energy.append(atoms.get_potential_energy())
            except (CalculatorError, RuntimeError, ValueError, KeyError, NotImplementedError, ArithmeticError) as error:
                reason = (str(error).splitlines() or [""])[0]
                raise DensnetError(f"{self.name}: the calculator fails: {type(error).__name__}: {reason}") from error
            known = getattr(self.calculator, "results", {}).get("dipole")
            dipole.append(np.zeros(3) if known is None else known)
        return Forces(np.array(energy, dtype=np.float64), np.array(forces, dtype=np.float64), np.array(dipole))

    def forget(self) -> None:
        """Drop what the calculator keeps from its last geometry, if it can."""
        if hasattr(self.calculator, "reset"):
            self.calculator.reset()


class Separate:
    """Potentials side by side, one a replica; a geometry that one refuses has no energy (NaN) and spares the others.

    Args:
        potentials: of one replica each; the same one again and again if it keeps nothing between calls.
    """

    def __init__(self, potentials: Sequence[Potential]) -> None:
        self.potentials = tuple(potentials)
        self.name = self.potentials[0].name
        self.worked = False

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, i, x) in Angstrom.

        Raises:
            DensnetError: the very first geometry is refused; then the potential is at fault and not the geometry.
        """
        found = []
        for potential, geometry in zip(self.potentials, positions, strict=True):
            try:
                found.append(potential(geometry[None]))
                self.worked = True
            except DensnetError:
                if not self.worked:
                    raise
                potential.forget()
                found.append(Forces(np.array([np.nan]), np.full((1, *geometry.shape), np.nan), np.full((1, 3), np.nan)))
        joined = (np.concatenate([getattr(one, name) for one in found]) for name in ("energy", "forces", "dipole"))
        return Forces(*joined)

    def forget(self) -> None:
        """Let every potential drop what its last call left behind."""
        for potential in self.potentials:
            potential.forget()
