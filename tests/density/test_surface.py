"""Points around a molecule: on their spheres, outside all others, each for the same area."""

from __future__ import annotations

import numpy as np
import pytest
from density_examples import Molecule

from densnet.density.surface import SCALES, Surface, fibonacci_sphere, van_der_waals_radii
from densnet.errors import DensnetError
from densnet.units import BOHR_IN_ANGSTROM


def test_points_lie_on_their_own_sphere_and_outside_all_others(water: Molecule) -> None:
    surface = Surface.around(water.numbers, water.positions)
    radii = van_der_waals_radii(water.numbers)
    distance = np.linalg.norm(surface.points[:, None] - water.positions, axis=2)
    own = np.take_along_axis(distance, surface.atom[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(own, surface.scale * radii[surface.atom], rtol=1e-12)
    assert (distance >= surface.scale[:, None] * radii * (1 - 1e-12)).all()
    assert set(surface.scale) == set(SCALES) and set(surface.atom) == {0, 1, 2}


def test_points_count_the_area_of_two_merged_spheres() -> None:
    """The exposed area of two equal spheres at distance d < 2R is 4πR² (1 + d/2R)."""
    (radius,) = 1.4 * van_der_waals_radii([6])
    distance = 0.8 * radius
    positions = np.array([[0.0, 0.0, 0.0], np.array([0.48, 0.6, 0.64]) * distance])
    surface = Surface.around([6, 6], positions, scales=[1.4], per_square_angstrom=50.0)
    area = 4 * np.pi * (radius * BOHR_IN_ANGSTROM) ** 2 * (1 + distance / (2 * radius))
    # points that straddle the seam: of the order of its length times their distance
    assert len(surface.points) / 50.0 == pytest.approx(area, rel=0.01)


def test_spiral_covers_the_sphere_evenly() -> None:
    """Low spherical harmonics integrate to zero: first and second moments are those of the sphere."""
    sphere = fibonacci_sphere(500)
    np.testing.assert_allclose(np.linalg.norm(sphere, axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(sphere.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(sphere.T @ sphere / 500, np.eye(3) / 3, atol=1e-3)


def test_radii_are_bondis_and_fall_back_on_alvarez() -> None:
    assert van_der_waals_radii([1, 6, 8, 16, 26]) * BOHR_IN_ANGSTROM == pytest.approx([1.2, 1.7, 1.52, 1.8, 2.44])


def test_bad_input_is_one_line() -> None:
    with pytest.raises(DensnetError, match="none known for Pm"):
        van_der_waals_radii([1, 61])
    with pytest.raises(DensnetError, match="none known for Og"):
        van_der_waals_radii([118])
    with pytest.raises(DensnetError, match="positive scales"):
        Surface.around([1], np.zeros((1, 3)), scales=[0.0])
    with pytest.raises(DensnetError, match="points per Å²"):
        Surface.around([1], np.zeros((1, 3)), per_square_angstrom=-1.0)
