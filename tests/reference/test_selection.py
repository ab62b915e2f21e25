"""Diverse choice, and the distance between geometries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from densnet.errors import DensnetError
from densnet.molecule import sorted_distances
from densnet.reference.selection import distance_to_nearest, farthest_points

NUMBERS = np.array([6, 1, 1, 1, 1, 8])


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(7, len(NUMBERS), 3)) * 2.0


def test_sorted_distances_do_not_see_rotation_translation_or_exchange_of_like_atoms(frames: np.ndarray) -> None:
    turned = Rotation.random(rng=1).apply(frames.reshape(-1, 3)).reshape(frames.shape) + 3.0
    exchanged = turned[:, [0, 3, 1, 4, 2, 5]]
    np.testing.assert_allclose(
        sorted_distances(NUMBERS, exchanged), sorted_distances(NUMBERS, frames), atol=1e-12, rtol=0
    )


def test_sorted_distances_see_the_exchange_of_unlike_atoms(frames: np.ndarray) -> None:
    exchanged = frames[:, [5, 1, 2, 3, 4, 0]]
    assert abs(sorted_distances(NUMBERS, exchanged) - sorted_distances(NUMBERS, frames)).max() > 0.1


def test_distance_of_a_stretched_diatomic_is_the_stretch() -> None:
    positions = np.array([[[0, 0, 0], [0, 0, length]] for length in (1.0, 1.3, 2.0)])
    descriptors = sorted_distances(np.array([1, 1]), positions)
    np.testing.assert_allclose(distance_to_nearest(descriptors[:1], descriptors[1:]), [0.3], atol=1e-12)


def test_farthest_points_take_the_ends_before_the_middle() -> None:
    line = np.array([0.0, 0.1, 0.2, 5.1, 9.9, 10.0])[:, None]
    assert farthest_points(line, 3, first=1).tolist() == [1, 5, 3]


def test_farthest_points_are_distinct_even_if_candidates_coincide() -> None:
    assert sorted(farthest_points(np.zeros((5, 2)), 5, first=2)) == [0, 1, 2, 3, 4]


def test_more_points_than_candidates_is_an_error() -> None:
    with pytest.raises(DensnetError, match="sample longer"):
        farthest_points(np.zeros((3, 1)), 4, first=0)
