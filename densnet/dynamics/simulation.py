"""Molecular dynamics of many replicas: Langevin to thermalise, then constant energy; written and resumed by chunks."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ase.data
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from densnet.bonds import distances, sums_of_radii
from densnet.dynamics.settings import DynamicsSettings
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.io.parts import Parts
from densnet.mechanics.integrators import State, langevin, thermal_velocities, velocity_verlet, without_drift
from densnet.mechanics.wholeness import BROKEN, COLLAPSED
from densnet.potential import Array, Potential, Quantities, check_quantities
from densnet.quantities import POLARIZABILITY
from densnet.units import EV_IN_MEV

METHOD_VERSION: int = 1

GONE = 4.0
"""Domain distance that a replica may not have for a whole chunk, five times the usual distance from the training."""


def simulate(
    potential: Potential,
    start: Array,
    settings: DynamicsSettings,
    *,
    output: Path,
    provenance: dict[str, Any],
    masses: Array | None = None,
) -> None:
    """Run all replicas and write ``trajectory.nc``; chunks that are already on disk are not run again.

    Polarizabilities are in it if the potential gives them (:meth:`densnet.potential.Potential.polarizability`), over a
    dimension ``polarizability_time`` of their own: there are fewer of them.

    Every chunk starts from the positions and velocities on disk and its own random stream, so that a run which was
    killed ends at the same trajectory as an undisturbed one.

    Args:
        potential: moves the replicas.
        start: starting geometries (t, i, x) in Angstrom.
        settings: lengths and sizes.
        output: the trajectory; partial work is kept beside it in ``<output>.parts``.
        provenance: what decides the result besides the settings; a change of it starts afresh.
        masses: (i,) in Da, of isotopes; standard atomic weights if not given.

    Raises:
        DensnetError: a replica lost an atom or its energy is not finite, and what was written stays; or the potential
            gives no dipole.
    """
    check_quantities(potential, ("energy", "forces", "dipole"), "dynamics and its spectrum")
    numbers = potential.numbers
    if masses is not None:
        provenance = provenance | {"masses": masses.tolist()}
    masses = ase.data.atomic_masses[numbers] if masses is None else masses
    parts = Parts(output, {"settings": asdict(settings), "from": provenance, "v": METHOD_VERSION})
    chunks = settings.chunks()
    done = 0
    while done < len(chunks) and parts.read(_chunk_name(done)) is not None:
        done += 1
    if done:
        print(f"densnet: going on from chunk {done} of {len(chunks)}", file=sys.stderr)
        last = _chunk(parts, done - 1)
        positions, velocities = last["end_positions"], last["end_velocities"]
    else:
        generator = np.random.default_rng([settings.seed, 0])
        positions = start
        velocities = without_drift(thermal_velocities(start.shape, masses, settings.temperature, generator), masses)
    began = time.monotonic()
    for index in range(done, len(chunks)):
        positions, velocities = _run_chunk(potential, positions, velocities, masses, settings, index, parts)
        left = (time.monotonic() - began) / (index + 1 - done) * (len(chunks) - index - 1)
        print(
            f"{chunks[index][0]} chunk {index + 1}/{len(chunks)}  {settings.replicas} replicas  {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )
    _write_trajectory(parts, numbers, masses, settings, potential.name, output, provenance)
    parts.remove()


def starting_geometries(geometries: Path, settings: DynamicsSettings) -> tuple[Array, NDArray[np.int64], xr.Dataset]:
    """Return seeded starting geometries (R, a, 3), numbers and content of a ``geometries.nc``.

    They are training frames that no strain was put on.

    Raises:
        DensnetError: not the output of 'densnet sample'.
    """
    data = read_dataset(geometries, stage="sample", variables=("positions", "numbers", "split"))
    train = data["split"].values == "train"
    if "strain" in data:
        train &= data["strain"].values == "none"
    train = np.flatnonzero(train)
    if len(train) == 0:
        raise DensnetError(f"{geometries}: expected training frames to start from, found none; sample some")
    generator = np.random.default_rng([settings.seed, 1])
    order = np.concatenate([generator.permutation(train) for _ in range(-(-settings.replicas // len(train)))])
    positions = np.asarray(data["positions"].values, dtype=float)[order[: settings.replicas]]
    return positions, np.asarray(data["numbers"].values, dtype=int), data


def nve_drift(energy: Array, time_fs: Array, n_atoms: int) -> float:
    """Return the drift of the total energy in meV/atom/ps: |slope| of a straight line, mean over replicas.

    Args:
        energy: total energies (R, t) in eV.
        time_fs: (t,).
        n_atoms: atoms of a replica.
    """
    slopes = np.polyfit(time_fs * 1e-3, energy.T, 1)[0]
    return float(np.abs(slopes).mean()) * EV_IN_MEV / n_atoms


def _run_chunk(
    potential: Potential,
    positions: Array,
    velocities: Array,
    masses: Array,
    settings: DynamicsSettings,
    index: int,
    parts: Parts,
) -> tuple[Array, Array]:
    """Run one chunk from positions and velocities, write it and return where it ends."""
    ensemble, steps = settings.chunks()[index]
    generator = np.random.default_rng([settings.seed, 2, index])
    potential.forget()
    state = State(positions, velocities, potential(positions))
    series: dict[str, list[Array]] = {name: [] for name in _KEPT}
    frames_before = sum(steps for phase, steps in settings.chunks()[:index] if phase == "nve") // settings.stride
    began = time.monotonic()
    for step in range(steps):
        if ensemble == "nve":
            if step % settings.stride == 0:
                frame = frames_before + step // settings.stride
                _keep(series, state, potential, masses, polarized=frame % settings.polarizability_every == 0)
            state = velocity_verlet(state, potential, masses, settings.timestep_fs)
        else:
            state = langevin(
                state,
                potential,
                masses,
                settings.timestep_fs,
                settings.temperature,
                settings.friction_per_ps * 1e-3,
                generator,
            )
    _check_whole(state.positions, state.quantities, potential.numbers, index)
    _check_domain(series["domain_distance"], state.positions, potential, settings, index)
    last_velocities = state.velocities
    if ensemble == "langevin" and settings.chunks()[index + 1][0] == "nve":
        last_velocities = without_drift(last_velocities, masses)
    content = {name: np.stack(values, axis=1) for name, values in series.items() if values}
    content |= {
        "end_positions": state.positions,
        "end_velocities": last_velocities,
        "seconds": np.array(time.monotonic() - began),
        "steps": np.array(steps),
    }
    parts.write(_chunk_name(index), content)
    return state.positions, last_velocities


_KEPT = (
    "positions",
    "velocities",
    "dipole",
    "energy_potential",
    "energy_kinetic",
    "energy_spread",
    "domain_distance",
    "polarizability",
)


def _chunk_name(index: int) -> str:
    return f"{index:05d}"


def _chunk(parts: Parts, index: int) -> dict[str, Array]:
    """Return a finished chunk."""
    content = parts.read(_chunk_name(index))
    if content is None:
        raise DensnetError(f"{parts.folder}: chunk {index} cannot be read any more; run the same command again")
    return content


def _keep(
    series: dict[str, list[Array]], state: State, potential: Potential, masses: Array, *, polarized: bool
) -> None:
    """Append what is known of a frame, its polarizability only where that is asked for."""
    values: tuple[Array | None, ...] = (
        state.positions.astype(np.float32),
        state.velocities.astype(np.float32),
        state.quantities["dipole"],
        state.quantities["energy"],
        state.kinetic_energy(masses),
        state.quantities.get("energy_spread"),
        potential.domain_distance(state.positions),
        _polarizability(state, potential) if polarized else None,
    )
    for name, value in zip(_KEPT, values, strict=True):
        if value is not None:
            series[name].append(value)


def _polarizability(state: State, potential: Potential) -> Array | None:
    """Return the polarizability of every replica, of what is known already if it is among it."""
    known = state.quantities.get("polarizability")
    return potential.polarizability(state.positions) if known is None else known


def _check_whole(positions: Array, quantities: Quantities, numbers: NDArray[np.int64], chunk: int) -> None:
    """Stop when a replica has blown up, fallen apart or collapsed.

    Its atoms must hang together at bonding distances, and no two may be nearer than any bond's length.
    """
    reduced = distances(positions) / sums_of_radii(numbers)
    whole = np.array([connected_components(graph, directed=False)[0] == 1 for graph in reduced < BROKEN])
    nearest = (reduced + np.diag(np.full(len(numbers), np.inf))).min(axis=(1, 2)) if len(numbers) > 1 else np.inf
    lost = ~np.isfinite(quantities["energy"]) | ~whole | (nearest < COLLAPSED)
    if lost.any():
        raise DensnetError(
            f"md: replica(s) {np.flatnonzero(lost).tolist()} lost an atom, collapsed or blew up in chunk {chunk}; "
            "train on more frames or at a higher sampling temperature, or lower md.temperature"
        )


def _check_domain(
    outside: list[Array], positions: Array, potential: Potential, settings: DynamicsSettings, chunk: int
) -> None:
    """Stop when a replica has been far outside of the training frames for a whole chunk.

    Args:
        outside: domain distances (R,) of the frames that were kept; none where they are not known.
        positions: at the end of the chunk (R, i, x) in Angstrom.
    """
    if not outside:
        return
    gone = np.flatnonzero(np.min(outside, axis=0) > GONE)
    if not len(gone):
        return
    time_ps = sum(steps for _, steps in settings.chunks()[: chunk + 1]) * settings.timestep_fs * 1e-3
    departure = potential.departure(positions[gone[0]])
    raise DensnetError(
        f"md: replica {gone[0]} has left the training frames for good after {time_ps:.2f} ps: {departure}; train on "
        "such frames (a higher sampling temperature, another conformer), or lower md.temperature"
    )


def _write_trajectory(
    parts: Parts,
    numbers: NDArray[np.int64],
    masses: Array,
    settings: DynamicsSettings,
    potential: str,
    output: Path,
    provenance: dict[str, Any],
) -> None:
    chunks = [_chunk(parts, index) for index in range(len(settings.chunks()))]
    seconds = sum(float(chunk["seconds"]) for chunk in chunks)
    steps = sum(int(chunk["steps"]) for chunk in chunks)
    rows = {name: [c[name] for c in chunks if name in c] for name in _KEPT}
    # a chunk that is shorter than the distance between two polarizabilities may have none
    whole = {name for name, pieces in rows.items() if len(pieces) == len(rows["dipole"])} | {"polarizability"}
    data = {name: np.concatenate(pieces, axis=1) for name, pieces in rows.items() if pieces and name in whole}
    times = np.arange(data["dipole"].shape[1], dtype=float) * settings.timestep_fs * settings.stride
    drift = nve_drift(data["energy_potential"] + data["energy_kinetic"], times, len(numbers))
    frame, vector = ("replica", "time"), ("replica", "time", "atom", "x")
    dataset = xr.Dataset(
        {
            "positions": variable(vector, data["positions"], "angstrom", "positions of the atoms"),
            "velocities": variable(vector, data["velocities"], "angstrom/fs", "velocities of the atoms"),
            "dipole": variable((*frame, "x"), data["dipole"], "e angstrom", "electric dipole moment"),
            "energy_potential": variable(frame, data["energy_potential"], "eV", "potential energy"),
            "energy_kinetic": variable(frame, data["energy_kinetic"], "eV", "kinetic energy"),
            "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
            "masses": variable(("atom",), masses, "Da", "atomic masses"),
        },
        coords={"time": variable(("time",), times, "fs", "time since the start of production")},
        attrs={
            "potential": potential,
            "ensemble": "microcanonical, started from Langevin dynamics",
            "timestep_fs": settings.timestep_fs,
            "stride": settings.stride,
            "temperature_k": settings.temperature,
            "ms_per_step_per_replica": 1e3 * seconds / (steps * settings.replicas),
            "nve_drift_mev_per_atom_per_ps": drift,
        },
    )
    if "energy_spread" in data:
        long_name = "standard deviation of the energy over the members of the ensemble"
        dataset["energy_spread"] = variable(frame, data["energy_spread"], "eV", long_name)
    if "domain_distance" in data:
        long_name = "distance from the training frames over the usual one, less 1; 0 inside"
        dataset["domain_distance"] = variable(frame, data["domain_distance"], "1", long_name)
    if "polarizability" in data:
        seldom = ("replica", "polarizability_time")
        dataset["polarizability"] = POLARIZABILITY.variable(data["polarizability"], seldom)
        long_name = "time of a polarizability since the start of production"
        dataset["polarizability_time"] = variable(seldom[1:], times[:: settings.polarizability_every], "fs", long_name)
    write_dataset(
        dataset, output, stage="md", method_version=METHOD_VERSION, settings={**asdict(settings), **provenance}
    )
