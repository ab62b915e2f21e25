"""Data windows and the width that they give to a sharp line."""

from __future__ import annotations

from functools import cache
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from densnet.errors import DensnetError
from densnet.spectra.settings import SpectrumSettings, Window
from densnet.units import SPEED_OF_LIGHT_IN_CM_PER_FS

WINDOWS: tuple[str, ...] = get_args(Window)

GAUSSIAN_SIGMA = 1.0 / 6.0
"""Standard deviation of the Gaussian window, as a share of its length: three to each side."""


def window_values(name: str, length: int) -> NDArray[np.float64]:
    """Return the periodic window (length,) of that name.

    Raises:
        DensnetError: unknown name.
    """
    if name not in WINDOWS:
        raise DensnetError(f"window: expected one of {', '.join(WINDOWS)}, found {name!r}")
    if name == "gaussian":
        return np.asarray(signal.get_window(("gaussian", GAUSSIAN_SIGMA * length), length))
    return np.asarray(signal.get_window("boxcar" if name == "none" else name, length))


@cache
def half_width_bins(name: str) -> float:
    """Return the full width at half maximum of the window's power response, in bins of 1/duration.

    Found on the window itself, so that it holds for each of them.
    """
    length, padding = 1024, 256
    power = np.abs(np.fft.rfft(window_values(name, length), n=length * padding)) ** 2
    below = int(np.argmax(power < power[0] / 2))
    fraction = (power[below - 1] - power[0] / 2) / (power[below - 1] - power[below])
    return float(2 * (below - 1 + fraction) / padding)


def segment_length(settings: SpectrumSettings, interval_fs: float, n_times: int) -> int:
    """Return how many samples a segment needs for the wanted resolution.

    A window of T = b/(c Δν̃), b its full width at half maximum in bins, shows a sharp line with the
    full width Δν̃ (F. J. Harris, Proc. IEEE 66, 51 (1978)).

    Raises:
        DensnetError: the trajectory is shorter than that.
    """
    bins = half_width_bins(settings.window)
    duration = bins / (SPEED_OF_LIGHT_IN_CM_PER_FS * settings.resolution)
    length = round(duration / interval_fs)
    if length > n_times:
        best = bins / (SPEED_OF_LIGHT_IN_CM_PER_FS * n_times * interval_fs)
        raise DensnetError(
            f"resolution: {settings.resolution:g} 1/cm with the window {settings.window!r} needs trajectories of "
            f"{duration:.0f} fs, found {n_times * interval_fs:.0f} fs; "
            f"take resolution >= {np.ceil(best):.0f} or run longer"
        )
    if length < 16:
        raise DensnetError(
            f"resolution: {settings.resolution:g} 1/cm leaves {length} samples a segment, expected at least 16; "
            "take a smaller resolution"
        )
    return length
