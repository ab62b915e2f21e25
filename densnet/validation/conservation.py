"""Is the total energy of isolated dynamics constant, and are the forces those of an energy?

With velocity Verlet and forces that are the gradient of a smooth energy, the total energy of a trajectory has no
drift. It fluctuates in proportion to the square of the time step, because the method conserves another, nearby energy
(Hairer, Lubich, Wanner, Acta Numerica 12, 399 (2003)). A drift beyond its error, or fluctuations at two time steps
whose ratio is not the square of theirs, tell of forces that are no gradient, of kinks, or of rounding.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from densnet.errors import DensnetError
from densnet.mechanics.integrators import State, langevin, thermal_velocities, velocity_verlet, without_drift
from densnet.potential import Array, Potential
from densnet.units import EV_IN_MEV, PS_IN_FS
from densnet.validation.findings import Finding
from densnet.validation.living import Living
from densnet.validation.settings import ConservationSettings

STEPS_BETWEEN_LINES = 1000
"""On standard error."""


@dataclass(frozen=True)
class EnergyLine:
    """The total energy of R replicas at one time step, as lines E(t) = a + b t and what is left of them.

    Attributes:
        timestep: fs.
        drift: b, meV/atom/ps, (R,).
        fluctuation: root mean square about the line, meV/atom, (R,).
        relative: (1/N) Σ_k |(E_k - E_0) / E_0| over the N steps, (R,); it depends on where the energy is zero.
    """

    timestep: float
    drift: Array
    fluctuation: Array
    relative: Array


@dataclass(frozen=True)
class Conservation:
    """What dynamics at constant energy says of a potential; replicas that were lost count nowhere.

    Attributes:
        settings: of the dynamics.
        lines: at the shorter time step, and at the longer one.
        lost: number of replicas whose energy ended to be finite.
        displacement: Angstrom, (R,): farthest that an atom is from where it began after steps forth and back.
    """

    settings: ConservationSettings
    lines: tuple[EnergyLine, EnergyLine]
    lost: int
    displacement: Array

    @property
    def ratio(self) -> Array:
        """Return each replica's fluctuation at the longer step over that at the shorter one, (R,)."""
        short, long = self.lines
        return long.fluctuation / short.fluctuation


def mean_and_error(values: Array) -> tuple[float, float]:
    """Return the mean over independent replicas, (R,), and its standard error, s / √R."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def beyond_error(values: Array) -> bool:
    """Return whether zero lies outside of the 95 % interval of the mean over replicas, (R,), by Student's t."""
    mean, error = mean_and_error(values)
    return abs(mean) > error * float(student_t.ppf(0.975, len(values) - 1))


def conservation(potential: Potential, minimum: Array, masses: Array, settings: ConservationSettings) -> Conservation:
    """Run replicas at constant energy with two time steps, and forth and back.

    Each replica starts at the minimum with velocities of its own of the temperature and is thermalised by Langevin
    dynamics with noise of its own. The starts are thereby independent, and the same for both time steps.

    Args:
        potential: of as many replicas as the settings say.
        minimum: Angstrom, (i, x), by this potential.
        masses: Da, (i,).
        settings: the rest.

    Raises:
        DensnetError: fewer than two replicas whose energy stays finite.
    """
    living = Living(potential, minimum, settings.replicas)
    start = _thermal_start(living, minimum, masses, settings)
    energies = {}
    for times in (1, settings.ratio):
        timestep = times * settings.timestep_fs
        energies[timestep] = _total_energies(living, start, masses, timestep, settings.steps(times))
    displacement = _displacement(living, start, masses, settings)
    if (left := int(living.alive.sum())) < 2:
        raise DensnetError(
            f"{potential.name}: {left} of {settings.replicas} replicas keep a finite energy, expected 2 or more; lower "
            "the temperature or the time step"
        )
    short, long = (
        energy_line(energy[:, living.alive], timestep, potential.numbers) for timestep, energy in energies.items()
    )
    return Conservation(settings, (short, long), settings.replicas - left, displacement[living.alive])


