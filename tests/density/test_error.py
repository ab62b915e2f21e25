"""Measures of density errors, on grids whose own error is known."""

import numpy as np
import pytest
from density_examples import Molecule
from scipy.special import erf

from densnet.basis import integrals
from densnet.basis.basis import Basis, Shell
from densnet.density.error import (
    GRID_LEVEL,
    MOLECULAR_SURFACE,
    DensityGrid,
    coulomb_self_energy,
    dipole_error,
    overlap_norm,
)
from densnet.fitting.fit import fit_density


def test_nmae_of_two_shifted_charges_is_in_closed_form() -> None:
    """ρ̂ = 2 ρ / 1: NMAE = 100 %; with opposite charge 200 %."""
    basis = Basis("s", {1: (Shell(0, (0.9,), (1.0,)),)})
    c = 1.0 / integrals.charges(basis, [1])
    grid = DensityGrid.around([1], np.zeros((1, 3)), 3)
    rho, double, negative, none = grid.fitted(basis, np.stack([c, 2 * c, -c, 0 * c]))
    assert grid.nmae(double, rho, 1.0) == pytest.approx(100.0, rel=1e-6)
    assert grid.nmae(negative, rho, 1.0) == pytest.approx(200.0, rel=1e-6)
    assert grid.nmae(none, rho, 1.0) == pytest.approx(100.0, rel=1e-6)
    assert grid.nmae(rho, rho, 1.0) == 0.0


def test_kohn_sham_density_holds_all_electrons(water: Molecule) -> None:
    grid = DensityGrid.around(water.numbers, water.positions, 3)
    rho = grid.kohn_sham(water.orbital_basis, water.orbitals)
    assert grid.weights @ rho == pytest.approx(10.0, abs=1e-3)
    electrons = (grid.weights * rho) @ grid.points
    np.testing.assert_allclose(water.numbers @ water.positions - electrons, water.dipole, atol=5e-3)


def test_a_finer_grid_changes_the_floor_by_less_than_one_percent(water: Molecule, fit_basis: Basis) -> None:
    args = (water.numbers, water.positions)
    c = fit_density(fit_basis, water.orbital_basis, *args, water.density_matrix).coefficients
    floors = []
    for level in (GRID_LEVEL, GRID_LEVEL + 4):
        grid = DensityGrid.around(*args, level)
        ks = grid.kohn_sham(water.orbital_basis, water.orbitals)
        floors.append(grid.nmae(grid.fitted(fit_basis, c), ks, 10))
    assert 0.1 < floors[0] < 3.0
    assert floors[0] == pytest.approx(floors[1], rel=0.01)


def test_grid_values_equal_a_direct_sum(water: Molecule, fit_basis: Basis) -> None:
    grid = DensityGrid.around(water.numbers, water.positions, 0)
    c = np.random.default_rng(1).normal(size=fit_basis.n_functions(water.numbers))
    direct = integrals.evaluate(fit_basis, water.numbers, water.positions, grid.points) @ c
    np.testing.assert_allclose(grid.fitted(fit_basis, c), direct, atol=1e-10)


def test_coulomb_self_energy_of_a_gaussian() -> None:
    """(ρ|ρ) of a unit charge (a/π)^(3/2) exp(-a r²) is √(2a/π), and adds up over far-away charges."""
    a = 0.6
    basis = Basis("s", {1: (Shell(0, (a,), (1.0,)),)})
    unit = 1.0 / integrals.charges(basis, [1, 1])
    own = np.sqrt(2 * a / np.pi)
    far = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 50.0]])
    assert coulomb_self_energy(basis, [1], far[:1], unit[:1]) == pytest.approx(own, rel=1e-12)
    assert coulomb_self_energy(basis, [1, 1], far, unit) == pytest.approx(2 * own + 2 / 50, rel=1e-12)
    assert coulomb_self_energy(basis, [1, 1], far, unit * [1, -1]) == pytest.approx(2 * own - 2 / 50, rel=1e-12)


@pytest.fixture(scope="module")
def fitted(water: Molecule, fit_basis: Basis) -> np.ndarray:
    return fit_density(
        fit_basis, water.orbital_basis, water.numbers, water.positions, water.density_matrix
    ).coefficients


