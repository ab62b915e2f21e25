"""The time that replicas last in hot dynamics, until they fall into a hole, break or blow up."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Annotated

import ase.data
import numpy as np
from annotated_types import Unit
from numpy.typing import NDArray

from densnet.bonds import bonded, distances, sums_of_radii
from densnet.dynamics.pair_scan import HOLE, named
from densnet.errors import DensnetError
from densnet.mechanics.integrators import State, langevin, thermal_velocities, without_drift
from densnet.potential import Array, Derived, Potential, Quantities
from densnet.settings import Count, Natural, Positive, Settings

COLLAPSED, BROKEN, NEW_BOND = 0.55, 2.0, 1.15
"""Of the sum of covalent radii: no pair of atoms comes nearer, no bond between heavy atoms gets longer, and no heavy
atoms come nearer that were not bonded. Atoms with a common neighbour, 2.4 Angstrom for C and O in ethanol, stay above
1.6 times in hot molecules too."""
STEPS_BETWEEN_LINES = 1000
"""On standard error."""


@dataclass(frozen=True)
class FailureSettings(Settings):
    """Of dynamics that run until they fail."""

    picoseconds: Annotated[Positive, Unit("ps")] = 5.0
    """Length of each replica's dynamics if it does not fail."""
    replicas: Count = 8
    """Independent copies of the molecule at each temperature."""
    timestep_fs: Annotated[Positive, Unit("fs")] = 0.5
    """Integration step."""
    friction_per_ps: Annotated[Positive, Unit("1/ps")] = 5.0
    """Of the Langevin thermostat."""
    seed: Natural = 1
    """Of velocities and noise."""


@dataclass(frozen=True)
class Failures:
    """How long replicas lasted at one temperature.

    Attributes:
        temperature: K.
        time: fs, (R,): of the first step at which a replica had failed; NaN if it lasted to the end.
        reasons: what was wrong then, R texts; "" if nothing.
        positions: Angstrom, (R, i, x): where each replica failed or ended.
    """

    temperature: float
    time: Array
    reasons: tuple[str, ...]
    positions: Array

    @property
    def failed(self) -> NDArray[np.int64]:
        """Return the replicas that failed, the first to fail first."""
        return np.argsort(self.time, kind="stable")[: int(np.isfinite(self.time).sum())]


