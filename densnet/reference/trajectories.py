"""Langevin trajectories that geometries are taken from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from densnet.bonds import bonded, sums_of_radii
from densnet.errors import DensnetError
from densnet.mechanics.integrators import State, langevin, thermal_velocities
from densnet.molecule import Molecule
from densnet.potential import Make
from densnet.starting_geometry import what_is_wrong

ATTEMPTS = 5
BOND_WINDOW = (0.55, 1.6)
"""A bond's length must stay within these multiples of the sum of covalent radii."""
NO_BOND = 1.15
"""Atoms that are not bonded must stay farther apart than this multiple of the sum of covalent radii."""


@dataclass(frozen=True)
class TrajectoryPlan:
    """One trajectory: everything that decides it.

    Attributes:
        index: its number among all trajectories.
        molecule: where it starts.
        temperature: K.
        timestep: fs.
        friction: 1/fs.
        equilibration_steps: steps that are thrown away first.
        frames: number of frames to keep.
        stride: steps between kept frames.
        seed: entropy of its random numbers.
        reactive: hydrogens may go from one atom to another.
    """

    index: int
    molecule: Molecule
    temperature: float
    timestep: float
    friction: float
    equilibration_steps: int
    frames: int
    stride: int
    seed: tuple[int, ...]
    reactive: bool = False


@dataclass(frozen=True)
class BondWindow:
    """Which atoms are bonded at the start, and how far each pair may go before the molecule is another one.

    Attributes:
        first: atoms of the pairs, with second.
        lowest: least distance of a pair, Angstrom.
        highest: largest distance of a pair, Angstrom.
        held: for each hydrogen that may move from atom to atom, how near each other atom must come to hold it,
            Angstrom, (h, i); none if they all stay where they are.
        hydrogens: these hydrogens, (h,).
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    held: NDArray[np.float64]
    hydrogens: NDArray[np.int64]

    @classmethod
    def around(cls, molecule: Molecule, *, reactive: bool = False) -> BondWindow:
        """Take the bonds from the distances (within 1.3 sums of covalent radii).

        Args:
            reactive: bonds of hydrogens may break and form, as long as each has an atom that is no hydrogen to hold it.
        """
        first, second = np.triu_indices(len(molecule.numbers), 1)
        scale = sums_of_radii(molecule.numbers)[first, second]
        distances = np.linalg.norm(molecule.positions[first] - molecule.positions[second], axis=1)
        bonds = bonded(molecule.numbers, molecule.positions)[first, second]
        lowest = np.where(bonds, BOND_WINDOW[0], NO_BOND) * scale
        highest = np.where(bonds, BOND_WINDOW[1] * scale, np.inf)
        light = molecule.numbers == 1
        hydrogens = np.flatnonzero(light & reactive)
        if reactive:
            moving = light[first] | light[second]
            lowest[moving], highest[moving] = BOND_WINDOW[0] * scale[moving], np.inf
        held = np.where(light, -np.inf, BOND_WINDOW[1] * sums_of_radii(molecule.numbers))[hydrogens]
        # A strained or crowded start is the user's molecule, not a reaction.
        lowest, highest = np.minimum(lowest, 0.8 * distances), np.maximum(highest, 1.2 * distances)
        return cls(first, second, lowest, highest, held, hydrogens)

    def holds(self, positions: NDArray[np.float64]) -> bool:
        """Return whether the molecule is still the one it was."""
        distances = np.linalg.norm(positions[self.first] - positions[self.second], axis=1)
        apart = np.linalg.norm(positions[self.hydrogens, None] - positions, axis=2)
        within = np.all((distances > self.lowest) & (distances < self.highest))
        return bool(within and np.all((apart < self.held).any(axis=1)))


def run_trajectory(plan: TrajectoryPlan, make: Make) -> dict[str, NDArray[np.float64]]:
    """Run one trajectory; a molecule that falls apart is started again with other random numbers.

    Args:
        plan: everything that decides it but the potential.
        make: makes the potential.

    Returns:
        positions (t, i, x) Angstrom, energy (t,) eV, time (t,) fs from the end of equilibration.

    Raises:
        DensnetError: it fell apart, or the potential had no answer, in each of several attempts.
    """
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(plan, make, np.random.default_rng(np.random.SeedSequence([*plan.seed, attempt])))
        except _FellApartError as error:
            reason = str(error)
    start = plan.molecule
    wrong = what_is_wrong(start.numbers, start.positions, start.charge)
    raise DensnetError(
        f"sampling: {start.name!r} at {plan.temperature:g} K: {reason} in each of {ATTEMPTS} attempts; "
        + (f"{wrong}; correct it" if wrong else "lower the temperature or start from another geometry")
    )


class _FellApartError(Exception):
    """Bonds broke or formed, or the potential had no answer."""


def _attempt(plan: TrajectoryPlan, make: Make, random: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    potential, window = make(plan.molecule), BondWindow.around(plan.molecule, reactive=plan.reactive)
    masses, start = atomic_masses[plan.molecule.numbers], plan.molecule.positions[None]
    positions = np.empty((plan.frames, *start.shape[1:]))
    energy, time = np.empty(plan.frames), np.empty(plan.frames)
    try:
        velocities = thermal_velocities(start.shape, masses, plan.temperature, random)
        state = State(start, velocities, potential(start))
        for step in range(1, plan.equilibration_steps + plan.frames * plan.stride + 1):
            state = langevin(state, potential, masses, plan.timestep, plan.temperature, plan.friction, random)
            frame, remainder = divmod(step - plan.equilibration_steps, plan.stride)
            if frame < 1 or remainder:
                continue
            time[frame - 1] = frame * plan.stride * plan.timestep
            (geometry,) = state.positions
            if not window.holds(geometry):
                raise _FellApartError(f"a bond broke or formed within {time[frame - 1]:g} fs")
            positions[frame - 1] = geometry - masses @ geometry / masses.sum()
            energy[frame - 1] = state.quantities["energy"][0]
    except DensnetError as error:
        raise _FellApartError(str(error).partition(";")[0]) from error
    return {"positions": positions, "energy": energy, "time": time}
