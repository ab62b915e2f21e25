"""GFN2-xTB, a tight-binding method for all elements up to radon."""

from __future__ import annotations

from typing import Any

import numpy as np

from densnet.errors import DensnetError
from densnet.molecule import Molecule
from densnet.potential import Array, Named, Quantities
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV


class Gfn2(Named):
    """GFN2-xTB (Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019)) by tblite.

    The self-consistency of each geometry starts from what the geometry at its place in the last call ended with.
    """

    name = "gfn2-xtb"
    quantities = frozenset({"energy", "forces", "dipole"})
    elements = frozenset(range(1, 87))

    def __init__(self, molecule: Molecule) -> None:
        super().__init__(molecule)
        self.charge = molecule.charge
        self.calculators: list[Any] = []
        self.guesses: list[Any] = []

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom.

        Raises:
            DensnetError: a self-consistency that does not converge.
        """
        bohr = positions / BOHR_IN_ANGSTROM
        results = []
        try:
            for place, geometry in enumerate(bohr):
                if place == len(self.calculators):
                    self._add_calculator(geometry)
                calculator = self.calculators[place]
                calculator.update(positions=geometry)
                results.append(calculator.singlepoint(self.guesses[place], copy=True))
        except (RuntimeError, ValueError, TypeError) as error:
            reason = str(error).replace("\n", " ")
            raise DensnetError(
                f"gfn2-xtb: {reason}; is the charge right? In dynamics, lower the temperature or the time step"
            ) from error
        self.guesses[: len(results)] = results
        return {
            "energy": np.array([result.get("energy") for result in results]) * HARTREE_IN_EV,
            "forces": np.array([-result.get("gradient") for result in results]) * (HARTREE_IN_EV / BOHR_IN_ANGSTROM),
            "dipole": np.array([result.get("dipole") for result in results]) * BOHR_IN_ANGSTROM,
        }

    def forget(self) -> None:
        """Drop the wavefunctions that the next self-consistency would start from."""
        self.guesses = [None] * len(self.guesses)

    def _add_calculator(self, geometry: Array) -> None:
        from tblite.interface import Calculator

        calculator = Calculator("GFN2-xTB", self.numbers, geometry, charge=float(self.charge))
        calculator.set("verbosity", 0)
        self.calculators.append(calculator)
        self.guesses.append(None)
