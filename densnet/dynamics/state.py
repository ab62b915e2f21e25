"""The state of many replicas of one molecule, and the force that moves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from densnet.units import DALTON_ANGSTROM2_PER_FS2_IN_EV

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Forces:
    """What a potential says of R replicas with a atoms.

    Attributes:
        energy: eV, (R,).
        forces: eV/Angstrom, (R, a, 3).
        dipole: e Angstrom, (R, 3).
        energy_spread: eV, (R,): standard deviation of the energy over the members of an ensemble; None if it is none.
    """

    energy: Array
    forces: Array
    dipole: Array
    energy_spread: Array | None = None


class Potential(Protocol):
    """Anything that gives energies, forces and dipoles of replicas."""

    name: str

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, a, 3) in Angstrom."""
        ...

    def forget(self) -> None:
        """Drop whatever the last call left behind, so that the next result depends on its positions alone."""
        ...


@dataclass(frozen=True)
class State:
    """Positions (Angstrom) and velocities (Angstrom/fs) of R replicas, (R, a, 3), with the forces there."""

    positions: Array
    velocities: Array
    forces: Forces

    def kinetic_energy(self, masses: Array) -> Array:
        """Return Σ m v² / 2 in eV, (R,); masses in Da (a,)."""
        return (
            0.5 * DALTON_ANGSTROM2_PER_FS2_IN_EV * np.einsum("i,rix,rix->r", masses, self.velocities, self.velocities)
        )
