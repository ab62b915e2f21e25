"""Scores of spectra whose likeness is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from spectra_examples import trajectory_dataset

from densnet.errors import DensnetError
from densnet.spectra.compare import compare_spectra
from densnet.spectra.infrared import spectrum_of_trajectory
from densnet.spectra.jcamp_dx import ExperimentalSpectrum
from densnet.spectra.scores import SCALING_STEP, SCORES, SpectralCurve, common_grid, overlap, scores
from densnet.spectra.settings import ComparisonSettings, SpectrumSettings

LINES = np.array([880.0, 1050.0, 1240.0, 1450.0, 2950.0, 3680.0])
HEIGHTS = np.array([0.3, 1.0, 0.5, 0.4, 1.5, 0.6])
GRID = np.arange(500.0, 4001.0)
WIDE = np.arange(100.0, 4501.0)


def lines_at(wavenumber: NDArray[np.float64], factor: float = 1.0) -> NDArray[np.float64]:
    """A spectrum all of whose wavenumbers, widths too, are multiplied by a factor."""
    shift = (wavenumber[:, None] / factor - LINES) / 12.0
    return np.asarray(np.exp(-(shift**2)) @ HEIGHTS)


def noisy(n_replicas: int, size: float, seed: int = 0) -> SpectralCurve:
    """Replicas in which every line has its own height at random."""
    rng = np.random.default_rng(seed)
    heights = HEIGHTS * rng.gamma(1 / size**2, size**2, size=(n_replicas, len(LINES)))
    return SpectralCurve(WIDE, heights @ np.exp(-(((WIDE[None] - LINES[:, None]) / 12.0) ** 2)))


def measured(intensity: NDArray[np.float64]) -> SpectralCurve:
    return SpectralCurve(WIDE, intensity[None], sampled=False)


def test_a_spectrum_is_like_itself_whatever_its_scale() -> None:
    curve = lines_at(WIDE)
    result = scores(measured(curve), measured(7.0 * curve), GRID, 0.06)
    assert {name: score.value for name, score in result.items()} == pytest.approx(dict.fromkeys(SCORES, 1.0))
    # a constant offset is taken off by all of them
    offset = scores(measured(curve), measured(curve + 0.3), GRID, 0.06)
    assert offset["overlap"].value == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("factor", [0.97, 0.95, 1.0, 1.043])
def test_the_factor_of_a_scaled_spectrum_is_found(factor: float) -> None:
    result = scores(measured(lines_at(WIDE, factor)), measured(lines_at(WIDE)), GRID, 0.06)
    assert result["scaling_factor"].value == pytest.approx(1 / factor, abs=SCALING_STEP / 2 + 1e-9)
    assert result["pearson_scaled"].value > 0.995
    assert result["pearson_scaled"].value >= result["pearson"].value


def test_a_factor_beyond_the_range_ends_at_its_end() -> None:
    result = scores(measured(lines_at(WIDE, 0.97)), measured(lines_at(WIDE)), GRID, 0.02)
    assert result["scaling_factor"].value == pytest.approx(1.02)
    none = scores(measured(lines_at(WIDE, 0.97)), measured(lines_at(WIDE)), GRID, 0.0)
    assert none["scaling_factor"].value == 1.0
    assert none["pearson_scaled"].value == pytest.approx(none["pearson"].value)


def test_coefficients_are_those_of_scipy() -> None:
    a, b = noisy(3, 0.5), measured(lines_at(WIDE, 0.99))
    result = scores(a, b, GRID, 0.06)
    x, y = a.scaled(1.0, GRID).mean(axis=0), b.scaled(1.0, GRID)[0]
    assert result["pearson"].value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert result["spearman"].value == pytest.approx(stats.spearmanr(x, y).statistic)


def test_overlap_is_the_area_in_common() -> None:
    box = np.where((GRID >= 1000) & (GRID < 1200), 1.0, 0.0)
    half = np.where((GRID >= 1100) & (GRID < 1300), 5.0, 0.0)
    apart = np.where(GRID > 3000, 1.0, 0.0)
    # trapezoids at the edges of the boxes: one point of two hundred
    assert float(overlap(box, half, GRID)) == pytest.approx(0.5, abs=0.005)
    assert float(overlap(box, apart, GRID)) == 0.0
    assert float(overlap(box, box, GRID)) == pytest.approx(1.0)


def test_intervals_hold_the_value_and_narrow_with_replicas() -> None:
    reference = measured(lines_at(WIDE, 0.98))
    few, many = (scores(noisy(n, 0.7), reference, GRID, 0.06) for n in (16, 256))
    for result in (few, many):
        assert all(score.low <= score.value <= score.high for score in result.values())
    ratio = (few["pearson"].high - few["pearson"].low) / (many["pearson"].high - many["pearson"].low)
    # a sixteenth of the replicas, four times the width; of few replicas it is known within a third
    assert 2.6 < ratio < 5.4


def test_seeds_repeat() -> None:
    first, second = (scores(noisy(6, 0.7), noisy(5, 0.7, seed=1), GRID, 0.06) for _ in range(2))
    assert first == second


def test_one_replica_has_no_interval() -> None:
    alone = scores(noisy(1, 0.7), measured(lines_at(WIDE)), GRID, 0.06)
    assert all(np.isnan([score.low, score.high]).all() and score.value > 0 for score in alone.values())
    beside_many = scores(noisy(8, 0.7), noisy(1, 0.7, seed=2), GRID, 0.06)
    assert np.isnan(beside_many["pearson"].low)
    nothing_drawn = scores(measured(lines_at(WIDE)), measured(lines_at(WIDE, 0.99)), GRID, 0.06)
    assert np.isnan(nothing_drawn["pearson"].low)


def test_broadening_keeps_the_area_and_unlike_spectra_do_not_correlate() -> None:
    narrow = np.exp(-(((WIDE - 1000) / 5) ** 2))
    broad = measured(narrow).broadened(30.0)
    assert np.trapezoid(broad.by_replica[0], broad.wavenumber) == pytest.approx(np.trapezoid(narrow, WIDE))
    above = broad.wavenumber[broad.by_replica[0] > broad.by_replica[0].max() / 2]
    # squares of the two full widths add: 5 · 2 √ln 2 and 30
    assert np.ptp(above) == pytest.approx(np.hypot(30.0, 10 * np.sqrt(np.log(2))), abs=1.5)
    other = measured(np.exp(-(((WIDE - 3000) / 5) ** 2))).broadened(30.0)
    assert abs(scores(broad, other, GRID, 0.06)["pearson"].value) < 0.05


def test_common_grid_is_where_all_are() -> None:
    grid = common_grid({"a": np.array([100.0, 3800.5]), "b": np.array([666.4, 5000.0])}, 500.0, 4000.0)
    assert (grid[0], grid[-1]) == (667.0, 3800.0)
    with pytest.raises(DensnetError, match="share less than 100"):
        common_grid({"a": np.array([100.0, 800.0]), "b": np.array([750.0, 900.0])}, 500.0, 4000.0)


def test_a_measured_file_of_another_range_is_scored_where_both_are_or_refused() -> None:
    trajectory = trajectory_dataset([1050.0, 1450.0, 2950.0], n_replicas=4, n_times=6000)
    spectrum = spectrum_of_trajectory(trajectory, SpectrumSettings(correct_timestep=False))
    near_infrared = np.arange(1000.0, 1600.0)
    narrow = ExperimentalSpectrum("narrow", near_infrared, lines_at(near_infrared), ())
    result = compare_spectra(spectrum, ComparisonSettings(), experiment=narrow)
    assert result["wavenumber"].values[[0, -1]].tolist() == [1000.0, 1599.0]
    beyond = np.arange(5000.0, 8000.0)
    far = ExperimentalSpectrum("far", beyond, lines_at(beyond), ())
    with pytest.raises(DensnetError, match=r"share less than 100 1/cm of 500-4000 \(model .*, jcamp 5000-7999\)"):
        compare_spectra(spectrum, ComparisonSettings(), experiment=far)


def test_each_score_of_model_and_peers_is_in_the_file() -> None:
    model, peer = (
        spectrum_of_trajectory(
            trajectory_dataset((factor * LINES).tolist(), n_replicas=4, n_times=6000, potential=name),
            SpectrumSettings(correct_timestep=False),
        )
        for name, factor in (("model", 1 / 0.97), ("gfn2-xtb", 1.02))
    )
    experiment = ExperimentalSpectrum("measured", WIDE, lines_at(WIDE), ())
    result = compare_spectra(model, ComparisonSettings(), peers=[peer], experiment=experiment)
    for kind in SCORES:
        assert result[kind].dims == ("reference",) and result[f"{kind}_interval"].dims == ("reference", "quantile")
        assert result[f"{kind}_peer"].dims == () and result[f"{kind}_peer_interval"].dims == ("quantile",)
    assert result["scaling_factor"].values[0] == pytest.approx(0.97, abs=0.002)
    assert float(result["scaling_factor_peer"]) == pytest.approx(1 / 1.02, abs=0.002)
    # of the model onto its peer
    assert result["scaling_factor"].values[1] == pytest.approx(0.97 * 1.02, abs=0.002)
