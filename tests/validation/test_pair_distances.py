"""Distances along trajectories: normalised histograms, and how far two of them are apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from densnet.errors import DensnetError
from densnet.io.netcdf import variable, write_dataset
from densnet.potential import Array
from densnet.validation.pair_distances import blocks_of, histogram_findings, pair_histograms, read_trajectories

NUMBERS = np.array([8, 1, 1])


def water(length: float, spread: float, seed: int, replicas: int = 4, frames: int = 4000) -> Array:
    """Return a trajectory in which one O-H bond is normally distributed and the other does not move."""
    positions = np.zeros((replicas, frames, 3, 3))
    positions[:, :, 1, 0] = np.random.default_rng(seed).normal(length, spread, (replicas, frames))
    positions[:, :, 2, 1] = 0.97
    return positions


def test_a_trajectory_agrees_with_itself_and_histograms_are_normalised() -> None:
    run = water(0.96, 0.03, 1)
    histograms = pair_histograms(NUMBERS, run, run, 0.02)
    assert [each.elements for each in histograms] == ["O-H", "H-H"]
    for each in histograms:
        assert each.apart == 0 and each.tested.sum() * each.width == pytest.approx(1)
        # half of 16000 or 32000 distances in some ten bins scatter by a per cent
        assert 0 < each.scatter < 0.08


def test_what_never_meets_is_two_apart_and_a_shift_is_that_of_normal_distributions() -> None:
    narrow = water(0.96, 0.0, 1), water(1.96, 0.0, 1)
    bonds, across = pair_histograms(NUMBERS, *narrow, 0.02)
    # one of two O-H bonds is the same in both
    assert (bonds.apart, across.apart) == (pytest.approx(1.0), pytest.approx(2.0))
    shifted = water(5.00, 0.03, 1), water(5.03, 0.03, 2)
    # ∫|N(0, σ) - N(σ, σ)| = 2 erf(1 / √8) = 0.766, half of it as half of the bonds move; bins take off some per cent
    assert pair_histograms(NUMBERS, *shifted, 0.005)[0].apart == pytest.approx(0.383, rel=0.05)


def test_a_single_replica_is_halved_in_time() -> None:
    run = water(0.96, 0.03, 1, replicas=1)
    run[0, 2000:, 1, 0] += 0.5
    assert [len(block) for block in blocks_of(run)] == [2000, 2000]
    (bonds, _) = pair_histograms(NUMBERS, run, run, 0.02)
    assert bonds.apart == 0 and bonds.scatter == pytest.approx(1.0)
    findings = histogram_findings([bonds], "of both")
    assert [(finding.condition, finding.unit) for finding in findings] == [("of both; O-H", "1")] * 2


def test_trajectories_of_different_molecules_and_widths_of_nothing_are_refused(tmp_path: Path) -> None:
    for name, numbers in (("water", NUMBERS), ("other", NUMBERS[[1, 0, 2]])):
        data = {
            "positions": variable(
                ("replica", "time", "atom", "x"), water(0.96, 0.03, 1, 2, 3), "angstrom", "positions"
            ),
            "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
        }
        write_dataset(xr.Dataset(data), tmp_path / f"{name}.nc", stage="md", method_version=1, settings={})
    read_trajectories(tmp_path / "water.nc", tmp_path / "water.nc")
    with pytest.raises(DensnetError, match=r"expected a trajectory of OHH, .* found HOH"):
        read_trajectories(tmp_path / "water.nc", tmp_path / "other.nc")
    for width in (0.0, -0.1, np.nan):
        with pytest.raises(DensnetError, match="bin-width: expected a positive number"):
            pair_histograms(NUMBERS, water(1, 0, 1), water(1, 0, 1), width)
