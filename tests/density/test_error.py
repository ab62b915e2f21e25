"""Measures of density errors, on grids whose own error is known."""

import numpy as np
import pytest
from density_examples import Molecule

from densnet.basis import integrals
from densnet.basis.basis import Basis, Shell
from densnet.density.error import GRID_LEVEL, DensityGrid, coulomb_self_energy
from densnet.density.fit import fit_density


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
