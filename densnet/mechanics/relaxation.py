"""Minima of the energy, from forces alone."""

from __future__ import annotations

import math

import numpy as np
from ase import Atoms
from ase.optimize import BFGS

from densnet.bonds import bonded
from densnet.errors import DensnetError
from densnet.mechanics.ase_calculator import AseCalculator
from densnet.potential import Array, Potential

STEPS = 3000
"""At most; soft torsions of long chains ask for many: twelve thiophene units for more than 300."""
FORCE = 1e-3
"""eV/Angstrom; what is left of each atom's force at the end."""


def relaxed(
    potential: Potential, positions: Array, *, force: float = FORCE, steps: int = STEPS, same_bonds: bool = False
) -> Array:
    """Return the positions (i, x) in Angstrom near a geometry where the forces vanish, by ASE's BFGS.

    Args:
        potential: of the molecule.
        positions: Angstrom, (i, x).
        force: largest that is left of any atom, eV/Angstrom.
        steps: at most.
        same_bonds: refuse a minimum of another molecule.

    Raises:
        DensnetError: forces that are not finite or do not vanish; other bonds at the end than at the start.
    """
    potential.forget()
    atoms = Atoms(potential.numbers, positions, calculator=AseCalculator(potential))
    left = math.nan
    for _ in (optimiser := BFGS(atoms, logfile=None)).irun(fmax=force, steps=steps):
        left = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        if not math.isfinite(left):
            raise DensnetError(f"{potential.name}: its forces are not finite near the geometry given; give another")
    if left >= force:
        raise DensnetError(
            f"{potential.name}: a force of {left:.3g} eV/Angstrom is left after {optimiser.nsteps} steps of "
            "relaxation; is there a minimum near the geometry given? Start from another"
        )
    if same_bonds and (bonded(potential.numbers, atoms.positions) != bonded(potential.numbers, positions)).any():
        raise DensnetError(f"{potential.name}: has no minimum near the geometry given: relaxed, it has other bonds")
    return np.asarray(atoms.positions, dtype=np.float64)
