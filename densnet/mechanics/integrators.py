"""Langevin and constant-energy steps of many replicas of a molecule, each as it stands in its paper."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from densnet.potential import Array, Potential, Quantities
from densnet.units import (
    BOLTZMANN_IN_EV_PER_K,
    DALTON_ANGSTROM2_PER_FS2_IN_EV,
    EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2,
)


@dataclass(frozen=True)
class State:
    """Positions (Angstrom) and velocities (Angstrom/fs) of t replicas, (t, i, x), and what a potential says there."""

    positions: Array
    velocities: Array
    quantities: Quantities

    def kinetic_energy(self, masses: Array) -> Array:
        """Return Σ m v² / 2 in eV, (t,); masses in Da (i,)."""
        return (
            0.5 * DALTON_ANGSTROM2_PER_FS2_IN_EV * np.einsum("i,tix,tix->t", masses, self.velocities, self.velocities)
        )


def velocity_verlet(state: State, potential: Potential, masses: Array, timestep: float) -> State:
    """Advance by one step of constant energy (Swope et al., J. Chem. Phys. 76, 637 (1982)); timestep in fs."""
    velocities = state.velocities + 0.5 * timestep * _acceleration(state, masses)
    positions = state.positions + timestep * velocities
    moved = State(positions, velocities, potential(positions))
    return State(positions, velocities + 0.5 * timestep * _acceleration(moved, masses), moved.quantities)


def langevin(
    state: State,
    potential: Potential,
    masses: Array,
    timestep: float,
    temperature: float,
    friction: float,
    generator: np.random.Generator,
) -> State:
    """Advance by one BAOAB step (Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013)).

    Args:
        temperature: K.
        friction: 1/fs.
        generator: of the noise.
    """
    velocities = state.velocities + 0.5 * timestep * _acceleration(state, masses)
    positions = state.positions + 0.5 * timestep * velocities
    decay = math.exp(-friction * timestep)
    noise = thermal_velocities(velocities.shape, masses, temperature, generator)
    velocities = decay * velocities + math.sqrt(1 - decay**2) * noise
    positions = positions + 0.5 * timestep * velocities
    moved = State(positions, velocities, potential(positions))
    return State(positions, velocities + 0.5 * timestep * _acceleration(moved, masses), moved.quantities)


def thermal_velocities(
    shape: tuple[int, ...], masses: Array, temperature: float, generator: np.random.Generator
) -> Array:
    """Draw velocities (t, i, x) in Angstrom/fs from Maxwell and Boltzmann's distribution."""
    width = np.sqrt(BOLTZMANN_IN_EV_PER_K * temperature / (masses * DALTON_ANGSTROM2_PER_FS2_IN_EV))
    return generator.standard_normal(shape) * width[:, None]


def without_drift(velocities: Array, masses: Array) -> Array:
    """Take off the velocity of each replica's centre of mass, (t, i, x)."""
    centre = np.einsum("i,tix->tx", masses, velocities) / masses.sum()
    return velocities - centre[:, None]


def _acceleration(state: State, masses: Array) -> Array:
    return state.quantities["forces"] * (EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2 / masses)[None, :, None]
