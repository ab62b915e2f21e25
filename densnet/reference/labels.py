"""Labels: energy, forces, dipole and occupied orbitals of geometries, from Psi4 or PySCF (and D4 from dftd4)."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from densnet.basis.pyscf_functionals import libxc_name
from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import psi4_version
from densnet.io.netcdf import variable, write_text
from densnet.io.parts import Parts, digest_of
from densnet.quantities import DIPOLE, ENERGY, FORCES
from densnet.reference.dispersion import check_d4, d4
from densnet.reference.level import PSI4, LevelOfTheory
from densnet.reference.programs import CHECKS, WorkerCrashError, run_worker, settled
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

METHOD_VERSION: int = 1
CRASHES_BEFORE_GIVING_UP = 2
FAILURES_OF_GEOMETRIES = r"converge|too close|linear(ly)? dependen|singular|positive definite|DIIS|\bnan\b"
"""What a program says where the geometry is to blame; whatever else goes wrong is the machine's, and done again."""


def shard_of(n_frames: int, shard: int, shards: int) -> list[int]:
    """Return the frames of one shard: i with i mod shards = shard, so that every shard has its share of each split.

    Raises:
        DensnetError: shard is not one of 0 .. shards - 1.
    """
    if shards < 1 or not 0 <= shard < shards:
        raise DensnetError(f"shard: expected 0 to {shards - 1} (shards - 1), got {shard}")
    return list(range(shard, n_frames, shards))


def label_shard(
    geometries: xr.Dataset,
    level: LevelOfTheory,
    *,
    shard: int,
    shards: int,
    output: Path,
    environment: Mapping[str, str] = os.environ,
) -> tuple[xr.Dataset, Parts]:
    """Label the frames of one shard, one process with one thread, and return the shard's data set.

    Each finished frame is kept in ``<output>.parts``; a restart computes only what is missing and ends at the same
    result. A frame that the program gives up has a ``status`` that says why, and NaN.

    Args:
        geometries: output of the stage "sample".
        output: where the data set will be written; decides only where the parts are.
        environment: that the program is looked for and started in.

    Returns:
        The data set, and the parts, to be removed once it is written.

    Raises:
        DensnetError: no such program; functional, basis or dispersion unknown; nothing can be written; the machine's
            disk or memory does not suffice.
    """
    level = settled(level, environment)
    frames = shard_of(geometries.sizes["frame"], shard, shards)
    if level.dispersion == "d4":
        check_d4(level.functional)
    numbers = geometries["numbers"].values.astype(np.int64)
    positions = geometries["positions"].values.astype(np.float64)
    charge, multiplicity = int(geometries.attrs["charge"]), int(geometries.attrs["multiplicity"])
    parts = Parts(
        output,
        {
            "version": METHOD_VERSION,
            "level": level.decisive(),
            "geometries": digest_of(numbers, positions[frames]),
            "frames": frames,
            "charge": charge,
            "multiplicity": multiplicity,
        },
    )
    job = {
        **of_level(level),
        "charge": charge,
        "multiplicity": multiplicity,
        "failures_of_geometries": FAILURES_OF_GEOMETRIES,
    }
    _compute(job, parts, numbers, positions, frames, level, environment)
    ready = _ready(parts)
    if ready is None:
        raise DensnetError(f"{parts.folder}: ready.json has vanished; run again")
    return _assemble(geometries, parts, ready, level, frames, charge), parts


def of_level(level: LevelOfTheory) -> dict[str, Any]:
    """Return what a job says of a settled level of theory."""
    return {"level": level.as_dict()} | ({} if level.program == PSI4 else {"xc": libxc_name(level.functional)})


def _compute(
    job: dict[str, Any],
    parts: Parts,
    numbers: np.ndarray,
    positions: np.ndarray,
    frames: list[int],
    level: LevelOfTheory,
    environment: Mapping[str, str],
) -> None:
    """Have the worker compute the frames that are missing; one that ends it twice stops the job, to be run again."""
    if not len(positions):
        # a program says its basis at any geometry, though there is nothing to label
        positions = 3.0 * np.arange(len(numbers))[None, :, None] * np.array([1.0, 0.0, 0.0])
    parts.write("geometries", {"numbers": numbers, "positions": positions / BOHR_IN_ANGSTROM})
    crashes: dict[int | None, int] = {}
    done = [frame for frame in frames if _is_done(parts, frame)]
    progress = Progress(len(frames), len(done))

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "ready":
            if level.dispersion == "d4" and event["own_dispersion"] != "none":
                raise DensnetError(
                    f"dispersion: the functional {level.functional!r} has its own; set dispersion to none, not d4"
                )
            write_text(parts.folder / "ready.json", json.dumps(event))
        elif event["event"] == "done":
            progress.advance(event["item"], event["status"])

    while True:
        missing = [frame for frame in frames if not _is_done(parts, frame)]
        if not missing and _ready(parts) is not None:
            return
        geometries = str((parts.folder / "geometries.npz").resolve())
        try:
            run_worker(
                {**job, "task": "label", "geometries": geometries, "frames": missing},
                parts.folder,
                on_event,
                environment,
            )
        except WorkerCrashError as error:
            crashes[error.item] = crashes.get(error.item, 0) + 1
            if crashes[error.item] >= CRASHES_BEFORE_GIVING_UP:
                where = "before any frame" if error.item is None else f"at frame {error.item}"
                remedy = CHECKS[level.program] if error.item is None else "finished frames are kept"
                raise DensnetError(
                    f"{level.program}: {error.reason}, twice, {where}: give it more memory and scratch disk and run "
                    f"again; {remedy}"
                ) from error


