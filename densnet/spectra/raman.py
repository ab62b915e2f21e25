r"""Raman scattering from the polarizability of many constant-energy trajectories, and of harmonic modes.

The polarizability α is taken apart into its mean ᾱ = tr α / 3 and its traceless part β = α - ᾱ 1. With the one-sided
power spectral densities S of their time derivatives (:mod:`densnet.spectra.power`) and ν = c ν̃, per wavenumber

    a²(ν̃) = c S[dᾱ/dt](ν) / (k_B T),        γ²(ν̃) = (3/2) c S[tr (dβ/dt · dβ/dt)](ν) / (k_B T).

In the limit of double harmonicity their areas over a band are the invariants a'² and γ'² of ∂α/∂Q, which quantum
chemistry tabulates as the activity 45 a'² + 7 γ'² in Å⁴/Da. Light that is polarised perpendicular to the plane of
scattering, observed at a right angle, is scattered with the polarisation kept (parallel) and turned (perpendicular) as

    dσ/dΩ = (2π² h / 45 c) (ν̃_L - ν̃)⁴ / ν̃ · [1 - exp(-h c ν̃ / k_B T)]⁻¹ · {45 a² + 4 γ², 3 γ²},

ν̃_L being the laser's wavenumber; without an analyser one sees the sum, 45 a² + 7 γ². The depolarisation ratio is
ρ = 3 γ² / (45 a² + 4 γ²): 3/4 of every vibration that is not totally symmetric. Polarizabilities are static ones: what
is near a resonance with the laser is not described. Molecules rotate, which spreads γ², and γ² alone, over wings.

D. A. Long, The Raman Effect (Wiley, 2002), chapters 4 and 5; from molecular dynamics M. Thomas et al., Phys. Chem.
Chem. Phys. 15, 6608 (2013). Quantum corrections act as on the infrared absorption.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import constants

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.spectra.convergence import QUANTILES, SEED, convergence, resampling_weights
from densnet.spectra.infrared import absorption_factor
from densnet.spectra.lines import find_lines, is_active, mean_of_segments, of_trajectory, spectrum_dataset
from densnet.spectra.power import check_series, piece_ps, power_of_segments, sampling_of
from densnet.spectra.settings import SpectrumSettings
from densnet.units import (
    BOLTZMANN_IN_EV_PER_K,
    E2_ANGSTROM2_PER_EV_IN_ANGSTROM3,
    EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2,
    PLANCK_TIMES_C_IN_EV_CM,
    SPEED_OF_LIGHT_IN_CM_PER_FS,
)

METHOD_VERSION: int = 1

Array = NDArray[np.float64]

CROSS_SECTION_UNITS = "1e-36 m2 sr-1 cm"
"""1e-36 m²/sr per 1/cm: the area under a band is the cross section of one molecule."""
ACTIVITY_UNITS = "angstrom4 Da-1 cm"
"""Å⁴/Da per 1/cm."""
SEEN = 0.01
"""Share of the highest scattering below which no depolarisation ratio is given: it would be noise over noise."""


def activity(isotropic: Array, anisotropic: Array) -> Array:
    """Return 45 a² + 7 γ²."""
    return 45.0 * isotropic + 7.0 * anisotropic


def depolarisation(isotropic: Array, anisotropic: Array) -> Array:
    """Return ρ = 3 γ² / (45 a² + 4 γ²), NaN where both are zero."""
    parallel = 45.0 * isotropic + 4.0 * anisotropic
    return np.divide(3.0 * anisotropic, parallel, out=np.full(np.shape(parallel), np.nan), where=parallel > 0)


def cross_section_factor(wavenumber: Array, laser_nm: float, temperature: float | None) -> Array:
    """Return what an activity (45 a² + 7 γ²) of 1 Å⁴/Da scatters at wavenumbers (n,) in 1/cm, 1e-36 m²/sr.

    Args:
        wavenumber: all above zero.
        laser_nm: wavelength of the laser.
        temperature: K; None for 0 K.

    Raises:
        DensnetError: a wavenumber that the laser has no energy for.
    """
    laser = 1e7 / laser_nm
    if len(wavenumber) and wavenumber.max() >= laser:
        raise DensnetError(
            f"raman_laser_nm: a laser of {laser_nm:g} nm ({laser:.0f} 1/cm) cannot excite {wavenumber.max():.0f} 1/cm; "
            "take a shorter wavelength or lower wavenumber_max"
        )
    unit = 2 * constants.pi**2 * constants.h / (45 * constants.c) * 1e-40 / constants.atomic_mass * 1e36
    # (1/cm)³ = 1e6/m³
    factor = unit * 1e6 * (laser - wavenumber) ** 4 / wavenumber
    if temperature is None:
        return np.asarray(factor)
    return np.asarray(factor / -np.expm1(-PLANCK_TIMES_C_IN_EV_CM * wavenumber / (BOLTZMANN_IN_EV_PER_K * temperature)))


def activity_of_segments(
    polarizability: Array,
    interval_fs: float,
    temperature: float,
    settings: SpectrumSettings,
    timestep_fs: float | None = None,
) -> tuple[Array, Array, Array]:
    """Return wavenumbers (n,) and a² and γ² (replica, segment, n) of each segment, Å⁴/Da per 1/cm.

    Args:
        polarizability: (replica, time, x, field) in e² Angstrom²/eV.
        interval_fs: time between samples, fs.
        temperature: of the ensemble that the replicas were drawn from, K.
        settings: window, resolution, range, quantum correction.
        timestep_fs: velocity Verlet's step (:func:`densnet.spectra.power.power_of_segments`).

    Raises:
        DensnetError: NaN in the polarizabilities, too few or too sparse samples, trajectory too short.
    """
    if polarizability.ndim != 4 or polarizability.shape[2:] != (3, 3) or not len(polarizability):
        raise DensnetError(f"polarizability: expected the shape (replica, time, 3, 3), found {polarizability.shape}")
    check_series("polarizability", polarizability, interval_fs, temperature, settings)
    mean = np.trace(polarizability, axis1=2, axis2=3)[..., None] / 3.0
    beta = (polarizability - mean[..., None] * np.eye(3)).reshape(*mean.shape[:2], 9)
    x, isotropic = power_of_segments(mean, interval_fs, settings, timestep_fs)
    _, anisotropic = power_of_segments(beta, interval_fs, settings, timestep_fs)
    thermal = BOLTZMANN_IN_EV_PER_K * temperature * EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2
    scale = E2_ANGSTROM2_PER_EV_IN_ANGSTROM3**2 * SPEED_OF_LIGHT_IN_CM_PER_FS / thermal
    factor = scale * absorption_factor(x, temperature, settings.quantum_correction)
    # nothing is scattered inelastically without a change of energy
    shown = x > 0
    return x[shown], (isotropic * factor)[..., shown], (1.5 * anisotropic * factor)[..., shown]


def raman_of_trajectory(trajectory: xr.Dataset, settings: SpectrumSettings) -> xr.Dataset:
    """Return the dataset of a Raman spectrum for a trajectory.nc dataset that holds polarizabilities.

    Its variables are those of an infrared spectrum, and besides them the parts that the intensity consists of and the
    depolarisation ratio. Of a molecule without Raman activity the intensity is zero, and it has no lines.

    Raises:
        DensnetError: no polarizabilities, uneven times, missing attributes, or what :func:`activity_of_segments` and
            :func:`cross_section_factor` refuse.
    """
    if "polarizability" not in trajectory:
        raise DensnetError(
            "trajectory: expected polarizabilities for a Raman spectrum, found none; run 'densnet md' with a potential "
            "that gives them"
        )
    time = "polarizability_time" if "polarizability_time" in trajectory["polarizability"].dims else "time"
    sampling = sampling_of(trajectory, time)
    alpha = trajectory["polarizability"].transpose("replica", time, "x", "field").values.astype(float)
    interval, temperature = sampling.interval_fs, sampling.temperature
    x, isotropic, anisotropic = activity_of_segments(alpha, interval, temperature, settings, sampling.timestep_fs)
    factor = cross_section_factor(
        x, settings.raman_laser_nm, temperature if settings.raman_temperature_factor else None
    )
    segments = activity(isotropic, anisotropic) * factor
    active = is_active(x, segments.mean(axis=(0, 1)))
    segments *= active
    spectrum = mean_of_segments(x, segments)
    lines = find_lines(spectrum, settings.prominence)
    dataset = spectrum_dataset(spectrum, lines, CROSS_SECTION_UNITS, "scattering")
    a2, gamma2 = active * isotropic.mean(axis=1), active * anisotropic.mean(axis=1)
    dataset = dataset.assign(_parts(a2, gamma2, factor, spectrum.intensity))
    dataset["line_depolarisation"] = variable(
        ("line",), np.interp(lines.wavenumber, x, dataset["depolarisation"]), "1", "depolarisation ratio at a line"
    )
    if settings.convergence:
        spans = piece_ps(settings, interval, sampling.n_times, segments.shape[1])
        dataset = dataset.assign(convergence(x, segments, spans, settings.resolution, "1e-36 m2 sr-1"))
    return of_trajectory(dataset, trajectory, sampling, settings).assign_attrs(
        kind="raman",
        raman_active=int(active),
        laser_nm=settings.raman_laser_nm,
        temperature_factor=int(settings.raman_temperature_factor),
        intensity_explained="Stokes scattering of light polarised perpendicular to the plane of scattering, at a right "
        "angle, without an analyser: cross section of a molecule per steradian and wavenumber",
    )


def _parts(a2: Array, gamma2: Array, factor: Array, total: Array) -> dict[str, Any]:
    """Return the parts of the scattering and its depolarisation as variables.

    Args:
        a2: a² of the replicas (replica, n).
        gamma2: γ² of them.
        factor: cross section of an activity (n,).
        total: mean cross section (n,).
    """
    x = ("wavenumber",)
    isotropic, anisotropic = a2.mean(axis=0), gamma2.mean(axis=0)
    unseen = total < SEEN * total.max(initial=0.0)
    weights = resampling_weights(len(a2), len(a2), np.random.default_rng(SEED))
    drawn = np.quantile(depolarisation(weights @ a2, weights @ gamma2), QUANTILES, axis=0)
    if len(a2) == 1:
        drawn[[0, -1]] = np.nan
    parallel, perpendicular = 45 * isotropic + 4 * anisotropic, 3 * anisotropic
    said = "polarisation"
    return {
        "parallel": variable(x, factor * parallel, CROSS_SECTION_UNITS, f"scattering that keeps its {said}"),
        "perpendicular": variable(x, factor * perpendicular, CROSS_SECTION_UNITS, f"scattering with turned {said}"),
        "isotropic": variable(x, isotropic, ACTIVITY_UNITS, "a², of the mean polarizability"),
        "anisotropic": variable(x, anisotropic, ACTIVITY_UNITS, "γ², of the traceless polarizability"),
        "depolarisation": variable(
            x, np.where(unseen, np.nan, depolarisation(isotropic, anisotropic)), "1", "depolarisation ratio"
        ),
        "quantile": variable(("quantile",), np.array(QUANTILES), "1", "quantile of draws of replicas with replacement"),
        "depolarisation_quantiles": variable(
            (*x, "quantile"), np.where(unseen, np.nan, drawn).T, "1", "quantiles of the depolarisation ratio"
        ),
    }
