"""Turned densities: the same values at turned points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from densnet.basis.basis import Basis
from densnet.basis.integrals import expand
from densnet.basis.rotation import rotated, wigner

NUMBERS = np.array([8, 1, 1])
POSITIONS = np.array([[0.0, 0.0, 0.2], [0.0, 1.4, -0.9], [0.3, -1.4, -0.9]])


@pytest.mark.parametrize("l", range(7))
def test_rotations_of_harmonics_are_orthogonal_and_follow_each_other(l: int) -> None:
    A, B = Rotation.random(2, random_state=l).as_matrix()
    first, second, both = wigner(l, np.stack([A, B, A @ B]))
    np.testing.assert_allclose(first @ first.T, np.eye(2 * l + 1), atol=1e-12)
    np.testing.assert_allclose(both, first @ second, atol=1e-12)


def test_a_turned_density_has_the_same_values_at_turned_points() -> None:
    basis = Basis.from_name("def2-SVP-JKFIT", NUMBERS)
    random = np.random.default_rng(0)
    c, points = random.normal(size=basis.n_functions(NUMBERS)), random.normal(size=(40, 3))
    A = Rotation.random(random_state=1).as_matrix()
    (turned,) = rotated(basis, NUMBERS, c[None], A[None])
    there = expand(basis, NUMBERS, POSITIONS @ A.T, turned, points @ A.T)
    np.testing.assert_allclose(there, expand(basis, NUMBERS, POSITIONS, c, points), atol=1e-11)
