"""GFN2-xTB as a peer that moves replicas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tblite.interface import Calculator, Result

from densnet.dynamics.state import Array, Forces
from densnet.errors import DensnetError
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV


class Gfn2Potential:
    """GFN2-xTB (Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019)) by tblite.

    Each replica starts its self-consistency from its own last wavefunction.
    """

    name = "gfn2-xtb"

    def __init__(self, numbers: NDArray[np.int64], charge: int, replicas: int) -> None:
        self.numbers, self.charge = numbers, charge
        self.calculators: list[Calculator] = []
        self.guesses: list[Result | None] = [None] * replicas

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, a, 3) in Angstrom.

        Raises:
            DensnetError: an element without parameters, or a self-consistency that does not converge.
        """
        bohr = positions / BOHR_IN_ANGSTROM
        results = []
        try:
            if not self.calculators:
                self.calculators = [Calculator("GFN2-xTB", self.numbers, r, charge=float(self.charge)) for r in bohr]
                for calculator in self.calculators:
                    calculator.set("verbosity", 0)
            for calculator, guess, r in zip(self.calculators, self.guesses, bohr, strict=True):
                calculator.update(positions=r)
                results.append(calculator.singlepoint(guess, copy=True))
        except (RuntimeError, ValueError, TypeError) as error:
            reason = str(error).replace("\n", " ")
            raise DensnetError(f"gfn2-xtb: {reason}; lower the temperature or the timestep") from error
        self.guesses = list(results)
        return Forces(
            np.array([result.get("energy") for result in results]) * HARTREE_IN_EV,
            np.array([-result.get("gradient") for result in results]) * (HARTREE_IN_EV / BOHR_IN_ANGSTROM),
            np.array([result.get("dipole") for result in results]) * BOHR_IN_ANGSTROM,
        )

    def forget(self) -> None:
        """Drop the wavefunctions that the next self-consistency would start from."""
        self.guesses = [None] * len(self.guesses)
