"""Trajectories of molecules, alone or in a cell: outputs of 'densnet md', and extended xyz of any program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.potential import Array

UNEVEN = 1e-3
"""Of the time between frames: by more than this it does not differ from frame to frame."""


@dataclass(frozen=True)
class Motion:
    """Frames of one set of atoms.

    Attributes:
        name: of the file.
        numbers: atomic numbers, (i,).
        masses: Da, (i,).
        positions: Angstrom, (replica, time, i, x), as in the file: molecules may be cut by the cell.
        cells: lattice vectors, Angstrom, (replica, time, 3, 3).
        periodic: along which lattice vectors, (3,).
        interval: fs between frames; None where the file does not say it.
        energy: potential and kinetic energy together, eV, (replica, time); None where the file does not say both.
    """

    name: str
    numbers: NDArray[np.int64]
    masses: Array
    positions: Array
    cells: Array
    periodic: NDArray[np.bool_]
    interval: float | None
    energy: Array | None = None


def read_motion(path: Path, interval: float | None = None) -> Motion:
    """Return the trajectory of an output of 'densnet md' (.nc), or of an extended xyz file.

    Extended xyz may be periodic. Of what 'densnet export trajectory' writes, replicas and times (``replica`` and
    ``time_fs`` of each frame) are taken; other files are one replica. Frames with ``energy`` and the column
    ``momenta``, as ASE writes them, have a total energy.

    Args:
        interval: fs between frames, for files that do not say it.

    Raises:
        DensnetError: no such file, another one, one without atoms, frames of different atoms or cells, or an interval
            that is not positive or that the file says itself.
    """
    if interval is not None and not 0 < interval < np.inf:
        raise DensnetError(f"interval-fs: expected a positive number of fs, found {interval}")
    motion = _of_md(path) if path.suffix == ".nc" else _of_xyz(path)
    if interval is None:
        return motion
    if motion.interval is not None:
        raise DensnetError(f"interval-fs: {path} says that it is {motion.interval:g} fs; leave the option out")
    return Motion(**{**vars(motion), "interval": interval})


def _of_md(path: Path) -> Motion:
    data = read_dataset(path, stage="md", variables=("positions", "numbers", "masses", "time"))
    positions = data["positions"].values.astype(np.float64)
    return Motion(
        str(path),
        data["numbers"].values,
        data["masses"].values,
        _finite(positions, path),
        np.zeros((*positions.shape[:2], 3, 3)),
        np.zeros(3, dtype=bool),
        _interval(data["time"].values[None], path),
    )


def _of_xyz(path: Path) -> Motion:
    frames = _read_xyz(path)
    if not frames or not len(frames[0]):
        raise DensnetError(f"{path}: expected frames with atoms, found none; give a trajectory")
    for t, frame in enumerate(frames):
        if not np.array_equal(frame.numbers, frames[0].numbers):
            raise DensnetError(
                f"{path}: expected the atoms of the first frame in each, found others in frame {t + 1}; give frames of "
                "the same atoms in the same order"
            )
        if not np.array_equal(frame.pbc, frames[0].pbc):
            raise DensnetError(f"{path}: frame {t + 1} is not periodic as the first one is; give frames of one kind")
        if frame.pbc.any() and abs(frame.cell.complete().volume) < 1.0:
            raise DensnetError(f"{path}: Lattice= of frame {t + 1} spans no cell; correct it or leave it out")
    replicas = _replicas(frames, path)
    times = [[frame.info.get("time_fs") for frame in replica] for replica in replicas]
    known = all(isinstance(time, (int, float)) for replica in times for time in replica)
    return Motion(
        str(path),
        np.asarray(frames[0].numbers, dtype=np.int64),
        np.asarray(frames[0].get_masses()),
        _finite(np.array([[frame.positions for frame in replica] for replica in replicas]), path),
        np.array([[frame.cell.array for frame in replica] for replica in replicas]),
        np.asarray(frames[0].pbc),
        _interval(np.array(times, dtype=np.float64), path) if known else None,
        _total_energy(replicas),
    )


def _total_energy(replicas: Sequence[Sequence[Any]]) -> Array | None:
    """Return potential and kinetic energy together in eV, (replica, time), if all frames have both."""
    frames = [frame for replica in replicas for frame in replica]
    if not all(frame.calc is not None and "energy" in frame.calc.results and frame.has("momenta") for frame in frames):
        return None
    return np.array([[frame.get_total_energy() for frame in replica] for replica in replicas])


def _read_xyz(path: Path) -> list[Any]:
    """Return the frames of an extended xyz file as ASE has them."""
    from ase.io import read

    if not path.is_file():
        raise DensnetError(f"{path}: no such file; expected an output of 'densnet md' (.nc) or extended xyz")
    if not path.stat().st_size:
        return []
    try:
        return list(read(path, index=":", format="extxyz"))
    except Exception as error:  # ASE's reader raises many types: ValueError, KeyError, XYZError ...
        reason = (str(error).splitlines() or [""])[0]
        raise DensnetError(
            f"{path}: expected an output of 'densnet md' (.nc) or extended xyz ({type(error).__name__}: {reason})"
        ) from error


def _replicas(frames: Sequence[Any], path: Path) -> list[list[Any]]:
    """Return frames by what they say of their replica, all in one if they say nothing."""
    replicas: dict[str, list[Any]] = {}
    for frame in frames:
        replicas.setdefault(str(frame.info.get("replica", "")), []).append(frame)
    lengths = sorted({len(replica) for replica in replicas.values()})
    if len(lengths) > 1:
        raise DensnetError(
            f"{path}: expected as many frames of each replica, found {lengths[0]} to {lengths[-1]}; is it truncated?"
        )
    return [*replicas.values()]


def _interval(times: Array, path: Path) -> float | None:
    """Return the time between frames from the times (replica, time), in fs; None of single frames."""
    steps = np.diff(times, axis=1)
    if not steps.size:
        return None
    interval = float(steps.mean())
    if not interval > 0 or np.abs(steps - interval).max() > UNEVEN * interval:
        raise DensnetError(
            f"{path}: expected frames at equal intervals, found {steps.min():g} to {steps.max():g} fs; leave out frames"
        )
    return interval


def _finite(positions: Array, path: Path) -> Array:
    if not np.isfinite(positions).all():
        frame = int(np.argwhere(~np.isfinite(positions))[0][1])
        raise DensnetError(f"{path}: a position in frame {frame + 1} is not a finite number; leave that frame out")
    return positions