def test_parts_by_atom_and_by_distance_sum_to_the_nmae(water: Molecule, fit_basis: Basis, fitted: np.ndarray) -> None:
    """Every point of the grid belongs to one atom and one shell, so that sums agree to rounding."""
    grid = DensityGrid.around(water.numbers, water.positions)
    rho, true = grid.fitted(fit_basis, fitted), grid.kohn_sham(water.orbital_basis, water.orbitals)
    whole = grid.nmae(rho, true, 10)
    by_atom = grid.nmae_by_atom(rho, true, 10)
    by_distance = grid.nmae_by_distance(rho, true, 10, [0.0, 0.5, 1.0, 2.0, 4.0])
    assert by_atom.shape == (3,) and by_distance.shape == (5,)
    assert by_atom.sum() == pytest.approx(whole, rel=1e-12)
    assert by_distance.sum() == pytest.approx(whole, rel=1e-12)
    assert by_atom[0] > max(by_atom[1:]) and (by_distance > 0).all()


def test_an_error_is_found_where_it_was_put() -> None:
    """A Gaussian put on the second of two far atoms, ∫_{r<R} = erf(√a R) - 2 √(a/π) R exp(-a R²)."""
    a, radius = 0.8, 1.5
    basis = Basis("s", {1: (Shell(0, (a,), (1.0,)),)})
    positions = np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    grid = DensityGrid.around([1, 1], positions, 5)
    unit = 1.0 / integrals.charges(basis, [1, 1])
    error = grid.fitted(basis, unit * [0, 1])
    # cells are fuzzy: a quarter of the way Becke's weight of the other atom is 0.01, and 4 % of the charge lies beyond
    assert grid.nmae_by_atom(error, 0 * error, 1.0) == pytest.approx([0.0, 100.0], abs=0.05)
    inside = 100 * (erf(np.sqrt(a) * radius) - 2 * np.sqrt(a / np.pi) * radius * np.exp(-a * radius**2))
    # a sphere cuts between two radial points: their distance is about 4 % of the radius here
    assert grid.nmae_by_distance(error, 0 * error, 1.0, [0.0, radius]) == pytest.approx([inside, 100 - inside], abs=3)
    assert grid.distance_to_nucleus() == pytest.approx(
        np.linalg.norm(grid.points[:, None] - positions, axis=2).min(axis=1)
    )


def test_overlap_norm_is_the_integral_of_the_square(water: Molecule, fit_basis: Basis, fitted: np.ndarray) -> None:
    """Closed form against quadrature; a fine grid integrates squares of a fitted density to 1e-5."""
    grid = DensityGrid.around(water.numbers, water.positions, 5)
    other = fitted * np.random.default_rng(0).normal(1.0, 0.01, len(fitted))
    exact = overlap_norm(fit_basis, water.numbers, water.positions, fitted - other)
    on_grid = grid.overlap_norm(*grid.fitted(fit_basis, np.stack([fitted, other])))
    assert exact == pytest.approx(on_grid, rel=1e-4)


def test_overlap_norm_of_a_gaussian() -> None:
    """(∫ρ²)^½ of a unit charge (a/π)^(3/2) exp(-a r²) is (a/2π)^(3/4)."""
    basis = Basis("s", {1: (Shell(0, (0.6,), (1.0,)),)})
    unit = 1.0 / integrals.charges(basis, [1])
    assert overlap_norm(basis, [1], np.zeros((1, 3)), unit) == pytest.approx((0.6 / (2 * np.pi)) ** 0.75, rel=1e-12)


def test_dipole_error_of_a_moved_charge() -> None:
    basis = Basis("s", {1: (Shell(0, (0.6,), (1.0,)),)})
    positions = np.array([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]])
    unit = 0.1 / integrals.charges(basis, [1, 1])
    assert dipole_error(basis, [1, 1], positions, unit * [1, -1]) == pytest.approx(0.5, rel=1e-12)


def test_negative_volume_of_two_gaussians() -> None:
    """A wide less a narrow Gaussian is negative within r² = 3/2 ln(b/a) / (b - a), a share (r/R)³ of the volume."""
    a, b = 0.5, 1.5
    basis = Basis("s", {1: (Shell(0, (a,), (1.0,)), Shell(0, (b,), (1.0,)))})
    q = integrals.charges(basis, [1])
    grid = DensityGrid.around([1], np.zeros((1, 3)), 9)
    wide, narrow = grid.fitted(basis, np.array([[1 / q[0], 0], [0, 1 / q[1]]]))
    radius = np.sqrt(1.5 * np.log(b / a) / (b - a))
    boundary = np.sqrt(np.log((a / np.pi) ** 1.5 / MOLECULAR_SURFACE) / a)
    # both spheres cut between radial points, 200 of them up to some 10 bohr
    assert grid.negative_volume(wide - narrow, wide) == pytest.approx(100 * (radius / boundary) ** 3, rel=0.08)
    assert grid.negative_volume(narrow - wide, wide) == pytest.approx(
        100 - grid.negative_volume(wide - narrow, wide), rel=1e-12
    )
    assert grid.negative_volume(wide, wide) == 0.0
