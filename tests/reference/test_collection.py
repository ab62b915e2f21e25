"""Which frames active learning labels: those that a model does not know, unlike each other."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from densnet.cli.collect import _of
from densnet.molecule import sorted_distances
from densnet.reference.collection import Threshold, calibrated, choose, collected_geometries
from densnet.reference.settings import CollectionSettings

WATER = np.array([8, 1, 1])


def water(stretch: np.ndarray) -> np.ndarray:
    """Water with one bond longer by so much, (t, 3, 3)."""
    start = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    return start + stretch[:, None, None] * np.array([[0.0, 0, 0], [1, 0, 0], [0, 0, 0]])


def test_a_spread_is_scaled_to_the_usual_error_of_held_out_frames() -> None:
    error = np.array([0.02, 0.04, 0.06])
    threshold = calibrated(error / 2, error, CollectionSettings(expected_error=3.0, domain_distance=0.5))
    assert threshold.factor == pytest.approx(2.0)
    assert threshold.error == pytest.approx(3 * 0.04)
    # exceeded by the spread alone, by the distance alone, by neither
    excess = threshold.excess(np.array([0.09, 0.0, 0.05]), np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(excess, [1.5, 2.0, 0.1 / 0.12])


def test_chosen_frames_are_above_the_threshold_and_far_from_each_other_and_from_the_learned() -> None:
    stretch = np.linspace(0.0, 0.5, 51)
    positions, learned = water(stretch), water(np.array([0.0]))
    excess = np.where(stretch > 0.3, 2.0, 0.5)
    rows = choose(WATER, positions, excess, learned, CollectionSettings(frames=3))
    assert (excess[rows] > 1).all()
    # by inverse distances the longest bond is farthest from the learned one; then between, as far from both as can be
    assert rows[0] == 50
    inverse = 1 / sorted_distances(WATER, positions[rows])
    apart = np.linalg.norm(inverse[:, None] - inverse[None], axis=2)[np.triu_indices(3, 1)]
    assert apart.min() > 0.1 * apart.max()


def test_of_more_than_can_be_compared_those_that_are_known_least_are_taken() -> None:
    positions = water(np.linspace(0.0, 0.5, 100))
    excess = 1 + np.linspace(1.0, 0.1, 100)
    rows = choose(WATER, positions, excess, water(np.array([0.0])), CollectionSettings(frames=2))
    assert rows.max() < 20


def test_nothing_above_the_threshold_is_nothing_to_label() -> None:
    positions = water(np.linspace(0.0, 0.5, 10))
    assert len(choose(WATER, positions, np.full(10, 0.9), positions[:1], CollectionSettings())) == 0


def test_collected_frames_are_geometries_with_a_tenth_for_validation() -> None:
    first = xr.Dataset({"numbers": ("atom", WATER)}, attrs={"molecule": "water", "charge": 0, "multiplicity": 1})
    positions = water(np.linspace(0.1, 0.5, 20))
    explored = {name: np.full(20, 1.0) for name in ("temperature", "time", "spread", "domain_distance")}
    explored["positions"] = positions
    learned = water(np.array([0.0]))
    chosen = collected_geometries(first, explored, np.full(20, 2.0), np.arange(20), learned, seed=1)
    assert (chosen["split"].values == "validation").sum() == 2
    assert np.isfinite(chosen["distance_to_train"].values[chosen["split"].values == "validation"]).all()
    assert chosen.attrs["charge"] == 0
    again = collected_geometries(first, explored, np.full(20, 2.0), np.arange(20), learned, seed=1)
    assert chosen.identical(again)
    none = collected_geometries(first, explored, np.full(20, 2.0), np.arange(0), learned, seed=1)
    assert none.sizes["frame"] == 0


def test_the_threshold_of_a_perfect_ensemble_is_the_domain() -> None:
    threshold = Threshold(factor=1.0, error=0.1, domain_distance=0.5)
    assert threshold.excess(np.zeros(1), np.array([0.6]))[0] > 1


def test_frames_of_a_split_are_taken_from_every_file_and_strained_ones_left_out_where_asked() -> None:
    split, temperature = ["test", "train", "train", "validation"], [300.0, np.nan, 300.0, 500.0]
    files = [
        xr.Dataset(
            {
                "split": ("frame", np.array(split)),
                "temperature": ("frame", np.array(temperature)),
                "positions": (("frame", "atom", "x"), start + np.arange(4.0)[:, None, None] * np.ones((4, 3, 3))),
            }
        )
        for start in (0.0, 10.0)
    ]
    assert _of(files, "train")[:, 0, 0].tolist() == [1.0, 2.0, 11.0, 12.0]
    assert _of(files, "train", unstrained=True)[:, 0, 0].tolist() == [2.0, 12.0]
    assert _of(files, "validation")[:, 0, 0].tolist() == [3.0, 13.0]
