"""What i-PI wrote, as a ``trajectory.nc``: a replica from each of its folders.

Of several beads positions and velocities are those of the centroid, the dipole is the mean over the beads, whose
autocorrelation is Kubo's: the spectrum then needs no quantum correction beyond the harmonic one (T. Habershon, G. S.
Fanourgakis, D. E. Manolopoulos, J. Chem. Phys. 129, 074501 (2008)). The kinetic energy is the centroid virial
estimator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.constants import physical_constants

from densnet.dynamics.settings import DynamicsSettings
from densnet.dynamics.simulation import nve_drift
from densnet.engines.ipi_input import PHASES, ending, read_run
from densnet.engines.settings import RingPolymerSettings
from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.potential import Array
from densnet.units import BOHR_IN_ANGSTROM

COLUMNS = ("step", "time", "conserved", "temperature", "potential", "kinetic_md", "kinetic_cv", "kinetic_td")
"""Of the file of properties, in the order of the input."""
ATOMIC_TIME_IN_FS: float = physical_constants["atomic unit of time"][0] * 1e15

Rows = Mapping[int, Array]
"""Values by step; of a step that was written twice, after an interruption, the last."""


def ipi_trajectory(folder: Path) -> xr.Dataset:
    """Return the trajectory of a folder that ``densnet engine ipi`` wrote and i-PI has worked through.

    Raises:
        DensnetError: no such folder; a replica that is not done, or a file of which frames are missing.
    """
    run = read_run(folder)
    settings, ring = DynamicsSettings(**run["settings"]), RingPolymerSettings(**run["ring_polymer"])
    folders = [Path(folder) / f"{r:02d}" for r in range(len(run["start"]))]
    replicas = [_replica(replica, settings, ring.beads, len(run["numbers"])) for replica in folders]
    data = {name: np.stack([replica[name] for replica in replicas]) for name in replicas[0]}
    quantum = ring.beads > 1
    kinetic = data["kinetic_cv" if quantum else "kinetic_md"]
    of_kinetic = "kinetic energy" + (", centroid virial estimator" if quantum else "")
    frame, vector = ("replica", "time"), ("replica", "time", "atom", "x")
    dataset = xr.Dataset(
        {
            "positions": variable(vector, data["positions"], "angstrom", "positions of the atoms"),
            "velocities": variable(
                vector, data["velocities"] * (BOHR_IN_ANGSTROM / ATOMIC_TIME_IN_FS), "angstrom/fs", "velocities"
            ),
            "dipole": variable(
                (*frame, "x"), data["dipole"] * BOHR_IN_ANGSTROM, "e angstrom", "electric dipole moment"
            ),
            "energy_potential": variable(frame, data["potential"] + run["zero"], "eV", "potential energy"),
            "energy_kinetic": variable(frame, kinetic, "eV", of_kinetic),
            "energy_conserved": variable(frame, data["conserved"] + run["zero"], "eV", "what i-PI conserves, per bead"),
            "numbers": variable(("atom",), np.array(run["numbers"]), "1", "atomic numbers"),
            "masses": variable(("atom",), np.array(run["masses"]), "Da", "atomic masses"),
        },
        coords={"time": variable(("time",), data["time"][0], "fs", "time since the start of production")},
        attrs={
            "potential": "model",
            "engine": "i-PI",
            "ensemble": f"{ring.beads} bead(s), production thermostat {ring.production_thermostat}",
            "beads": ring.beads,
            "timestep_fs": settings.timestep_fs,
            "stride": settings.stride,
            "temperature_k": settings.temperature,
            "nve_drift_mev_per_atom_per_ps": nve_drift(data["conserved"], data["time"][0], len(run["numbers"])),
        },
    )
    if quantum:
        of_primitive = "kinetic energy, primitive (thermodynamic) estimator"
        dataset["energy_kinetic_primitive"] = variable(frame, data["kinetic_td"], "eV", of_primitive)
    return dataset


def _replica(folder: Path, settings: DynamicsSettings, n_beads: int, n_atoms: int) -> dict[str, Array]:
    """Return the series of a replica, (t, ...), in i-PI's units."""
    phase = PHASES[-1]
    if not (folder / ending(phase)).exists():
        raise DensnetError(
            f"{folder}: expected a finished run of i-PI, found none; run 'densnet engine ipi --run' first"
        )
    steps = range(0, round(settings.production_ps * 1e3 / settings.timestep_fs) + 1, settings.stride)
    properties = _of_steps(properties_of(folder / f"{phase}.properties"), steps, folder / f"{phase}.properties")
    series = {name: properties[:, column] for column, name in enumerate(COLUMNS)}
    for name in ("positions", "velocities"):
        path = folder / f"{phase}.{name}.xyz"
        series[name] = _of_steps(_blocks(path, n_atoms), steps, path)
    beads = sorted(folder.glob(f"{phase}.dipole_*"))
    if len(beads) != n_beads:
        raise DensnetError(f"{folder}: expected dipoles of {n_beads} bead(s), found {len(beads)} files; run again")
    series["dipole"] = np.mean([_of_steps(_blocks(path, 1), steps, path)[:, 0] for path in beads], axis=0)
    return series


def _of_steps(rows: Rows, steps: range, path: Path) -> Array:
    missing = [step for step in steps if step not in rows]
    if missing:
        raise DensnetError(f"{path}: expected {len(steps)} frames, found none of step {missing[0]}; run again")
    return np.stack([rows[step] for step in steps])


def properties_of(path: Path) -> Rows:
    """Return the rows of a file of properties; lines that are cut short are left out."""
    rows = (_numbers(line.split(), len(COLUMNS)) for line in _lines(path) if not line.startswith("#"))
    return {int(row[0]): row for row in rows if row is not None}


def _blocks(path: Path, n_rows: int) -> Rows:
    """Return vectors (n, x) that follow lines with "Step: 12"; a block that is cut short is left out."""
    blocks: dict[int, Array] = {}
    lines = _lines(path)
    for number, line in enumerate(lines):
        if (match := re.search(r"\bStep:\s+(\d+)\b", line)) is None:
            continue
        rows = [_numbers(text.split()[-3:], 3) for text in lines[number + 1 : number + 1 + n_rows]]
        whole = [row for row in rows if row is not None]
        if len(whole) == n_rows:
            blocks[int(match[1])] = np.stack(whole)
    return blocks


def _numbers(words: list[Any], count: int) -> Array | None:
    """Return so many numbers; None of anything else."""
    try:
        values = np.array(words, dtype=float)
    except ValueError:
        return None
    return values if len(values) == count else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DensnetError(f"{path}: expected an output of i-PI, found none ({error.strerror}); run again") from error
