"""Oscillators whose Raman activity is known, as series and as trajectories."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.io.netcdf import variable
from densnet.quantities import POLARIZABILITY
from densnet.units import (
    BOLTZMANN_IN_EV_PER_K,
    EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2,
    SPEED_OF_LIGHT_IN_CM_PER_FS,
)

Array = NDArray[np.float64]

TEMPERATURE = 300.0
INTERVAL = 1.0
ISOTROPIC = 0.3 * np.eye(3)
TRACELESS = np.array([[0.2, 0.1, 0.0], [0.1, -0.3, 0.05], [0.0, 0.05, 0.1]])
"""Derivatives of a polarizability, e² Å²/eV per Å √Da."""
PERMANENT = np.diag([3.0, 4.0, 5.0])


def thermal_polarizability(
    wavenumbers: list[float], slopes: list[Array], *, n_replicas: int = 8, n_times: int = 6000
) -> Array:
    """Polarizabilities (replica, time, x, field) of classical oscillators, each with the energy k_B T all the time."""
    time = np.arange(n_times) * INTERVAL
    thermal = BOLTZMANN_IN_EV_PER_K * TEMPERATURE * EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2
    alpha = np.zeros((n_replicas, n_times, 3, 3)) + PERMANENT
    for number, (wavenumber, slope) in enumerate(zip(wavenumbers, slopes, strict=True)):
        omega = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * wavenumber
        phase = 2 * np.pi * (np.arange(n_replicas) / n_replicas + 0.1 * number)
        coordinate = np.sqrt(2 * thermal) / omega * np.cos(omega * time + phase[:, None])
        alpha += coordinate[..., None, None] * slope
    return alpha


def polar_trajectory(alpha: Array, potential: str = "model") -> xr.Dataset:
    """A trajectory.nc with polarizabilities (replica, time, x, field), and no more than a Raman spectrum reads."""
    time, seldom = np.arange(alpha.shape[1]) * INTERVAL, "polarizability_time"
    return xr.Dataset(
        {"polarizability": POLARIZABILITY.variable(alpha, ("replica", seldom))},
        coords={seldom: variable((seldom,), time, "fs", "time"), "time": variable(("time",), time, "fs", "time")},
        attrs={"timestep_fs": 0.5, "temperature_k": TEMPERATURE, "potential": potential},
    )