def energy_line(energy: Array, timestep: float, numbers: NDArray[np.int64]) -> EnergyLine:
    """Return the lines through total energies in eV, (1 + N, R).

    Args:
        timestep: fs between energies.
        numbers: atomic numbers, (i,).
    """
    time = timestep / PS_IN_FS * np.arange(len(energy))
    per_atom = EV_IN_MEV / len(numbers) * (energy - energy[0])
    centred = time - time.mean()
    drift = centred @ per_atom / (centred @ centred)
    rest = per_atom - per_atom.mean(axis=0) - np.outer(centred, drift)
    relative = np.abs((energy[1:] - energy[0]) / energy[0]).mean(axis=0)
    return EnergyLine(timestep, drift, np.sqrt((rest**2).mean(axis=0)), relative)


def conservation_findings(conserved: Conservation) -> list[Finding]:
    """Return all numbers with their standard errors."""
    settings = conserved.settings
    runs = f"{settings.temperature:g} K; {settings.replicas} replicas of {settings.picoseconds:g} ps"
    findings = [Finding("replicas lost", runs, conserved.lost, "1")]
    for line in conserved.lines:
        condition = f"{runs}; {line.timestep:g} fs"
        for what, values, unit in (
            ("drift of the total energy", line.drift, "meV/atom/ps"),
            ("fluctuation of the total energy about its line, root mean square", line.fluctuation, "meV/atom"),
            ("mean of |(E - E0) / E0|, with the potential's own zero of energy", line.relative, "1"),
        ):
            findings += _with_error(what, condition, values, unit)
    short, long = conserved.lines
    condition = f"{runs}; {long.timestep:g} over {short.timestep:g} fs"
    findings += _with_error("ratio of the fluctuations at both time steps", condition, conserved.ratio, "1")
    back = f"{runs}; {settings.reversal_steps} steps of {long.timestep:g} fs forth and back"
    return [*findings, Finding("largest displacement of an atom", back, float(conserved.displacement.max()), "Å")]


def _with_error(what: str, condition: str, values: Array, unit: str) -> list[Finding]:
    mean, error = mean_and_error(values)
    return [Finding(what, condition, mean, unit), Finding(f"{what}: standard error", condition, error, unit)]


def _thermal_start(living: Living, minimum: Array, masses: Array, settings: ConservationSettings) -> State:
    """Return the replicas after Langevin dynamics from the minimum."""
    generator = np.random.default_rng(settings.seed)
    positions = np.repeat(minimum[None], settings.replicas, axis=0)
    velocities = thermal_velocities(positions.shape, masses, settings.temperature, generator)
    state = State(positions, without_drift(velocities, masses), living.at_start)
    timestep = settings.ratio * settings.timestep_fs
    friction = settings.friction_per_ps / PS_IN_FS
    for _ in range(round(settings.thermalise_ps * PS_IN_FS / timestep)):
        state = langevin(state, living, masses, timestep, settings.temperature, friction, generator)
        state = _without_the_lost(state, living)
    return replace(state, velocities=without_drift(state.velocities, masses))


def _total_energies(living: Living, start: State, masses: Array, timestep: float, steps: int) -> Array:
    """Return the total energies (1 + N, R) in eV along N steps."""
    state = start
    energies = [state.quantities["energy"] + state.kinetic_energy(masses)]
    for step in range(1, steps + 1):
        state = _without_the_lost(velocity_verlet(state, living, masses, timestep), living)
        energies.append(state.quantities["energy"] + state.kinetic_energy(masses))
        if step % STEPS_BETWEEN_LINES == 0:
            print(f"{timestep:g} fs a step: step {step} of {steps}", file=sys.stderr, flush=True)
    return np.array(energies)


def _displacement(living: Living, start: State, masses: Array, settings: ConservationSettings) -> Array:
    """Return how far an atom is at most from where it began, after steps forth and back, (R,) in Angstrom."""
    state, timestep = start, settings.ratio * settings.timestep_fs
    for sign in (1, -1):
        state = replace(state, velocities=sign * state.velocities)
        for _ in range(settings.reversal_steps):
            state = _without_the_lost(velocity_verlet(state, living, masses, timestep), living)
    return np.asarray(np.linalg.norm(state.positions - start.positions, axis=-1).max(axis=-1))


def _without_the_lost(state: State, living: Living) -> State:
    """Return the state with replicas whose energy is not finite set aside."""
    finite = np.isfinite(state.quantities["energy"]) & np.isfinite(state.positions).all(axis=(1, 2))
    if finite.all():
        return state
    living.alive &= finite
    return living.without_the_dead(state)
