"""The time that replicas last in hot dynamics, until they fall into a hole, break or blow up."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import ase.data
import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.mechanics.integrators import State, langevin, thermal_velocities, without_drift
from densnet.mechanics.wholeness import Wholeness
from densnet.potential import Array, Potential
from densnet.validation.living import Living
from densnet.validation.pair_scan import HOLE
from densnet.validation.settings import FailureSettings

STEPS_BETWEEN_LINES = 1000
"""On standard error."""


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
    living = Living(potential, minimum, settings.replicas)
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


def _faults(state: State, living: Living, whole: Wholeness) -> dict[int, str]:
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