def time_to_failure(potential: Potential, minimum: Array, temperature: float, settings: FailureSettings) -> Failures:
    """Run Langevin dynamics (BAOAB) from a minimum with thermal velocities, each replica until it fails.

    A replica has failed when its energy is not finite or lies :data:`HOLE` below the minimum's, or when
    :class:`Wholeness` finds fault with it. It is then set aside: the others move on as they would have without it.

    Args:
        potential: of as many replicas as the settings say.
        minimum: Angstrom, (i, x), by this potential.
        temperature: K.
        settings: the rest.

    Raises:
        DensnetError: an impossible temperature, or an energy at the minimum that is not finite.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise DensnetError(f"temperature: expected a positive number, got {temperature}")
    masses, whole = ase.data.atomic_masses[potential.numbers], Wholeness(potential.numbers, minimum)
    generator = np.random.default_rng([settings.seed, round(1e3 * temperature)])
    living = _Living(potential, minimum, settings.replicas)
    start = np.repeat(minimum[None], settings.replicas, axis=0)
    velocities = thermal_velocities(start.shape, masses, temperature, generator)
    state = State(start, without_drift(velocities, masses), living.at_start)
    times, last = np.full(settings.replicas, np.nan), start.copy()
    reasons = [""] * settings.replicas
    for step in range(1, round(settings.picoseconds * 1e3 / settings.timestep_fs) + 1):
        friction = settings.friction_per_ps * 1e-3
        state = langevin(state, living, masses, settings.timestep_fs, temperature, friction, generator)
        faults = _faults(state, living, whole)
        last[living.alive] = state.positions[living.alive]
        if faults:
            for replica, reason in faults.items():
                times[replica], reasons[replica] = step * settings.timestep_fs, reason
                living.alive[replica] = False
            state = living.without_the_dead(state)
        if step % STEPS_BETWEEN_LINES == 0:
            print(
                f"{temperature:g} K  {step * settings.timestep_fs * 1e-3:g} of {settings.picoseconds:g} ps  "
                f"{living.alive.sum()} of {settings.replicas} replicas left",
                file=sys.stderr,
                flush=True,
            )
        if not living.alive.any():
            break
    return Failures(temperature, times, tuple(reasons), last)


class Wholeness:
    """Tells a molecule from its ruins, by the bonds of a geometry and the covalent radii.

    Pairs of atoms nearer than :data:`COLLAPSED`, bonds between heavy atoms longer than :data:`BROKEN`, new bonds
    between heavy atoms (:data:`NEW_BOND`), and a hydrogen with no atom within :data:`BROKEN` are faults. A hydrogen
    that goes from one atom to another is none: hot molecules do that.

    Args:
        numbers: atomic numbers, (i,).
        minimum: Angstrom, (i, x).
    """

    def __init__(self, numbers: NDArray[np.int64], minimum: Array) -> None:
        self.numbers, self.sums = numbers, sums_of_radii(numbers)
        heavy = np.logical_and.outer(numbers > 1, numbers > 1)
        bonds = bonded(numbers, minimum)
        self.least = np.where(heavy & ~bonds, NEW_BOND, COLLAPSED)
        self.most = np.where(heavy & bonds, BROKEN, np.inf)
        self.own = np.eye(len(numbers), dtype=bool)

    def faults(self, positions: Array) -> list[str]:
        """Return for each replica (R, i, x), in Angstrom, what is wrong with it: "" if nothing."""
        separation = distances(positions)
        ratio = np.where(self.own, np.inf, separation / self.sums)
        near, far = ratio < self.least, np.where(self.own, 0.0, ratio) > self.most
        lost = (ratio.min(axis=-1) > BROKEN) & (self.numbers == 1)
        wrong = near.any(axis=(1, 2)) | far.any(axis=(1, 2)) | lost.any(axis=1)
        reasons = [""] * len(positions)
        for replica in np.flatnonzero(wrong):
            if far[replica].any():
                reasons[replica] = self._of_pair(far[replica], separation[replica], "broken")
            elif near[replica].any():
                reasons[replica] = self._of_pair(near[replica], separation[replica], "too close")
            else:
                atom = int(lost[replica].argmax())
                reasons[replica] = f"{ase.data.chemical_symbols[self.numbers[atom]]}{atom + 1} lost"
        return reasons

    def _of_pair(self, which: NDArray[np.bool_], separation: Array, fault: str) -> str:
        pair = tuple(np.argwhere(which)[0])
        return f"{named(self.numbers, pair)} {fault}, {separation[pair]:.2f} Å"


def _faults(state: State, living: _Living, whole: Wholeness) -> dict[int, str]:
    """Return what is wrong with the replicas that are alive and have just failed."""
    energy, floor = state.quantities["energy"], living.at_start["energy"][0] - HOLE
    rows = np.flatnonzero(living.alive)
    finite = np.isfinite(energy) & np.isfinite(state.positions).all(axis=(1, 2))
    reasons = {}
    sound = rows[finite[rows]]
    ruins = dict(zip(sound, whole.faults(state.positions[sound]), strict=True))
    for replica in rows:
        if not finite[replica]:
            reasons[int(replica)] = "energy or forces not finite"
        elif energy[replica] < floor:
            reasons[int(replica)] = f"{floor + HOLE - energy[replica]:.2f} eV below the minimum"
        elif ruins[replica]:
            reasons[int(replica)] = ruins[replica]
    return reasons


class _Living(Derived):
    """A potential for which every replica that has failed stays at the start, so that batches keep their size."""

    def __init__(self, potential: Potential, start: Array, replicas: int) -> None:
        super().__init__(potential)
        self.potential = potential
        self.start, self.alive = start, np.ones(replicas, dtype=bool)
        potential.forget()
        self.at_start = potential(np.repeat(start[None], replicas, axis=0))
        if not (np.isfinite(self.at_start["energy"]).all() and np.isfinite(self.at_start["forces"]).all()):
            raise DensnetError(f"{self.name}: its energy is not finite at the minimum; give another geometry")

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom; no energy (NaN) where a position or a force is not finite."""
        sound = np.isfinite(positions).all(axis=(1, 2))
        seen = np.where((self.alive & sound)[:, None, None], positions, self.start)
        answer = self.potential(seen)
        finite = sound & np.isfinite(answer["forces"]).all(axis=(1, 2))
        return {"energy": np.where(finite, answer["energy"], np.nan), "forces": answer["forces"]}

    def forget(self) -> None:
        """Let the potential drop what its last call left behind."""
        self.potential.forget()

    def without_the_dead(self, state: State) -> State:
        """Return the state with the dead at rest at the start: what blew up is not carried along."""
        alive = self.alive[:, None, None]
        quantities = {
            "energy": np.where(self.alive, state.quantities["energy"], self.at_start["energy"]),
            "forces": np.where(alive, state.quantities["forces"], self.at_start["forces"]),
        }
        return State(np.where(alive, state.positions, self.start), np.where(alive, state.velocities, 0.0), quantities)
