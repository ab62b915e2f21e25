"""Test frames by the temperature that they were sampled at: the hottest are the hardest."""

from __future__ import annotations

import numpy as np
import xarray as xr


def frames_by_temperature(dataset: xr.Dataset) -> dict[int, xr.Dataset]:
    """Return the frames of each temperature in K, ascending; nothing unless there are several temperatures."""
    if "temperature" not in dataset:
        return {}
    temperature = dataset["temperature"].values
    known = np.unique(temperature[np.isfinite(temperature)])
    if len(known) < 2:
        return {}
    return {round(float(T)): dataset.isel(frame=np.flatnonzero(temperature == T)) for T in known}
