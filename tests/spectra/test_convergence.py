"""How a spectrum settles with the total time simulated: signals whose answer is known."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from spectra_examples import trajectory_dataset

from densnet.report.convergence_figures import convergence, verdict
from densnet.spectra.convergence import (
    CONVERGED_PEARSON,
    converged_from,
    halves_pearson,
    main_bands,
    needed_ps,
    pearson,
    resampling_weights,
    rungs,
)
from densnet.spectra.infrared import spectrum_of_trajectory
from densnet.spectra.settings import SpectrumSettings

SETTINGS = SpectrumSettings(resolution=20.0, correct_timestep=False)
LINES = [3000.0, 1500.0, 1000.0]


def spectrum_of(dipole: NDArray[np.float64]) -> xr.Dataset:
    """The spectrum of dipoles (replica, time, x) sampled every 0.5 fs."""
    trajectory = trajectory_dataset(LINES, n_replicas=len(dipole), n_times=dipole.shape[1])
    return spectrum_of_trajectory(trajectory.assign(dipole=(("replica", "time", "x"), dipole)), SETTINGS)


def thermal(n_replicas: int, n_times: int, seed: int = 0) -> NDArray[np.float64]:
    """Vibrations that keep the energy which each replica happened to get: exponentially distributed, as kinetic and
    potential energy of an oscillator in the canonical ensemble are."""
    rng = np.random.default_rng(seed)
    steady = trajectory_dataset(LINES, n_replicas=n_replicas, n_times=n_times)["dipole"].values
    return steady * np.sqrt(rng.exponential(size=(n_replicas, 1, 3)))


def test_equal_replicas_are_converged_at_once() -> None:
    one = trajectory_dataset(LINES, n_replicas=1, n_times=6000)["dipole"].values
    spectrum = spectrum_of(np.repeat(one, 8, axis=0))
    assert spectrum["total_time"].values[[0, -1]] == pytest.approx([6.0, 24.0])
    assert spectrum["convergence_pearson"].values == pytest.approx(1.0, abs=1e-9)
    assert float(spectrum["converged_ps"]) == 6.0 and float(spectrum["halves_pearson"]) == pytest.approx(1.0)
    area = spectrum["band_area"]
    assert np.ptp(area.values, axis=(1, 2)) == pytest.approx(0.0, abs=1e-9 * area.values.max())
    assert "From 6 ps on" in verdict(spectrum)


def test_white_noise_is_not_converged() -> None:
    spectrum = spectrum_of(np.random.default_rng(1).normal(size=(8, 6000, 3)))
    assert np.isnan(float(spectrum["converged_ps"]))
    # its derivative rises as ω², which all replicas share; nothing else is common to two halves
    flat = spectrum["intensity_by_replica"].values / spectrum["wavenumber"].values ** 2
    assert abs(halves_pearson(flat)) < 0.1
    assert "too short" in verdict(spectrum) and f"below {CONVERGED_PEARSON:g}" in verdict(spectrum)


def test_intervals_narrow_as_one_over_the_root_of_the_time() -> None:
    spectrum = spectrum_of(thermal(64, 5000))
    width = spectrum["band_area"].sel(quantile=0.975) - spectrum["band_area"].sel(quantile=0.025)
    total = spectrum["total_time"].values
    slopes = np.polyfit(np.log(total), np.log(width.values.T), 1)[0]
    # 400 draws know a quantile of 2.5 % within a tenth; the skew of few exponentials adds to that
    assert slopes == pytest.approx(-0.5, abs=0.08)
    whole = spectrum["intensity"].values
    for (low, high), area in zip(spectrum["band_range"].values, spectrum["band_area"].values[:, -1], strict=True):
        shown = (spectrum["wavenumber"].values >= low) & (spectrum["wavenumber"].values <= high)
        assert area[0] < np.trapezoid(whole[shown], spectrum["wavenumber"].values[shown]) < area[2]


def test_each_line_has_its_band() -> None:
    spectrum = spectrum_of(thermal(16, 5000))
    bands = spectrum["band_range"].values
    assert len(bands) == 3
    assert all(low < line < high for line, (low, high) in zip(sorted(LINES), bands, strict=True))
    x = spectrum["wavenumber"].values
    assert main_bands(x, np.zeros_like(x), 20.0).shape == (0, 2)


def test_the_time_still_needed_is_that_of_a_longer_run() -> None:
    """Of 24 ps it is estimated within a factor of two what 480 ps show: quantiles of few replicas are rough."""
    longer = spectrum_of(thermal(192, 5000))
    settled = float(longer["converged_ps"])
    shorter = spectrum_of(thermal(12, 5000, seed=3))
    low = float(shorter["convergence_pearson"].sel(quantile=0.025)[-1])
    estimate = needed_ps(float(shorter["total_time"][-1]), low)
    assert settled / 2 < estimate < 2 * settled
    assert needed_ps(10.0, CONVERGED_PEARSON) == pytest.approx(10.0)


def test_pieces_of_replicas_stand_below_one_replica() -> None:
    spectrum = spectrum_of(thermal(3, 40000))
    total = spectrum["total_time"].values
    assert total[0] >= 5.0 and (np.diff(np.log(total)) > np.log(1.39)).all()
    assert (total < 20.0).sum() >= 3 and total[-1] == pytest.approx(60.0)
    ladder = rungs(3, 4, np.array([2.0, 4.0, 5.5, 8.0]))
    assert [(rung.n_replicas, rung.n_segments) for rung in ladder] == [(1, 3), (1, 4), (2, 4), (3, 4)]
    # shorter than the shortest: all of it
    assert [rung.total_ps for rung in rungs(2, 1, np.array([1.5]))] == [3.0]


def test_one_replica_has_no_interval_and_says_so() -> None:
    spectrum = spectrum_of(thermal(1, 40000))
    assert np.isnan(spectrum["convergence_pearson"].sel(quantile=[0.025, 0.975])).all()
    assert np.isnan(spectrum["band_area"].sel(quantile=[0.025, 0.975])).all()
    assert np.isnan(float(spectrum["halves_pearson"])) and np.isnan(float(spectrum["converged_ps"]))
    assert float(spectrum["convergence_pearson"].sel(quantile=0.5)[-1]) == pytest.approx(1.0)
    assert "one replica" in verdict(spectrum)


def test_two_replicas_that_happen_to_agree_prove_nothing() -> None:
    one = trajectory_dataset(LINES, n_replicas=1, n_times=6000)["dipole"].values
    spectrum = spectrum_of(np.repeat(one, 2, axis=0))
    assert float(spectrum["halves_pearson"]) == pytest.approx(1.0)
    assert np.isnan(float(spectrum["converged_ps"])) and "2 replicas, too few" in verdict(spectrum)


def test_seeds_repeat() -> None:
    dipole = thermal(6, 5000)
    xr.testing.assert_identical(spectrum_of(dipole), spectrum_of(dipole))


def test_without_activity_nothing_can_change() -> None:
    spectrum = spectrum_of(np.zeros((4, 6000, 3)))
    assert spectrum.sizes["band"] == 0 and "Nothing absorbs" in verdict(spectrum)


def test_it_may_be_left_out() -> None:
    trajectory = trajectory_dataset(LINES, n_replicas=2, n_times=5000)
    spectrum = spectrum_of_trajectory(trajectory, SpectrumSettings(convergence=False))
    assert "total_time" not in spectrum.variables and "intensity_by_replica" in spectrum


def test_settled_means_from_there_on() -> None:
    total = np.array([5.0, 10.0, 20.0, 40.0])
    assert converged_from(total, np.array([0.96, 0.9, 0.95, 0.97])) == 20.0
    assert np.isnan(converged_from(total, np.array([0.99, 0.99, 0.99, 0.94])))


def test_pearson_and_weights_by_hand() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 50))
    assert pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert pearson(a, 3 * a + 1) == pytest.approx(1.0)
    assert np.isnan(pearson(a, np.ones(50)))
    weights = resampling_weights(5, 3, rng)
    assert weights.sum(axis=1) == pytest.approx(1.0) and weights.mean(axis=0) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("n_replicas", "said"), [(1, "one replica"), (3, "too few"), (5, "Nothing absorbs"), (5, "too short")]
)
def test_the_figure_is_drawn_whatever_can_be_said(n_replicas: int, said: str) -> None:
    dipole = np.zeros((n_replicas, 6000, 3)) if said.startswith("Nothing") else thermal(n_replicas, 12000)
    sources = SimpleNamespace(spectrum=spectrum_of(dipole), words={"system": "x"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = convergence(sources)
    assert said in shown.caption and "nan" not in shown.caption and shown.png.startswith(b"\x89PNG")
