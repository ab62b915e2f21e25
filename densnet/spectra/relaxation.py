"""The minimum of the energy, from forces alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.spectra.harmonic import Evaluate

Array = NDArray[np.float64]

STEPS = 300
FORCE = 1e-3
"""eV/Angstrom; what is left of each atom's force at the end."""


def relaxed(numbers: NDArray[np.int64], positions: Array, evaluate: Evaluate) -> Array:
    """Return the positions (i, 3) in Angstrom where the forces vanish, by ASE's BFGS.

    Raises:
        DensnetError: the forces do not vanish within :data:`STEPS` steps.
    """
    atoms = Atoms(numbers, positions, calculator=_Forces(evaluate))
    optimiser = BFGS(atoms, logfile=None)
    if not optimiser.run(fmax=FORCE, steps=STEPS):
        left = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        raise DensnetError(
            f"relaxation: a force of {left:.3g} eV/Angstrom is left after {STEPS} steps; start from another geometry"
        )
    return np.asarray(atoms.positions)


class _Forces(Calculator):
    """Forces for ASE; BFGS reads no energies."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (ASE declares it so)

    def __init__(self, evaluate: Evaluate) -> None:
        super().__init__()
        self.evaluate = evaluate

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: list[str] = all_changes
    ) -> None:
        """Evaluate one geometry."""
        super().calculate(atoms, properties or ["forces"], system_changes)
        current: Atoms = self.atoms  # type: ignore[assignment]
        forces, _ = self.evaluate(current.positions[None])
        self.results = {"energy": 0.0, "forces": forces[0]}
