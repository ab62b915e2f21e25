"""Is the total energy of isolated dynamics constant, and are the forces those of an energy?

With velocity Verlet and forces that are the gradient of a smooth energy, the total energy of a trajectory has no
drift. It fluctuates in proportion to the square of the time step, because the method conserves another, nearby energy
(Hairer, Lubich, Wanner, Acta Numerica 12, 399 (2003)). A drift beyond its error, or fluctuations at two time steps
whose ratio is not the square of theirs, tell of forces that are no gradient, of kinks, or of rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
LEAST_BLOCKS = 8
"""Of energies, for a standard error of the drift of one trajectory."""


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
class KeptFrames:
    """Frames of R replicas along the shorter time step.

    Attributes:
        interval: fs between frames.
        positions: Angstrom, (R, time, i, x).
        velocities: Angstrom/fs, (R, time, i, x).
        energy: the potential energy, eV, (R, time).
    """

    interval: float
    positions: Array
    velocities: Array
    energy: Array


@dataclass(frozen=True)
class Conservation:
    """What dynamics at constant energy says of a potential; replicas that were lost count nowhere.

    Attributes:
        settings: of the dynamics.
        lines: at the shorter time step, and at the longer one.
        lost: number of replicas whose energy ended to be finite.
        displacement: Angstrom, (R,): farthest that an atom is from where it began after steps forth and back.
        frames: those that were asked for.
    """

    settings: ConservationSettings
    lines: tuple[EnergyLine, EnergyLine]
    lost: int
    displacement: Array
    frames: KeptFrames | None = None

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


def conservation(
    potential: Potential, minimum: Array, masses: Array, settings: ConservationSettings, *, keep_every: int = 0
) -> Conservation:
    """Run replicas at constant energy with two time steps, and forth and back.

    Each replica starts at the minimum with velocities of its own of the temperature and is thermalised by Langevin
    dynamics with noise of its own. The starts are thereby independent, and the same for both time steps.

    Args:
        potential: of as many replicas as the settings say.
        minimum: Angstrom, (i, x), by this potential.
        masses: Da, (i,).
        settings: the rest.
        keep_every: steps of the shorter time step between frames that are kept; 0: none are.

    Raises:
        DensnetError: fewer than two replicas whose energy stays finite.
    """
    living = Living(potential, minimum, settings.replicas)
    start = _thermal_start(living, minimum, masses, settings)
    energies: dict[float, Array] = {}
    kept: list[State] = []
    for times, into, every in ((1, kept, keep_every), (settings.ratio, [], 0)):
        timestep = times * settings.timestep_fs
        energies[timestep] = _total_energies(living, start, masses, timestep, settings.steps(times), into, every)
    displacement = _displacement(living, start, masses, settings)
    if (left := int(living.alive.sum())) < 2:
        raise DensnetError(
            f"{potential.name}: {left} of {settings.replicas} replicas keep a finite energy, expected 2 or more; lower "
            "the temperature or the time step"
        )
    short, long = (
        energy_line(energy[:, living.alive], timestep, potential.numbers) for timestep, energy in energies.items()
    )
    frames = _frames(kept, living.alive, keep_every * settings.timestep_fs) if kept else None
    return Conservation(settings, (short, long), settings.replicas - left, displacement[living.alive], frames)


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


def drift_error(energy: Array, timestep: float, numbers: NDArray[np.int64]) -> float | None:
    """Return the standard error of one trajectory's drift in meV/atom/ps, from what its line leaves; None if too short.

    The energies are averaged in blocks of 1, 2, 4, ... of them, of a line through M block means it is s / √Σ (t - <t>)²
    with s² = Σ rest² / (M - 2), and the largest of these is taken, while there are :data:`LEAST_BLOCKS`: what is left
    is correlated, and blocks longer than the correlation are not.

    Args:
        energy: total energies, eV, (1 + N,).
        timestep: fs between them.
        numbers: atomic numbers, (i,).
    """
    time, blocks = timestep / PS_IN_FS * np.arange(len(energy)), EV_IN_MEV / len(numbers) * (energy - energy[0])
    errors = []
    while len(blocks) >= LEAST_BLOCKS:
        centred = time - time.mean()
        rest = blocks - blocks.mean() - centred * (centred @ blocks) / (centred @ centred)
        errors.append(float(np.sqrt((rest @ rest) / (len(blocks) - 2) / (centred @ centred))))
        pairs = len(blocks) // 2
        time, blocks = (values[: 2 * pairs].reshape(pairs, 2).mean(axis=1) for values in (time, blocks))
    return max(errors, default=None)


def line_of_frames(energy: Array, interval: float, numbers: NDArray[np.int64]) -> tuple[EnergyLine, float | None]:
    """Return the line through total energies of frames in eV, (replica, time), and the standard error of its drift.

    The error is that over replicas, of a single one that of :func:`drift_error`.
    """
    line = energy_line(energy.T, interval, numbers)
    if len(energy) > 1:
        return line, mean_and_error(line.drift)[1]
    return line, drift_error(energy[0], interval, numbers)


def frames_findings(line: EnergyLine, error: float | None, condition: str) -> list[Finding]:
    """Return what :func:`line_of_frames` says."""
    drift = Finding("drift of the total energy", condition, float(line.drift.mean()), "meV/atom/ps")
    errors = [] if error is None else [drift._replace(what=f"{drift.what}: standard error", value=error)]
    fluctuation, relative = float(line.fluctuation.mean()), float(line.relative.mean())
    return [
        drift,
        *errors,
        Finding("fluctuation of the total energy about its line, root mean square", condition, fluctuation, "meV/atom"),
        Finding("mean of |(E - E0) / E0|, with the potential's own zero of energy", condition, relative, "1"),
    ]


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


def _total_energies(
    living: Living, start: State, masses: Array, timestep: float, steps: int, kept: list[State], every: int
) -> Array:
    """Return the total energies (1 + N, R) in eV along N steps; of every so many of them, if any, the state is kept."""
    state = start
    kept += [start] if every else []
    energies = [state.quantities["energy"] + state.kinetic_energy(masses)]
    for step in range(1, steps + 1):
        state = _without_the_lost(velocity_verlet(state, living, masses, timestep), living)
        energies.append(state.quantities["energy"] + state.kinetic_energy(masses))
        if every and step % every == 0:
            kept.append(state)
        if step % STEPS_BETWEEN_LINES == 0:
            print(f"{timestep:g} fs a step: step {step} of {steps}", file=sys.stderr, flush=True)
    return np.array(energies)


def _frames(kept: Sequence[State], alive: NDArray[np.bool_], interval: float) -> KeptFrames:
    """Return the states of the replicas that are alive as arrays over replica and time."""
    along = (
        np.array([state.positions for state in kept]),
        np.array([state.velocities for state in kept]),
        np.array([state.quantities["energy"] for state in kept]),
    )
    return KeptFrames(interval, *(values.swapaxes(0, 1)[alive] for values in along))


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
