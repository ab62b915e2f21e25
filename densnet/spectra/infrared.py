"""Infrared absorption from the dipole moments of many constant-energy trajectories.

In the limit of double harmonicity the classical absorption per mole and wavenumber is

    A(ν̃) = N_A / (12 ε0 c k_B T) · S(ν),        S(ν) = 2 ∫ e^{-2πiνt} ⟨dμ/dt(0) · dμ/dt(t)⟩ dt,   ν = c ν̃,

S being the one-sided power spectral density of dμ/dt: by Wiener and Khinchin it is (2πν)² times the
transform of the autocorrelation ⟨μ(0)·μ(t)⟩. Integrated over a band it gives the (Napierian)
intensity N_A/(12 ε0 c²) (∂μ/∂Q)². Molecules in constant-energy runs rotate, and the rotational wings of
a gas-phase band are part of the result.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import constants

from densnet.errors import DensnetError
from densnet.spectra.convergence import convergence
from densnet.spectra.lines import Spectrum, find_lines, is_active, mean_of_segments, of_trajectory, spectrum_dataset
from densnet.spectra.power import check_series, piece_ps, power_of_segments, sampling_of
from densnet.spectra.settings import SpectrumSettings
from densnet.units import BOLTZMANN_IN_EV_PER_K, PLANCK_TIMES_C_IN_EV_CM

METHOD_VERSION: int = 2

Array = NDArray[np.float64]

INTENSITY_UNITS = "km mol-1 cm"
"""km/mol per 1/cm: the area under a band is its intensity in km/mol."""


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
    return mean_of_segments(*absorption_of_segments(dipole, interval_fs, temperature, settings, timestep_fs))


def absorption_of_segments(
    dipole: Array, interval_fs: float, temperature: float, settings: SpectrumSettings, timestep_fs: float | None = None
) -> tuple[Array, Array]:
    """Return wavenumbers (n,) and the absorption (replica, segment, n) of each segment of dipole time series.

    Args:
        dipole: (replica, time, x) e Angstrom.
        interval_fs: time between samples, fs.
        temperature: of the ensemble that the replicas were drawn from, K.
        settings: window, resolution, range, quantum correction.
        timestep_fs: velocity Verlet's step (:func:`densnet.spectra.power.power_of_segments`).

    Raises:
        DensnetError: NaN in the dipoles, too few or too sparse samples, trajectory too short.
    """
    if dipole.ndim != 3 or dipole.shape[2] != 3 or not len(dipole):
        raise DensnetError(f"dipole: expected the shape (replica, time, 3), found {dipole.shape}")
    check_series("dipole", dipole, interval_fs, temperature, settings)
    x, density = power_of_segments(dipole, interval_fs, settings, timestep_fs)
    return x, density * _absolute_scale(temperature) * absorption_factor(x, temperature, settings.quantum_correction)


def _absolute_scale(temperature: float) -> float:
    """Return N_A/(12 ε0 c k_B T) for a density in (e Angstrom/fs)²/(1/fs), so that A comes in km/mol per 1/cm."""
    density_si = (constants.elementary_charge * 1e-10 / 1e-15) ** 2 * 1e-15
    per_wavenumber_si = constants.Avogadro / (
        12.0 * constants.epsilon_0 * constants.speed_of_light * constants.Boltzmann * temperature
    )
    # (m/mol per 1/m) / 1e3 = km/mol per 1/m, and 1/cm is 100 times as wide as 1/m.
    return density_si * per_wavenumber_si / 1e3 * 1e2


def spectrum_of_trajectory(trajectory: xr.Dataset, settings: SpectrumSettings) -> xr.Dataset:
    """Return the dataset of spectrum.nc for a trajectory.nc dataset.

    Of a molecule without infrared activity it is zero, and has no lines.

    Raises:
        DensnetError: uneven times, missing attributes, or what :func:`infrared_spectrum` refuses.
    """
    sampling = sampling_of(trajectory)
    interval, temperature = sampling.interval_fs, sampling.temperature
    dipole = np.asarray(trajectory["dipole"].transpose("replica", "time", "x"), dtype=float)
    wavenumber, segments = absorption_of_segments(dipole, interval, temperature, settings, sampling.timestep_fs)
    active = is_active(wavenumber, segments.mean(axis=(0, 1)))
    segments *= active
    spectrum = mean_of_segments(wavenumber, segments)
    lines = find_lines(spectrum, settings.prominence)
    explanation = "Napierian molar absorption per wavenumber; the area under a band is its intensity in km/mol"
    dataset = spectrum_dataset(spectrum, lines, INTENSITY_UNITS, "absorption")
    if settings.convergence:
        spans = piece_ps(settings, interval, sampling.n_times, segments.shape[1])
        dataset = dataset.assign(convergence(wavenumber, segments, spans, settings.resolution, "km mol-1"))
    return of_trajectory(dataset, trajectory, sampling, settings).assign_attrs(
        infrared_active=int(active),
        intensity_explained=explanation,
    )
