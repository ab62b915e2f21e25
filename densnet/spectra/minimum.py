"""The minimum that harmonic frequencies are taken at."""

from __future__ import annotations

import numpy as np

from densnet.mechanics.relaxation import relaxed
from densnet.potential import Array, Potential
from densnet.spectra.harmonic import Harmonic, harmonic

DOWNWARD = -10.0
"""1/cm; a mode below it is no rounding error: the energy curves down, and the point is no minimum."""
DOWNHILL = 0.15
"""Angstrom; so far the atom that moves most is taken off a saddle point."""
ROUNDS = 4


def minimum(potential: Potential, positions: Array, masses: Array) -> tuple[Array, Harmonic]:
    """Return a minimum (i, x) in Angstrom near a geometry, and its normal modes.

    A relaxation keeps the symmetry that it begins with, and may so end at a saddle point, of a flat chain for instance.
    From there it goes on along the modes that lead down, :data:`ROUNDS` times at most; a mode that still does is in the
    result with its negative wavenumber.

    Raises:
        DensnetError: the forces do not vanish, or the potential gives no dipole.
    """
    for last in (*[False] * (ROUNDS - 1), True):
        positions = relaxed(potential, positions)
        modes = harmonic(potential, positions, masses)
        down = modes.wavenumber < DOWNWARD
        if last or not down.any():
            break
        step = modes.modes[down].sum(0).reshape(-1, 3) / np.sqrt(masses)[:, None]
        positions = positions + DOWNHILL * step / np.linalg.norm(step, axis=1).max()
    return positions, modes
