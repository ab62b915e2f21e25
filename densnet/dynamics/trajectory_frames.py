"""Frames of a trajectory as geometries to be labelled: what a model is judged by where its own dynamics leads it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.oligomer import CARRIED, VARIABLES

METHOD_VERSION: int = 2


def trajectory_frames(trajectory: xr.Dataset, geometries: xr.Dataset, n_test: int) -> xr.Dataset:
    """Return ``n_test`` frames, evenly spread over replicas and time, as a ``geometries.nc`` has them, all "test".

    Replicas are laid end to end, r of R begun at the share r / R of its time T, and every so many frames one is
    taken; begun all at zero, n of n replicas would give n frames of one moment.

    Args:
        trajectory: outcome of "md".
        geometries: outcome of "sample" that the dynamics started from.

    Raises:
        DensnetError: fewer frames than wanted, or another molecule.
    """
    numbers = trajectory["numbers"].values
    if not np.array_equal(numbers, geometries["numbers"].values):
        raise DensnetError(
            "frames: trajectory and geometries are of different molecules; give those that it began from"
        )
    times = trajectory["time"].values
    total = trajectory.sizes["replica"] * len(times)
    if not 1 <= n_test <= total:
        raise DensnetError(f"n_test: expected 1 to {total}, as many as the trajectory has frames, got {n_test}")
    rows = ((np.arange(n_test) + 0.5) * total / n_test).astype(int)
    replica, step = np.divmod(rows, len(times))
    step = (step + replica * len(times) // trajectory.sizes["replica"]) % len(times)
    positions = trajectory["positions"].values.astype(np.float64)[replica, step]
    weights = trajectory["masses"].values / trajectory["masses"].values.sum()
    positions = positions - np.einsum("i,tix->tx", weights, positions)[:, None]
    temperature = np.full(n_test, float(trajectory.attrs["temperature_k"]))
    unknown = np.full(n_test, np.nan)
    frame = ("frame",)
    return xr.Dataset(
        {
            "positions": variable(("frame", "atom", "x"), positions, "angstrom", "positions, centre of mass at 0"),
            "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
            "split": variable(frame, np.full(n_test, "test"), "1", "train, validation or test"),
            "temperature": variable(frame, temperature, "K", "temperature that the dynamics began with"),
            "trajectory": variable(frame, replica, "1", "replica that the frame comes from"),
            "time": variable(frame, times[step], "fs", "time since the start of production"),
            "distance_to_train": variable(frame, unknown, "angstrom", "none: nothing of this molecule is trained on"),
            **{name: geometries[name] for name in VARIABLES if name in geometries},
        },
        attrs={name: geometries.attrs[name] for name in CARRIED if name in geometries.attrs},
    )