def _ready(parts: Parts) -> dict[str, Any] | None:
    """Return what the worker said of its basis before the first frame; None if that is not there or was cut short.

    None too of what an earlier version wrote, which named no program: the worker says it again.
    """
    try:
        said = dict(json.loads((parts.folder / "ready.json").read_text()))
    except (OSError, ValueError):
        return None
    return said if "program" in said else None


def _is_done(parts: Parts, frame: int) -> bool:
    """Return whether a frame has its label, or a failure of its own; what the machine is to blame for is done again."""
    part = parts.read(_part(frame))
    return part is not None and (
        str(part["status"]) == "ok" or bool(re.search(FAILURES_OF_GEOMETRIES, str(part["status"]), re.IGNORECASE))
    )


def _part(frame: int) -> str:
    return f"frame-{frame:06d}"


class Progress:
    """One line on standard error, rewritten in place on a terminal."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done, self.resumed = total, done, done
        self.started = time.monotonic()
        if done:
            print(f"densnet label: {done} of {total} frames were done before; going on", file=sys.stderr)

    def advance(self, frame: int, status: str) -> None:
        """Count one more frame; a failure is a line of its own."""
        self.done += 1
        if status != "ok":
            print(f"\ndensnet label: warning: frame {frame} failed and is skipped: {status}", file=sys.stderr)
        rate = (time.monotonic() - self.started) / max(1, self.done - self.resumed)
        left = rate * (self.total - self.done)
        text = f"densnet label: {self.done}/{self.total} frames, {rate:.1f} s each, {left:.0f} s left"
        last = "\n" if self.done == self.total or not sys.stderr.isatty() else ""
        print(f"\r{text}   " if sys.stderr.isatty() else text, end=last, file=sys.stderr, flush=True)


def _assemble(
    geometries: xr.Dataset,
    parts: Parts,
    ready: dict[str, Any],
    level: LevelOfTheory,
    frames: list[int],
    charge: int,
) -> xr.Dataset:
    """Put the parts together, in ASE's units, with D4 added."""
    numbers = geometries["numbers"].values.astype(np.int64)
    positions = geometries["positions"].values[frames].astype(np.float64)
    shells = [tuple(shell) for shell in ready["shells"]]
    size = (len(frames), sum(2 * l + 1 for _, l in shells), (int(numbers.sum()) - charge) // 2)
    energy, dispersion, wall_time = (np.full(len(frames), np.nan) for _ in range(3))
    forces, dipole, orbitals = (
        np.full(positions.shape, np.nan),
        np.full((len(frames), 3), np.nan),
        np.full(size, np.nan),
    )
    status = np.empty(len(frames), dtype=object)
    for row, frame in enumerate(frames):
        part = parts.read(_part(frame))
        if part is None:
            raise DensnetError(f"{parts.folder}: the part of frame {frame} has vanished; run again")
        status[row], wall_time[row] = str(part["status"]), float(part["wall_time"])
        if status[row] != "ok":
            continue
        added, gradient = float(part["own_dispersion"]), part["gradient"]
        energy[row] = float(part["energy"])
        if level.dispersion == "d4":
            added, slope = d4(level.functional, numbers, positions[row] / BOHR_IN_ANGSTROM, charge)
            energy[row], gradient = energy[row] + added, gradient + slope
        dispersion[row], forces[row], dipole[row], orbitals[row] = added, -gradient, part["dipole"], part["orbitals"]
    return xr.Dataset(
        {
            "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
            "positions": variable(("frame", "atom", "x"), positions, "angstrom", "positions"),
            "split": variable(
                ("frame",), geometries["split"].values[frames].astype(str), "1", "train, validation or test"
            ),
            "energy": ENERGY.variable(energy * HARTREE_IN_EV, long_name="total energy, dispersion included"),
            "dispersion_energy": variable(
                ("frame",), dispersion * HARTREE_IN_EV, "eV", "dispersion part of the energy"
            ),
            "forces": FORCES.variable(
                forces * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM, long_name="forces, dispersion included"
            ),
            "dipole": DIPOLE.variable(dipole * BOHR_IN_ANGSTROM, long_name="dipole about the frame's origin"),
            "orbitals": variable(
                ("frame", "ao", "occupied"), orbitals, "bohr^-3/2", "occupied orbitals in the order of ao_convention"
            ),
            "status": variable(("frame",), status.astype(str), "1", "ok, or what failed"),
            "wall_time": variable(("frame",), wall_time, "s", "wall time of the label"),
        },
        coords={
            "frame": (
                "frame",
                np.array(frames, dtype=np.int64),
                {"units": "1", "long_name": "index into the geometries"},
            )
        },
        attrs={
            **level.decisive(),
            **basis_attributes(ready),
            "psi4_shells": json.dumps(ready["shells"]),
            "charge": charge,
            "multiplicity": int(geometries.attrs["multiplicity"]),
        },
    )


def basis_attributes(ready: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that say which functions orbitals and density matrices refer to, and who made them."""
    shells = {
        number: [{**shell, "l": int(shell["l"])} for shell in listed]
        for number, listed in sorted(ready["orbital_basis"]["shells"].items(), key=lambda item: int(item[0]))
    }
    program = str(ready["program"])
    return {
        "orbital_basis": json.dumps({"name": ready["orbital_basis"]["name"], "shells": shells}),
        "ao_convention": ready["ao_convention"],
        "program": program,
        "psi4_version": psi4_version(program),
    }
