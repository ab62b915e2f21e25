"""A trajectory as MDAnalysis opens it: atoms with elements and bonds, positions, and what was computed along the way.

MDAnalysis: Michaud-Agrawal, Denning, Woolf, Beckstein, J. Comput. Chem. 32, 2319 (2011).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from MDAnalysis import Universe
from MDAnalysis.auxiliary.base import AuxReader, AuxStep
from MDAnalysis.coordinates.memory import MemoryReader
from numpy.typing import NDArray

from densnet.bonds import bonded
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.units import PS_IN_FS

VARIABLES = ("positions", "velocities", "dipole", "energy_potential", "numbers", "masses")


class SeriesStep(AuxStep):
    """A value of a series; there is nothing to select from it."""

    def _select_time(self, key: None) -> None: ...

    def _select_data(self, key: None) -> None: ...


class Series(AuxReader):
    """Values that go with the frames of a trajectory, one a frame, as MDAnalysis' auxiliary data.

    Args:
        auxdata: the value of each frame.
        options: of MDAnalysis' reader; ``dt`` is the time between frames in ps.
    """

    format = "DENSNET"
    _Auxstep = SeriesStep

    def __init__(self, auxdata: list[NDArray[np.float64]], **options: Any) -> None:
        self._auxdata, self._n_steps = auxdata, len(auxdata)
        super().__init__(**options)

    def _memory_usage(self) -> int:
        return sum(value.nbytes for value in self._auxdata)

    def _read_next_step(self) -> AuxStep:
        if self.step + 1 >= self.n_steps:
            self.rewind()
            raise StopIteration
        return self._go_to_step(self.step + 1)

    def _go_to_step(self, i: int) -> AuxStep:
        self.auxstep._data, self.auxstep.step = self._auxdata[i], i
        return self.auxstep

    def read_all_times(self) -> NDArray[np.float64]:
        """Return the times of all values, ps."""
        return np.arange(self.n_steps) * self.dt


def universe(path: Path | str, replica: int | None = None) -> Universe:
    """Open a ``trajectory.nc`` in MDAnalysis.

    Atoms have ``elements``, ``names`` (C1, C2, ...), ``masses`` (Da) and ``bonds`` (by the distances of the first
    frame), frames ``positions`` (Angstrom), ``velocities`` (Angstrom/ps) and no cell. Everything else that the file
    holds along the trajectory is auxiliary data, in the units of the file::

        universe = densnet.universe("results/demo/ethanol/trajectory.nc", replica=0)
        for ts in universe.trajectory:
            ts.time                  # ps
            ts.aux.dipole            # e Angstrom, (3,)
            ts.aux.energy_potential  # eV

    Args:
        path: output of 'densnet md'.
        replica: which one, from 0; without it all of them, one after the other: frame t of replica r is frame
            r T + t of the universe, T the frames of each, and the time runs on.

    Raises:
        DensnetError: not such a file, or no such replica.
    """
    return universe_of(frames_of(Path(path), replica))


def frames_of(path: Path, replica: int | None = None, stride: int = 1) -> xr.Dataset:
    """Return a trajectory with replicas laid end to end: dimensions (frame, ...) for (replica, time, ...).

    Args:
        path: output of 'densnet md'.
        replica: one of them; all without it.
        stride: every so many frames of each.

    Raises:
        DensnetError: not such a file, no such replica, or a stride below 1.
    """
    data = read_dataset(path, stage="md", variables=VARIABLES)
    count = data.sizes["replica"]
    if replica is not None and not 0 <= replica < count:
        raise DensnetError(f"replica: expected 0 to {count - 1}, as {path} has, got {replica}")
    if stride < 1:
        raise DensnetError(f"stride: expected at least 1, got {stride}")
    chosen = data.isel(replica=slice(None) if replica is None else [replica], time=slice(None, None, stride))
    named = chosen.assign_coords(replica=np.arange(count) if replica is None else [replica])
    return named.stack(frame=("replica", "time"), create_index=False).transpose("frame", ...)


def universe_of(frames: xr.Dataset) -> Universe:
    """Return the universe of what :func:`frames_of` gives."""
    numbers, positions = frames["numbers"].values, frames["positions"].values
    symbols = [chemical_symbols[number] for number in numbers]
    names = [f"{symbol}{symbols[: n + 1].count(symbol)}" for n, symbol in enumerate(symbols)]
    made = Universe.empty(len(numbers))
    for name, values in {
        "elements": symbols,
        "types": symbols,
        "names": names,
        "masses": frames["masses"].values,
        "resnames": ["MOL"],
        "resids": [1],
        "bonds": np.argwhere(np.triu(bonded(numbers, positions[0].astype(np.float64)))),
    }.items():
        made.add_TopologyAttr(name, values)
    times = frames["time"].values
    dt = (times[1] - times[0]) / PS_IN_FS if len(times) > 1 else 1.0
    made.trajectory = MemoryReader(positions, velocities=frames["velocities"].values * PS_IN_FS, dt=dt)
    for along, series in frames.drop_vars(["positions", "velocities"]).data_vars.items():
        if series.dims[0] == "frame":
            made.trajectory.add_auxiliary(str(along), Series(list(series.values), dt=dt))
    return made
