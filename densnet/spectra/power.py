"""Power spectra of time derivatives, from many constant-energy trajectories: what all spectra of dynamics are made of.

By Wiener and Khinchin the power spectral density of dX/dt is (2πν)² times the transform of the autocorrelation
⟨X(0) X(t)⟩. Each replica's dX/dt is cut into half-overlapping windowed segments, whose periodograms are to be averaged
(P. D. Welch, IEEE Trans. Audio Electroacoust. 15, 70 (1967)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import signal

from densnet.errors import DensnetError
from densnet.spectra.settings import SpectrumSettings
from densnet.spectra.windows import segment_length, window_values
from densnet.units import SPEED_OF_LIGHT_IN_CM_PER_FS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """How a series of a trajectory was sampled.

    Attributes:
        interval_fs: time between samples, fs.
        temperature: of the ensemble that the replicas were drawn from, K.
        timestep_fs: velocity Verlet's step, fs.
        n_times: samples of a replica.
    """

    interval_fs: float
    temperature: float
    timestep_fs: float
    n_times: int


def sampling_of(trajectory: xr.Dataset, time: str = "time") -> Sampling:
    """Return how the variables over a dimension of times were sampled in a trajectory.nc dataset.

    Raises:
        DensnetError: too few or uneven times, or missing attributes.
    """
    times = np.asarray(trajectory[time], dtype=float)
    if len(times) < 3:
        raise DensnetError(f"{time}: expected at least 3 samples in the trajectory, found {len(times)}; run longer")
    steps = np.diff(times)
    interval = float(steps.mean())
    if not (interval > 0 and np.allclose(steps, interval, rtol=1e-3)):
        raise DensnetError(f"{time}: the samples of the trajectory are not evenly spaced; run the dynamics again")
    missing = [name for name in ("timestep_fs", "temperature_k", "potential") if name not in trajectory.attrs]
    if missing:
        raise DensnetError(f"trajectory: the attribute(s) {missing} are missing; run the dynamics again")
    temperature, timestep = (float(trajectory.attrs[name]) for name in ("temperature_k", "timestep_fs"))
    return Sampling(interval, temperature, timestep, len(times))


def check_series(name: str, series: Array, interval_fs: float, temperature: float, settings: SpectrumSettings) -> None:
    """Refuse what no spectrum can be made of.

    Args:
        name: of the quantity.
        series: (replica, time, ...).
        interval_fs: time between samples, fs.
        temperature: K.
        settings: the range.

    Raises:
        DensnetError: values that are not finite, no temperature, or samples too far apart for the range.
    """
    broken = ~np.isfinite(series).all(axis=tuple(range(1, series.ndim)))
    if broken.any():
        raise DensnetError(
            f"{name}: not finite in replica(s) {np.flatnonzero(broken).tolist()}; the dynamics ran away: "
            "take a smaller timestep or a better model"
        )
    if not temperature > 0:
        raise DensnetError(f"temperature: expected a positive number of K, found {temperature}")
    nyquist = 1.0 / (2.0 * SPEED_OF_LIGHT_IN_CM_PER_FS * interval_fs)
    if settings.wavenumber_max > nyquist:
        raise DensnetError(
            f"wavenumber_max: {settings.wavenumber_max:g} 1/cm is beyond what a {name} every {interval_fs:g} fs "
            f"can show ({nyquist:.0f} 1/cm); write it more often or lower wavenumber_max"
        )


def power_of_segments(
    series: Array, interval_fs: float, settings: SpectrumSettings, timestep_fs: float | None = None
) -> tuple[Array, Array]:
    """Return wavenumbers (n,) and the one-sided density of |dX/dt|² of each segment, (replica, segment, n).

    It is the square of X's units per fs², per 1/fs of frequency: its integral over ν is the mean of |dX/dt|².

    Args:
        series: (replica, time, component), |·|² being the sum over components.
        interval_fs: time between samples, fs.
        settings: window, resolution, range.
        timestep_fs: velocity Verlet's step; if given and ``settings.correct_timestep``, its shift
            ω_found = (2/Δt) arcsin(ω Δt/2) is undone.

    Raises:
        DensnetError: the trajectory is too short for the resolution.
    """
    length = _segment_samples(settings, interval_fs, series.shape[1])
    replicas = []
    # one by one: only the range that is shown is kept of each
    for replica in series:
        wavenumber, density = _power_of_derivative(replica, interval_fs, length, settings)
        if settings.correct_timestep and timestep_fs is not None:
            wavenumber, density = undo_verlet_shift(wavenumber, density, timestep_fs)
        shown = (wavenumber >= settings.wavenumber_min) & (wavenumber <= settings.wavenumber_max)
        replicas.append(density[:, shown])
    return wavenumber[shown], np.array(replicas)


def piece_ps(settings: SpectrumSettings, interval_fs: float, n_times: int, n_segments: int) -> Array:
    """Return the ps (segment,) of dynamics that 1, 2 ... segments span, at the end the whole replica."""
    length = _segment_samples(settings, interval_fs, n_times)
    samples = length + (length - length // 2) * np.arange(n_segments)
    samples[-1] = n_times
    return np.asarray(samples * interval_fs / 1e3, dtype=float)


def undo_verlet_shift(wavenumber: Array, density: Array, timestep_fs: float) -> tuple[Array, Array]:
    """Return the frequencies that exact integration would show, and densities (., n); areas under bands are kept."""
    half_phase = np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * wavenumber * timestep_fs
    inside = half_phase < np.pi / 2
    phase = half_phase[inside]
    corrected = wavenumber[inside] * np.sinc(phase / np.pi)
    return corrected, density[:, inside] / np.cos(phase)


def _segment_samples(settings: SpectrumSettings, interval_fs: float, n_times: int) -> int:
    """Return how many samples of dX/dt a segment has; there is one fewer of them than of X."""
    return min(segment_length(settings, interval_fs, n_times), n_times - 1)


def _power_of_derivative(
    series: Array, interval_fs: float, length: int, settings: SpectrumSettings
) -> tuple[Array, Array]:
    """Return wavenumbers and the one-sided density (segment, n) of |dX/dt|² of a replica (time, component)."""
    # A difference of neighbours keeps a strong permanent moment out of the window's side lobes.
    derivative = np.diff(series, axis=0) / interval_fs
    frequency, _, density = signal.spectrogram(
        derivative,
        fs=1.0 / interval_fs,
        window=window_values(settings.window, length),
        nperseg=length,
        noverlap=length // 2,
        nfft=settings.zero_padding * length,
        detrend=False,
        scaling="density",
        axis=0,
    )
    density = density.sum(axis=1).T
    # The estimate for zero frequency alone is not doubled for its negative twin; a smooth density needs it to be.
    density[:, 0] *= 2.0
    # A difference responds with |sin(πνΔt)/(πΔt)| where a derivative does with ν.
    return frequency / SPEED_OF_LIGHT_IN_CM_PER_FS, density / np.sinc(frequency * interval_fs) ** 2
