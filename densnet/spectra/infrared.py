"""Infrared absorption from the dipole moments of many constant-energy trajectories.

In the limit of double harmonicity the classical absorption per mole and wavenumber is

    A(ν̃) = N_A / (12 ε0 c k_B T) · S(ν),        S(ν) = 2 ∫ e^{-2πiνt} ⟨dμ/dt(0) · dμ/dt(t)⟩ dt,   ν = c ν̃,

S being the one-sided power spectral density of dμ/dt: by Wiener and Khinchin it is (2πν)² times the
transform of the autocorrelation ⟨μ(0)·μ(t)⟩. Integrated over a band it gives the (Napierian)
intensity N_A/(12 ε0 c²) (∂μ/∂Q)². Molecules in constant-energy runs rotate, and the rotational wings of
a gas-phase band are part of the result.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import constants, signal

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.molecule import formula
from densnet.spectra.convergence import convergence
from densnet.spectra.settings import SpectrumSettings
from densnet.spectra.windows import segment_length, window_values
from densnet.units import BOLTZMANN_IN_EV_PER_K, PLANCK_TIMES_C_IN_EV_CM, SPEED_OF_LIGHT_IN_CM_PER_FS

METHOD_VERSION: int = 2

Array = NDArray[np.float64]

LEAST_ACTIVITY = 1e-3
"""km/mol over all wavenumbers: below it nothing absorbs, what is left is rounding (real bands have 0.01 and more)."""
INTENSITY_UNITS = "km mol-1 cm"
"""km/mol per 1/cm: the area under a band is its intensity in km/mol."""


@dataclass(frozen=True)
class Spectrum:
    """An absorption spectrum with its error band.

    Attributes:
        wavenumber: (n,) 1/cm, ascending.
        intensity: (n,) mean over replicas, km/mol per 1/cm.
        intensity_error: (n,) standard error of that mean; NaN for a single replica.
        by_replica: (replica, n) of each replica.
    """

    wavenumber: Array
    intensity: Array
    intensity_error: Array
    by_replica: Array


@dataclass(frozen=True)
class Lines:
    """Maxima of a spectrum, strongest first.

    Attributes:
        wavenumber: (line,) 1/cm.
        intensity: (line,) height.
        prominence: (line,) height above the higher of the two surrounding valleys.
    """

    wavenumber: Array
    intensity: Array
    prominence: Array


def absorption_factor(wavenumber: Array, temperature: float, quantum_correction: str) -> Array:
    """Return what a quantum correction makes of the classical absorption, 1 for "harmonic".

    Absorption is ω (1 - e^{-x}) Q(ω) times the classical correlation function, x = ħω/k_B T; over its
    classical limit ω x that is F = (1 - e^{-x}) Q / x with Q = x/(1 - e^{-x}) (harmonic), 2/(1 + e^{-x}) (standard),
    e^{x/2} (Schofield), 1 (none). R. Ramírez et al., J. Chem. Phys. 121, 3973 (2004), table I.

    Args:
        wavenumber: (n,) 1/cm.
        temperature: K.
        quantum_correction: harmonic, standard, schofield or none.
    """
    x = PLANCK_TIMES_C_IN_EV_CM * np.maximum(wavenumber, 1e-6) / (BOLTZMANN_IN_EV_PER_K * temperature)
    if quantum_correction == "harmonic":
        return np.ones_like(x)
    if quantum_correction == "standard":
        return np.tanh(x / 2) * 2 / x
    if quantum_correction == "schofield":
        return np.sinh(x / 2) * 2 / x
    if quantum_correction == "none":
        return -np.expm1(-x) / x
    raise DensnetError(
        f"quantum_correction: expected harmonic, standard, schofield or none, found {quantum_correction!r}"
    )


def infrared_spectrum(
    dipole: Array, interval_fs: float, temperature: float, settings: SpectrumSettings, timestep_fs: float | None = None
) -> Spectrum:
    """Return the absorption spectrum of dipole time series: mean and standard error over replicas.

    Arguments and errors are those of :func:`absorption_of_segments`.
    """
    return _mean_of(*absorption_of_segments(dipole, interval_fs, temperature, settings, timestep_fs))


def _mean_of(wavenumber: Array, segments: Array) -> Spectrum:
    """Return the spectrum of segments (replica, segment, n)."""
    by_replica = segments.mean(axis=1)
    n_replicas, n = by_replica.shape
    error = by_replica.std(axis=0, ddof=1) / np.sqrt(n_replicas) if n_replicas > 1 else np.full(n, np.nan)
    return Spectrum(wavenumber, by_replica.mean(axis=0), error, by_replica)


def absorption_of_segments(
    dipole: Array, interval_fs: float, temperature: float, settings: SpectrumSettings, timestep_fs: float | None = None
) -> tuple[Array, Array]:
    """Return wavenumbers (n,) and the absorption (replica, segment, n) of each segment of dipole time series.

    Each replica's dμ/dt is cut into half-overlapping windowed segments, whose periodograms are to be averaged
    (P. D. Welch, IEEE Trans. Audio Electroacoust. 15, 70 (1967)).

    Args:
        dipole: (replica, time, x) e Angstrom.
        interval_fs: time between samples, fs.
        temperature: of the ensemble that the replicas were drawn from, K.
        settings: window, resolution, range, quantum correction.
        timestep_fs: velocity Verlet's step; if given and ``settings.correct_timestep``, its shift
            ω_found = (2/Δt) arcsin(ω Δt/2) is undone.

    Raises:
        DensnetError: NaN in the dipoles, too few or too sparse samples, trajectory too short.
    """
    _check_dipole(dipole, interval_fs, temperature, settings)
    length = _segment_samples(settings, interval_fs, dipole.shape[1])
    scale = _absolute_scale(temperature)
    replicas = []
    # one by one: only the range that is shown is kept of each
    for series in dipole:
        wavenumber, density = _power_of_derivative(series, interval_fs, length, settings)
        if settings.correct_timestep and timestep_fs is not None:
            wavenumber, density = undo_verlet_shift(wavenumber, density, timestep_fs)
        shown = (wavenumber >= settings.wavenumber_min) & (wavenumber <= settings.wavenumber_max)
        replicas.append(density[:, shown])
    x = wavenumber[shown]
    return x, np.array(replicas) * scale * absorption_factor(x, temperature, settings.quantum_correction)


def _check_dipole(dipole: Array, interval_fs: float, temperature: float, settings: SpectrumSettings) -> None:
    """Refuse what no spectrum can be made of."""
    if dipole.ndim != 3 or dipole.shape[2] != 3 or not len(dipole):
        raise DensnetError(f"dipole: expected the shape (replica, time, 3), found {dipole.shape}")
    broken = ~np.isfinite(dipole).all(axis=(1, 2))
    if broken.any():
        raise DensnetError(
            f"dipole: not finite in replica(s) {np.flatnonzero(broken).tolist()}; the dynamics ran away: "
            "take a smaller timestep or a better model"
        )
    if not temperature > 0:
        raise DensnetError(f"temperature: expected a positive number of K, found {temperature}")
    nyquist = 1.0 / (2.0 * SPEED_OF_LIGHT_IN_CM_PER_FS * interval_fs)
    if settings.wavenumber_max > nyquist:
        raise DensnetError(
            f"wavenumber_max: {settings.wavenumber_max:g} 1/cm is beyond what dipoles every {interval_fs:g} fs "
            f"can show ({nyquist:.0f} 1/cm); write dipoles more often or lower wavenumber_max"
        )


def _segment_samples(settings: SpectrumSettings, interval_fs: float, n_times: int) -> int:
    """Return how many samples of dμ/dt a segment has; there is one fewer of them than of the dipole."""
    return min(segment_length(settings, interval_fs, n_times), n_times - 1)


def _power_of_derivative(
    dipole: Array, interval_fs: float, length: int, settings: SpectrumSettings
) -> tuple[Array, Array]:
    """Return wavenumbers and the one-sided density (segment, n) of |dμ/dt|², (e Angstrom/fs)² per (1/fs)."""
    # A difference of neighbours keeps the strong permanent dipole out of the window's side lobes.
    derivative = np.diff(dipole, axis=0) / interval_fs
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


def _piece_ps(settings: SpectrumSettings, interval_fs: float, n_times: int, n_segments: int) -> Array:
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


def _absolute_scale(temperature: float) -> float:
    """Return N_A/(12 ε0 c k_B T) for a density in (e Angstrom/fs)²/(1/fs), so that A comes in km/mol per 1/cm."""
    density_si = (constants.elementary_charge * 1e-10 / 1e-15) ** 2 * 1e-15
    per_wavenumber_si = constants.Avogadro / (
        12.0 * constants.epsilon_0 * constants.speed_of_light * constants.Boltzmann * temperature
    )
    # (m/mol per 1/m) / 1e3 = km/mol per 1/m, and 1/cm is 100 times as wide as 1/m.
    return density_si * per_wavenumber_si / 1e3 * 1e2


def is_active(wavenumber: Array, intensity: Array) -> bool:
    """Return whether a spectrum, (n,) km/mol per 1/cm, is one: its area exceeds :data:`LEAST_ACTIVITY`."""
    return bool(np.trapezoid(np.abs(intensity), wavenumber) > LEAST_ACTIVITY)


def find_lines(spectrum: Spectrum, prominence: float) -> Lines:
    """Return the maxima that stand out by ``prominence`` times the highest, strongest first.

    Positions are refined by a parabola through the three highest points (scipy.signal.find_peaks on the mean).
    """
    height = spectrum.intensity
    peaks, properties = signal.find_peaks(height, prominence=prominence * float(height.max()))
    before, top, after = height[peaks - 1], height[peaks], height[peaks + 1]
    offset = 0.5 * (before - after) / (before - 2 * top + after)
    position = np.interp(peaks + offset, np.arange(len(height)), spectrum.wavenumber)
    order = np.argsort(-top, kind="stable")
    return Lines(position[order], top[order], properties["prominences"][order])


def spectrum_of_trajectory(trajectory: xr.Dataset, settings: SpectrumSettings) -> xr.Dataset:
    """Return the dataset of spectrum.nc for a trajectory.nc dataset.

    Of a molecule without infrared activity it is zero, and has no lines.

    Raises:
        DensnetError: uneven times, missing attributes, or what :func:`infrared_spectrum` refuses.
    """
    time = np.asarray(trajectory["time"], dtype=float)
    if len(time) < 3:
        raise DensnetError(f"time: expected at least 3 samples in the trajectory, found {len(time)}; run longer")
    steps = np.diff(time)
    interval = float(steps.mean())
    if not (interval > 0 and np.allclose(steps, interval, rtol=1e-3)):
        raise DensnetError("time: the samples of the trajectory are not evenly spaced; run the dynamics again")
    missing = [name for name in ("timestep_fs", "temperature_k", "potential") if name not in trajectory.attrs]
    if missing:
        raise DensnetError(f"trajectory: the attribute(s) {missing} are missing; run the dynamics again")
    dipole = np.asarray(trajectory["dipole"].transpose("replica", "time", "x"), dtype=float)
    temperature = float(trajectory.attrs["temperature_k"])
    timestep = float(trajectory.attrs["timestep_fs"])
    wavenumber, segments = absorption_of_segments(dipole, interval, temperature, settings, timestep)
    active = is_active(wavenumber, segments.mean(axis=(0, 1)))
    segments *= active
    spectrum = _mean_of(wavenumber, segments)
    lines = find_lines(spectrum, settings.prominence)
    explanation = "Napierian molar absorption per wavenumber; the area under a band is its intensity in km/mol"
    dataset = xr.Dataset(
        {
            "intensity": variable(
                ("wavenumber",), spectrum.intensity, INTENSITY_UNITS, "mean absorption over replicas"
            ),
            "intensity_error": variable(
                ("wavenumber",), spectrum.intensity_error, INTENSITY_UNITS, "standard error of the mean over replicas"
            ),
            "intensity_by_replica": variable(
                ("replica", "wavenumber"), spectrum.by_replica, INTENSITY_UNITS, "absorption of each replica"
            ),
            "line_wavenumber": variable(("line",), lines.wavenumber, "cm-1", "position of a line, strongest first"),
            "line_intensity": variable(("line",), lines.intensity, INTENSITY_UNITS, "height of a line"),
            "line_prominence": variable(("line",), lines.prominence, INTENSITY_UNITS, "prominence of a line"),
        },
        coords={"wavenumber": variable(("wavenumber",), spectrum.wavenumber, "cm-1", "wavenumber")},
    )
    if settings.convergence:
        piece_ps = _piece_ps(settings, interval, len(time), segments.shape[1])
        dataset = dataset.assign(convergence(wavenumber, segments, piece_ps, settings.resolution, "km mol-1"))
    if "numbers" in trajectory:
        masses = trajectory["masses"].values if "masses" in trajectory else None
        dataset = dataset.assign_attrs(formula=formula(trajectory["numbers"].values, masses))
    return dataset.assign_attrs(
        potential=trajectory.attrs["potential"],
        infrared_active=int(active),
        window=settings.window,
        quantum_correction=settings.quantum_correction,
        resolution_wavenumber=settings.resolution,
        timestep_corrected=int(settings.correct_timestep),
        temperature_k=temperature,
        n_replicas=dipole.shape[0],
        ps_per_replica=interval * len(time) / 1e3,
        intensity_explained=explanation,
        spectrum_settings=str(dataclasses.asdict(settings)),
    )
