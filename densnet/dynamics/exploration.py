"""Hot dynamics by the members of an ensemble, which look for geometries that they do not know."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ase.data
import numpy as np
from numpy.typing import NDArray

from densnet.dynamics.settings import ExplorationSettings
from densnet.dynamics.simulation import GONE
from densnet.io.parts import Parts, digest_of
from densnet.mechanics.integrators import State, langevin, thermal_velocities, without_drift
from densnet.mechanics.wholeness import Wholeness
from densnet.potential import Array, Potential
from densnet.processes.pool import as_they_end

METHOD_VERSION: int = 1

FRAMES = ("positions", "spread", "domain_distance", "time")
"""What a part holds of each frame."""

MakeMember = Callable[[int], Potential]
"""Makes the potential that member m of the ensemble is alone; it travels to worker processes."""
MakeEnsemble = Callable[[], Potential]
"""Makes the potential of all members, whose spread is asked for."""


@dataclass(frozen=True)
class Excursion:
    """The dynamics of one member at one temperature, of as many replicas as there are starting geometries.

    Attributes:
        start: Angstrom, (R, i, x).
        masses: Da, (i,).
    """

    member: int
    temperature: float
    start: Array
    masses: Array

    @property
    def name(self) -> str:
        """Return what its part is called."""
        return f"member-{self.member}-at-{self.temperature:g}"


@dataclass(frozen=True)
class Explored:
    """The frames that all members met, n of them, and where replicas failed.

    Attributes:
        positions: Angstrom, (n, i, x); each is whole, and none lies farther outside than dynamics may.
        spread: largest spread of the force on an atom over the members, eV/Angstrom, (n,).
        domain_distance: (n,).
        temperature: K, (n,).
        time: fs since the replica's dynamics began, (n,).
        picoseconds: simulated at each temperature by all replicas together.
        failures: at each temperature, how often a replica broke or left for good.
    """

    positions: Array
    spread: Array
    domain_distance: Array
    temperature: Array
    time: Array
    picoseconds: Mapping[float, float]
    failures: Mapping[float, int]


def plan(
    candidates: Array, numbers: NDArray[np.int64], masses: Array | None, members: int, settings: ExplorationSettings
) -> list[Excursion]:
    """Lay out the dynamics: at each temperature the replicas start at seeded geometries and are dealt to the members.

    Args:
        candidates: geometries to start from, Angstrom, (t, i, x).
        masses: Da, (i,), of isotopes; standard atomic weights if not given.
    """
    masses = ase.data.atomic_masses[numbers] if masses is None else masses
    excursions = []
    for temperature in settings.temperatures:
        generator = np.random.default_rng([settings.seed, 1, round(1e3 * temperature)])
        rows = generator.permutation(np.resize(np.arange(len(candidates)), settings.replicas))
        for member in range(min(members, settings.replicas)):
            excursions.append(Excursion(member, temperature, candidates[rows[member::members]], masses))
    return excursions


def explore(
    excursions: Sequence[Excursion],
    make_member: MakeMember,
    make_ensemble: MakeEnsemble,
    settings: ExplorationSettings,
    *,
    processes: int,
    output: Path,
    provenance: Mapping[str, Any],
) -> tuple[Explored, Parts]:
    """Run all dynamics and return what they met; those that are finished are kept in ``<output>.parts``.

    Args:
        excursions: as :func:`plan` lays them out.
        make_member: what moves the replicas.
        make_ensemble: what judges the frames.
        settings: lengths and intervals.
        processes: excursions at a time; it does not change the result.
        output: where the outcome will be written; decides only where the parts are.
        provenance: what decides the result besides the settings.

    Returns:
        The frames, and the parts, to be removed once these are written.
    """
    starts = digest_of(*(excursion.start for excursion in excursions))
    identity = {"settings": asdict(settings), "from": provenance, "starts": starts, "v": METHOD_VERSION}
    parts = Parts(output, identity)
    missing = [excursion for excursion in excursions if parts.read(excursion.name) is None]
    work = partial(_run, make_member=make_member, make_ensemble=make_ensemble, settings=settings)
    began = time.monotonic()
    with closing(as_they_end(work, missing, processes=processes)) as ended:
        for done, (excursion, arrays) in enumerate(ended, start=len(excursions) - len(missing) + 1):
            parts.write(excursion.name, arrays)
            left = (time.monotonic() - began) / (done - len(excursions) + len(missing)) * (len(excursions) - done)
            print(f"densnet collect: dynamics {done}/{len(excursions)}, {left:.0f} s left", file=sys.stderr, flush=True)
    return _together(excursions, [parts.read(excursion.name) or {} for excursion in excursions], settings), parts


def _together(
    excursions: Sequence[Excursion], results: Sequence[Mapping[str, Any]], settings: ExplorationSettings
) -> Explored:
    frames = {name: np.concatenate([result[name] for result in results]) for name in FRAMES}
    temperature = [np.full(len(r["time"]), e.temperature) for e, r in zip(excursions, results, strict=True)]
    picoseconds = dict.fromkeys(settings.temperatures, 0.0)
    failures = dict.fromkeys(settings.temperatures, 0)
    for excursion, result in zip(excursions, results, strict=True):
        picoseconds[excursion.temperature] += settings.picoseconds * len(excursion.start)
        failures[excursion.temperature] += int(result["failures"])
    return Explored(**frames, temperature=np.concatenate(temperature), picoseconds=picoseconds, failures=failures)


def _run(
    excursion: Excursion, *, make_member: MakeMember, make_ensemble: MakeEnsemble, settings: ExplorationSettings
) -> dict[str, Any]:
    """Run one member at one temperature; a replica that fails starts anew from where it had begun."""
    potential, judge = make_member(excursion.member), make_ensemble()
    start, masses, temperature = excursion.start, excursion.masses, excursion.temperature
    whole = Wholeness(potential.numbers, start[0])
    generator = np.random.default_rng([settings.seed, 2, excursion.member, round(1e3 * temperature)])

    def velocities() -> Array:
        return without_drift(thermal_velocities(start.shape, masses, temperature, generator), masses)

    state, since = State(start, velocities(), potential(start)), np.zeros(len(start))
    interval = max(1, round(settings.interval_fs / settings.timestep_fs))
    met: dict[str, list[Array]] = {name: [] for name in FRAMES}
    failures = 0
    for step in range(1, round(settings.picoseconds * 1e3 / settings.timestep_fs) + 1):
        state = langevin(
            state, potential, masses, settings.timestep_fs, temperature, settings.friction_per_ps * 1e-3, generator
        )
        since += settings.timestep_fs
        # where nothing is finite any more the next step would ask for neighbours of nothing
        sound = _finite(state.positions) & _finite(state.quantities["forces"])
        if step % interval == 0:
            sound &= _judged(np.where(sound[:, None, None], state.positions, start), sound, judge, whole, since, met)
        if not sound.all():
            failures += int((~sound).sum())
            lost = ~sound[:, None, None]
            positions = np.where(lost, start, state.positions)
            state = State(positions, np.where(lost, velocities(), state.velocities), potential(positions))
            since[~sound] = 0.0
    return {name: np.concatenate(values) for name, values in met.items()} | {"failures": failures}


def _finite(values: Array) -> NDArray[np.bool_]:
    """Return which replicas (R, i, x) have nothing but numbers, (R,)."""
    return np.asarray(np.isfinite(values).all(axis=(1, 2)))


def _judged(
    positions: Array,
    sound: NDArray[np.bool_],
    judge: Potential,
    whole: Wholeness,
    since: Array,
    met: dict[str, list[Array]],
) -> NDArray[np.bool_]:
    """Add the replicas that are whole and not gone to what was met, and return which these are."""
    spread = judge(positions)["forces_spread"].max(axis=1)
    distance = judge.domain_distance(positions)
    distance = np.zeros(len(positions)) if distance is None else distance
    good = sound & (distance <= GONE) & (np.array(whole.faults(positions)) == "")
    for name, values in zip(FRAMES, (positions, spread, distance, since.copy()), strict=True):
        met[name].append(values[good])
    return good
