"""A spectrum with its error band, its lines, and how both are written."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import signal

from densnet.io.netcdf import variable
from densnet.molecule import formula
from densnet.spectra.power import Sampling
from densnet.spectra.settings import SpectrumSettings

Array = NDArray[np.float64]

LEAST_ACTIVITY = 1e-3
"""km/mol, or 1e-36 m²/sr of a Raman spectrum, over all wavenumbers: below it there is nothing but rounding; real bands
have 0.01 and more."""


@dataclass(frozen=True)
class Spectrum:
    """A spectrum with its error band.

    Attributes:
        wavenumber: (n,) 1/cm, ascending.
        intensity: (n,) mean over replicas.
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


def mean_of_segments(wavenumber: Array, segments: Array) -> Spectrum:
    """Return the spectrum of segments (replica, segment, n)."""
    by_replica = segments.mean(axis=1)
    n_replicas, n = by_replica.shape
    error = by_replica.std(axis=0, ddof=1) / np.sqrt(n_replicas) if n_replicas > 1 else np.full(n, np.nan)
    return Spectrum(wavenumber, by_replica.mean(axis=0), error, by_replica)


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


def is_active(wavenumber: Array, intensity: Array) -> bool:
    """Return whether a spectrum (n,) is one: its area exceeds :data:`LEAST_ACTIVITY`."""
    return bool(np.trapezoid(np.abs(intensity), wavenumber) > LEAST_ACTIVITY)


def spectrum_dataset(spectrum: Spectrum, lines: Lines, units: str, word: str) -> xr.Dataset:
    """Return a spectrum and its lines as variables, the intensities in ``units``.

    Args:
        word: what the intensity is, for the long names.
    """
    x = ("wavenumber",)
    return xr.Dataset(
        {
            "intensity": variable(x, spectrum.intensity, units, f"mean {word} over replicas"),
            "intensity_error": variable(x, spectrum.intensity_error, units, "standard error of the mean over replicas"),
            "intensity_by_replica": variable(("replica", *x), spectrum.by_replica, units, f"{word} of each replica"),
            "line_wavenumber": variable(("line",), lines.wavenumber, "cm-1", "position of a line, strongest first"),
            "line_intensity": variable(("line",), lines.intensity, units, "height of a line"),
            "line_prominence": variable(("line",), lines.prominence, units, "prominence of a line"),
        },
        coords={"wavenumber": variable(x, spectrum.wavenumber, "cm-1", "wavenumber")},
    )


def of_trajectory(
    dataset: xr.Dataset, trajectory: xr.Dataset, sampling: Sampling, settings: SpectrumSettings
) -> xr.Dataset:
    """Return the dataset of a spectrum with attributes that say which dynamics it is of, and how it was made."""
    if "numbers" in trajectory:
        masses = trajectory["masses"].values if "masses" in trajectory else None
        dataset = dataset.assign_attrs(formula=formula(trajectory["numbers"].values, masses))
    return dataset.assign_attrs(
        potential=trajectory.attrs["potential"],
        window=settings.window,
        quantum_correction=settings.quantum_correction,
        resolution_wavenumber=settings.resolution,
        timestep_corrected=int(settings.correct_timestep),
        temperature_k=sampling.temperature,
        n_replicas=dataset.sizes["replica"],
        ps_per_replica=sampling.interval_fs * sampling.n_times / 1e3,
        spectrum_settings=str(dataclasses.asdict(settings)),
    )
