"""Data windows and the width that they give to a sharp line."""

from __future__ import annotations

from functools import cache
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from densnet.errors import DensnetError
from densnet.spectra.settings import Window

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
