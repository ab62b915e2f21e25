"""Minima of the energy, from forces alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.spectra.harmonic import Evaluate, Harmonic, harmonic

Array = NDArray[np.float64]

STEPS = 3000
"""At most; soft torsions of long chains ask for many: twelve thiophene units for more than 300."""
FORCE = 1e-3
"""eV/Angstrom; what is left of each atom's force at the end."""
DOWNWARD = -10.0
"""1/cm; a mode below it is no rounding error: the energy curves down, and the point is no minimum."""
DOWNHILL = 0.15
"""Angstrom; so far the atom that moves most is taken off a saddle point."""
ROUNDS = 4


def minimum(numbers: NDArray[np.int64], positions: Array, masses: Array, evaluate: Evaluate) -> tuple[Array, Harmonic]:
    """Return a minimum (i, 3) in Angstrom near a geometry, and its normal modes.

    A relaxation keeps the symmetry that it begins with, and may so end at a saddle point, of a flat chain for instance.
    From there it goes on along the modes that lead down, :data:`ROUNDS` times at most; a mode that still does is in the
    result with its negative wavenumber.

    Raises:
        DensnetError: the forces do not vanish within :data:`STEPS` steps.
    """
    for last in (*[False] * (ROUNDS - 1), True):
        positions = relaxed(numbers, positions, evaluate)
        found = harmonic(positions, masses, evaluate)
        down = found.wavenumber < DOWNWARD
        if last or not down.any():
            break
        step = found.modes[down].sum(0).reshape(-1, 3) / np.sqrt(masses)[:, None]
        positions = positions + DOWNHILL * step / np.linalg.norm(step, axis=1).max()
    return positions, found


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
