"""Trajectories in the formats of other programs: extended xyz by ASE, DCD and XTC by MDAnalysis."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.extxyz import write_extxyz

from densnet.dynamics.universe import frames_of, universe_of
from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically


def export_trajectory(path: Path, output: Path, replica: int | None = None, stride: int = 1) -> list[Path]:
    """Write a trajectory as extended xyz (.xyz, .extxyz), DCD (.dcd) or XTC (.xtc), as the output's suffix says.

    Extended xyz holds the potential energy (eV), dipole (e Angstrom), time (fs) and replica of each frame. DCD and XTC
    hold positions and times alone; atoms and bonds stand in a PDB file of the same name beside them.

    Args:
        path: output of 'densnet md'.
        output: the file to write.
        replica: one of them, from 0; all of them without it, one after the other.
        stride: every so many frames of each.

    Returns:
        what was written.

    Raises:
        DensnetError: not such a file, no such replica, a stride below 1, or a suffix that says no format.
    """
    write = WRITERS.get(output.suffix)
    if write is None:
        raise DensnetError(f"output: expected a name that ends in {', '.join(WRITERS)}, got {output}")
    return write(frames_of(path, replica, stride), output)


def _write_extended_xyz(frames: xr.Dataset, output: Path) -> list[Path]:
    def write(temporary: Path) -> None:
        with temporary.open("w") as handle:
            write_extxyz(handle, _images(frames))

    write_atomically(output, write)
    return [output]


def _images(frames: xr.Dataset) -> Iterator[Atoms]:
    """Yield each frame as ASE has it."""
    along = {name: frames[name].values for name in ("positions", "dipole", "energy_potential", "time", "replica")}
    for positions, dipole, energy, time, replica in zip(*along.values(), strict=True):
        info = {"time_fs": float(time), "replica": int(replica)}
        atoms = Atoms(frames["numbers"].values, positions.astype(np.float64), info=info)
        atoms.calc = SinglePointCalculator(atoms, energy=float(energy), dipole=dipole)
        yield atoms


def _write_binary(frames: xr.Dataset, output: Path, **options: int) -> list[Path]:
    from MDAnalysis import Writer

    universe = universe_of(frames)
    topology = output.with_suffix(".pdb")

    def write(temporary: Path) -> None:
        with Writer(str(temporary), universe.atoms.n_atoms, dt=universe.trajectory.dt, **options) as writer:
            for _ in universe.trajectory:
                writer.write(universe.atoms)

    with warnings.catch_warnings():
        # of cells, occupancies and the like, which no molecule of ours has
        warnings.filterwarnings("ignore", category=UserWarning, module="MDAnalysis")
        write_atomically(output, write)
        universe.trajectory[0]
        write_atomically(topology, lambda temporary: universe.atoms.write(str(temporary), bonds="all"))
    return [output, topology]


WRITERS: dict[str, Callable[[xr.Dataset, Path], list[Path]]] = {
    ".xyz": _write_extended_xyz,
    ".extxyz": _write_extended_xyz,
    ".dcd": _write_binary,
    # to 0.0001 Angstrom
    ".xtc": partial(_write_binary, precision=5),
}
