"""The spectrum of dipoles whose answer is known in closed form."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import constants
from spectra_examples import oscillating_dipole, trajectory_dataset

from densnet.errors import DensnetError
from densnet.spectra.infrared import absorption_factor, infrared_spectrum, spectrum_of_trajectory
from densnet.spectra.lines import find_lines
from densnet.spectra.settings import SpectrumSettings
from densnet.spectra.windows import WINDOWS
from densnet.units import SPEED_OF_LIGHT_IN_CM_PER_FS

TEMPERATURE = 300.0
INTERVAL = 0.5
KM_PER_MOL_PER_E2_PER_DALTON = 974.88
"""Integrated intensity of (dmu/dQ)^2 = 1 e^2/Da, as quantum chemistry programs tabulate it (974.8 to 974.9)."""


def thermal_amplitude(charge: float, mass: float, wavenumber: float) -> float:
    """Dipole amplitude (e Angstrom) of a classical oscillator with the mean energy k_B T."""
    omega = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * wavenumber * 1e15
    kt = constants.Boltzmann * TEMPERATURE
    return charge * np.sqrt(2 * kt / (mass * constants.atomic_mass * omega**2)) * 1e10


def test_one_oscillator_gives_one_line_at_its_wavenumber() -> None:
    dipole = oscillating_dipole([1500.0], [0.1], n_replicas=4, n_times=8000, interval=INTERVAL, permanent=1.7)
    spectrum = infrared_spectrum(dipole, INTERVAL, TEMPERATURE, SpectrumSettings(resolution=15.0))
    lines = find_lines(spectrum, 0.02)
    assert len(lines.wavenumber) == 1
    assert lines.wavenumber[0] == pytest.approx(1500.0, abs=0.5)


@pytest.mark.parametrize("window", WINDOWS)
def test_area_of_a_charged_oscillator_is_its_textbook_intensity(window: str) -> None:
    charge, mass, wavenumber = 0.4, 1.5, 1700.0
    amplitude = thermal_amplitude(charge, mass, wavenumber)
    dipole = oscillating_dipole([wavenumber], [amplitude], n_replicas=8, n_times=8000, interval=INTERVAL)
    settings = SpectrumSettings(resolution=20.0, window=window, wavenumber_min=0.0, wavenumber_max=4000.0)
    spectrum = infrared_spectrum(dipole, INTERVAL, TEMPERATURE, settings)
    area = np.trapezoid(spectrum.intensity, spectrum.wavenumber)
    expected = KM_PER_MOL_PER_E2_PER_DALTON * charge**2 / mass
    # The bare cut leaks 1/n^2 of its power beyond the range.
    assert area == pytest.approx(expected, rel=0.02 if window == "none" else 1e-3)


def test_two_lines_keep_their_intensity_ratio() -> None:
    amplitudes = [thermal_amplitude(0.2, 1.0, 1000.0), thermal_amplitude(0.4, 1.0, 3000.0)]
    dipole = oscillating_dipole([1000.0, 3000.0], amplitudes, n_replicas=8, n_times=8000, interval=INTERVAL)
    lines = find_lines(infrared_spectrum(dipole, INTERVAL, TEMPERATURE, SpectrumSettings(resolution=15.0)), 0.02)
    assert lines.wavenumber[:2] == pytest.approx([3000.0, 1000.0], abs=0.5)
    assert lines.intensity[0] / lines.intensity[1] == pytest.approx(4.0, rel=0.02)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("resolution", [10.0, 25.0])
def test_width_of_a_line_is_the_resolution(window: str, resolution: float) -> None:
    dipole = oscillating_dipole([1500.0], [0.1], n_replicas=4, n_times=13000, interval=INTERVAL)
    settings = SpectrumSettings(window=window, resolution=resolution, zero_padding=12)
    spectrum = infrared_spectrum(dipole, INTERVAL, TEMPERATURE, settings)
    above = spectrum.wavenumber[spectrum.intensity > spectrum.intensity.max() / 2]
    grid = spectrum.wavenumber[1] - spectrum.wavenumber[0]
    assert above[-1] - above[0] == pytest.approx(resolution, abs=2 * grid)


def test_a_vibration_along_a_rotating_axis_splits_by_the_rotation() -> None:
    time = np.arange(16000) * INTERVAL
    angle = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * time
    stretch = 1.0 + 0.1 * np.cos(2000.0 * angle)
    dipole = stretch[:, None] * np.stack([np.cos(60.0 * angle), np.sin(60.0 * angle), 0 * angle], axis=1)
    spectrum = infrared_spectrum(dipole[None], INTERVAL, TEMPERATURE, SpectrumSettings(resolution=10, wavenumber_min=0))
    lines = find_lines(spectrum, 1e-3)
    assert sorted(lines.wavenumber) == pytest.approx([60.0, 1940.0, 2060.0], abs=1.0)


def test_agrees_with_the_transform_of_the_explicit_autocorrelation() -> None:
    dipole = oscillating_dipole([900.0, 2500.0], [0.3, 0.1], n_replicas=1, n_times=401, interval=INTERVAL)
    settings = SpectrumSettings(window="none", resolution=147.7, zero_padding=2, wavenumber_min=0, wavenumber_max=4000)
    spectrum = infrared_spectrum(dipole, INTERVAL, TEMPERATURE, settings)
    velocity = np.diff(dipole[0], axis=0) / INTERVAL
    n = len(velocity)
    lags = np.array([np.sum(velocity[: n - lag] * velocity[lag:]) / n for lag in range(n)])
    frequency = spectrum.wavenumber * SPEED_OF_LIGHT_IN_CM_PER_FS
    phase = np.cos(2 * np.pi * frequency[:, None] * np.arange(n) * INTERVAL)
    direct = 2 * INTERVAL * (lags[0] + 2 * phase[:, 1:] @ lags[1:]) / np.sinc(frequency * INTERVAL) ** 2
    inside = direct > 1e-3 * direct.max()
    ratio = spectrum.intensity[inside] / direct[inside]
    assert ratio == pytest.approx(np.full(inside.sum(), ratio[0]), rel=1e-9)


def test_velocity_verlet_shift_is_undone() -> None:
    wavenumber, n_times = 3600.0, 8000
    omega = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * wavenumber
    x, v = 0.0, omega
    series = np.empty(n_times)
    for step in range(n_times):
        series[step] = x
        v -= 0.5 * INTERVAL * omega**2 * x
        x += INTERVAL * v
        v -= 0.5 * INTERVAL * omega**2 * x
    dipole = np.zeros((1, n_times, 3))
    dipole[0, :, 2] = series
    settings = SpectrumSettings(resolution=13.0)
    corrected = infrared_spectrum(dipole, INTERVAL, TEMPERATURE, settings, timestep_fs=INTERVAL)
    as_found = infrared_spectrum(
        dipole, INTERVAL, TEMPERATURE, dataclasses.replace(settings, correct_timestep=False), timestep_fs=INTERVAL
    )
    # (omega dt)^2/24 of 3600 1/cm is 17.2 1/cm.
    assert find_lines(as_found, 0.1).wavenumber[0] == pytest.approx(3617.2, abs=1.0)
    assert find_lines(corrected, 0.1).wavenumber[0] == pytest.approx(wavenumber, abs=0.5)
    area = [np.trapezoid(s.intensity, s.wavenumber) for s in (corrected, as_found)]
    assert area[0] == pytest.approx(area[1], rel=1e-3)


def test_error_band_is_the_standard_error_over_replicas() -> None:
    rng = np.random.default_rng(7)
    dipole = np.cumsum(rng.normal(size=(40, 4000, 3)), axis=1)
    settings = SpectrumSettings(resolution=100.0)
    few = infrared_spectrum(dipole[:10], INTERVAL, TEMPERATURE, settings)
    many = infrared_spectrum(dipole, INTERVAL, TEMPERATURE, settings)
    assert np.mean(few.intensity_error) / np.mean(many.intensity_error) == pytest.approx(2.0, rel=0.15)
    # A random walk has a white derivative: the spectrum is flat, and the band covers its scatter.
    deviation = (many.intensity - many.intensity.mean()) / many.intensity_error
    assert np.std(deviation) == pytest.approx(1.0, abs=0.25)


def test_single_replica_has_no_error_band() -> None:
    dipole = oscillating_dipole([1500.0], [0.1], n_replicas=1, n_times=8000, interval=INTERVAL)
    spectrum = infrared_spectrum(dipole, INTERVAL, TEMPERATURE, SpectrumSettings())
    assert np.isnan(spectrum.intensity_error).all()


def test_quantum_corrections_obey_their_definitions() -> None:
    wavenumber = np.array([10.0, 1000.0, 3000.0])
    x = wavenumber * constants.Planck * constants.speed_of_light * 100 / (constants.Boltzmann * TEMPERATURE)
    prefactor = (1 - np.exp(-x)) / x
    for name, q in {
        "harmonic": x / (1 - np.exp(-x)),
        "standard": 2 / (1 + np.exp(-x)),
        "schofield": np.exp(x / 2),
        "none": np.ones(3),
    }.items():
        assert absorption_factor(wavenumber, TEMPERATURE, name) == pytest.approx(prefactor * q, rel=1e-6)
    with pytest.raises(DensnetError, match="quantum_correction"):
        absorption_factor(wavenumber, TEMPERATURE, "wigner")


def test_trajectory_too_short_for_the_resolution_says_which_would_do() -> None:
    dipole = oscillating_dipole([1500.0], [0.1], n_replicas=2, n_times=2000, interval=INTERVAL)
    with pytest.raises(DensnetError, match=r"needs trajectories of 4805 fs, found 1000 fs; take resolution >= 49"):
        infrared_spectrum(dipole, INTERVAL, TEMPERATURE, SpectrumSettings(resolution=10.0))
    infrared_spectrum(dipole, INTERVAL, TEMPERATURE, SpectrumSettings(resolution=49.0))


def test_range_beyond_nyquist_is_refused() -> None:
    dipole = oscillating_dipole([1000.0], [0.1], n_replicas=1, n_times=4000, interval=5.0)
    with pytest.raises(DensnetError, match=r"wavenumber_max.*3336"):
        infrared_spectrum(dipole, 5.0, TEMPERATURE, SpectrumSettings())


def test_dipole_that_is_not_a_number_names_the_replica() -> None:
    dipole = oscillating_dipole([1500.0], [0.1], n_replicas=3, n_times=8000, interval=INTERVAL)
    dipole[1, 17, 0] = np.nan
    with pytest.raises(DensnetError, match=r"not finite in replica\(s\) \[1\]"):
        infrared_spectrum(dipole, INTERVAL, TEMPERATURE, SpectrumSettings())


def test_trajectory_file_gives_the_spectrum_file() -> None:
    trajectory = trajectory_dataset([1500.0], n_replicas=3, n_times=8000)
    dataset = spectrum_of_trajectory(trajectory, SpectrumSettings(correct_timestep=False))
    assert dataset["line_wavenumber"].values[0] == pytest.approx(1500.0, abs=0.5)
    assert dataset.attrs["n_replicas"] == 3
    assert all({"units", "long_name"} <= set(dataset[name].attrs) for name in dataset.variables)
    uneven = trajectory.assign_coords(time=trajectory["time"] ** 1.1)
    with pytest.raises(DensnetError, match="evenly"):
        spectrum_of_trajectory(uneven, SpectrumSettings())
    with pytest.raises(DensnetError, match="temperature_k"):
        bare = trajectory.copy()
        del bare.attrs["temperature_k"]
        spectrum_of_trajectory(bare, SpectrumSettings())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window", "kaiser"),
        ("quantum_correction", "wigner"),
        ("resolution", 0.0),
        ("resolution", float("nan")),
        ("zero_padding", 0),
        ("wavenumber_min", 5000.0),
        ("prominence", 0.0),
    ],
)
def test_impossible_settings_name_the_field(field: str, value: object) -> None:
    with pytest.raises(DensnetError, match=field):
        SpectrumSettings(**{field: value})  # type: ignore[arg-type]


def test_rounding_is_no_spectrum() -> None:
    """Nitrogen has no dipole: what rounding leaves of it (1e-15 e Angstrom, or 1e-7 in single precision) is no line."""
    noise = np.random.default_rng(0).normal(size=(2, 6000, 3))
    for size, active in ((1e-15, 0), (1e-7, 0), (1e-2, 1)):
        trajectory = trajectory_dataset([2000.0], n_replicas=2, n_times=6000)
        trajectory["dipole"] = trajectory["dipole"].copy(data=size * noise)
        spectrum = spectrum_of_trajectory(trajectory, SpectrumSettings(resolution=20.0))
        assert spectrum.attrs["infrared_active"] == active
        assert (spectrum.sizes["line"] > 0) == bool(active) == bool(spectrum["intensity"].values.max() > 0)
