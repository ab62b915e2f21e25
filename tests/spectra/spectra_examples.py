"""Dipole series and files whose spectra are known."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.io.netcdf import variable
from densnet.units import SPEED_OF_LIGHT_IN_CM_PER_FS


def oscillating_dipole(
    wavenumbers: list[float],
    amplitudes: list[float],
    *,
    n_replicas: int,
    n_times: int,
    interval: float,
    permanent: float = 0.0,
) -> NDArray[np.float64]:
    """Dipoles (replica, time, x) of oscillators, each along its own axis, phases spread over the replicas."""
    time = np.arange(n_times) * interval
    dipole = np.zeros((n_replicas, n_times, 3))
    dipole[:, :, 2] = permanent
    for number, (wavenumber, amplitude) in enumerate(zip(wavenumbers, amplitudes, strict=True)):
        phase = 2 * np.pi * (np.arange(n_replicas) / n_replicas + 0.1 * number)
        omega = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * wavenumber
        dipole[:, :, number % 3] += amplitude * np.cos(omega * time[None, :] + phase[:, None])
    return dipole


def trajectory_dataset(
    wavenumbers: list[float], *, n_replicas: int, n_times: int, potential: str = "model", interval: float = 0.5
) -> xr.Dataset:
    """A trajectory.nc with what the spectrum reads."""
    dipole = oscillating_dipole(
        wavenumbers, [100.0 / w for w in wavenumbers], n_replicas=n_replicas, n_times=n_times, interval=interval
    )
    dataset = xr.Dataset(
        {"dipole": variable(("replica", "time", "x"), dipole, "e Angstrom", "dipole")},
        coords={"time": variable(("time",), np.arange(n_times) * interval, "fs", "time")},
    )
    return dataset.assign_attrs(timestep_fs=interval, stride=1, temperature_k=300.0, potential=potential)
