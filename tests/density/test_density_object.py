"""The Density object: units, closed forms against quadrature and PySCF, bad input."""

from pathlib import Path

import numpy as np
import pytest
from ase.io.cube import read_cube
from density_examples import Molecule
from pyscf import gto

from densnet import Density
from densnet.basis import integrals, point_values
from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.fitting.fit import fit_density
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV


@pytest.fixture(scope="module")
def density(water: Molecule, fit_basis: Basis) -> Density:
    fitted = fit_density(fit_basis, water.orbital_basis, water.numbers, water.positions, water.density_matrix)
    return Density(fit_basis, water.numbers, water.positions * BOHR_IN_ANGSTROM, fitted.coefficients)


def test_electrons_and_dipole_equal_quadrature(water: Molecule, density: Density) -> None:
    points, weights = integrals.becke_grid(water.numbers, water.positions, 5)
    points, weights = points * BOHR_IN_ANGSTROM, weights * BOHR_IN_ANGSTROM**3
    rho = density.at(points)
    assert density.n_electrons == pytest.approx(10.0, abs=1e-10)
    assert weights @ rho == pytest.approx(10.0, abs=1e-4)
    by_quadrature = water.numbers @ density.positions - (weights * rho) @ points
    np.testing.assert_allclose(density.dipole(), by_quadrature, atol=1e-3)
    np.testing.assert_allclose(density.dipole(), water.dipole * BOHR_IN_ANGSTROM, atol=1e-9)


def test_potential_is_close_to_that_of_the_orbitals(water: Molecule, density: Density) -> None:
    """PySCF's own potential of the Kohn-Sham density, outside the molecule, differs by the fit's residual only."""
    rng = np.random.default_rng(2)
    directions = rng.normal(size=(40, 3))
    points = water.positions[0] + directions / np.linalg.norm(directions, axis=1)[:, None] * rng.uniform(4, 9, (40, 1))
    mole = integrals.pyscf_mole(water.orbital_basis, water.numbers, water.positions)
    D = integrals.in_pyscf_order(water.orbital_basis, water.numbers, water.density_matrix)
    electrons = np.einsum("gmn,mn->g", mole.intor("int1e_grids", grids=points), D)
    distance = np.linalg.norm(points[:, None] - water.positions, axis=-1)
    expected = ((water.numbers / distance).sum(1) - electrons) * HARTREE_IN_EV
    found = density.potential(points * BOHR_IN_ANGSTROM)
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_potential_far_away_is_that_of_the_dipole(density: Density) -> None:
    direction = density.dipole() / np.linalg.norm(density.dipole())
    far = 200.0
    centre = density.positions.mean(axis=0)
    expected = np.linalg.norm(density.dipole()) / far**2 * HARTREE_IN_EV * BOHR_IN_ANGSTROM
    (found,) = density.potential((centre + far * direction)[None])
    assert found == pytest.approx(expected, rel=0.02)
    assert density.potential(density.positions).tolist() == [np.inf] * 3


def test_electronic_potential_equals_pyscfs_grid_integrals(water: Molecule, fit_basis: Basis) -> None:
    """Σ c ∫ χ/|r - r'| with χ as a product of itself and a flat function, by PySCF's one-electron grid integrals."""
    flat = gto.Mole()
    flat.atom, flat.basis, flat.unit, flat.spin = [("He", (0, 0, 0))], {"He": [[0, [1e-15, 1.0]]]}, "Bohr", 0
    flat.build(verbose=0, parse_arg=False)
    constant = flat.eval_gto("GTOval_sph", np.zeros((1, 3)))[0, 0]
    mole = integrals.pyscf_mole(fit_basis, water.numbers, water.positions)
    points = np.random.default_rng(4).normal(size=(10, 3)) * 3
    both = gto.conc_mol(mole, flat)
    block = (0, mole.nbas, mole.nbas, mole.nbas + 1)
    values = both.intor("int1e_grids", grids=points, shls_slice=block)[:, :, 0] / constant
    index, sign = integrals.to_canonical("pyscf", integrals.shells_of(fit_basis, water.numbers))
    c = np.random.default_rng(5).normal(size=len(index))
    expected = (values[:, index] * sign) @ c
    found = point_values.potential(fit_basis, water.numbers, water.positions, c, points)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_cube_file_is_read_back_by_ase(density: Density, tmp_path: Path) -> None:
    path = tmp_path / "water.cube"
    density.to_cube(path, spacing=0.25, margin=2.5)
    with path.open() as opened:
        stored = read_cube(opened)
    assert stored["atoms"].numbers.tolist() == [8, 1, 1]
    np.testing.assert_allclose(stored["atoms"].positions, density.positions, atol=1e-5)
    data, origin = stored["data"], stored["origin"]
    where = np.array([7, 9, 11])
    step = np.diag(stored["atoms"].cell.array) / data.shape
    np.testing.assert_allclose(step, 0.25, atol=1e-5)
    (expected,) = density.at((origin + where * step)[None])
    assert data[tuple(where)] == pytest.approx(expected * BOHR_IN_ANGSTROM**3, rel=1e-4)
    # Smooth away from the nuclei, so the box holds nearly all electrons even at this spacing.
    assert data.sum() * (0.25 / BOHR_IN_ANGSTROM) ** 3 == pytest.approx(10.0, abs=0.6)
    assert [p.name for p in tmp_path.iterdir()] == ["water.cube"]


def test_turned_and_moved_density_is_the_same(density: Density) -> None:
    shift = np.array([1.0, 2.0, -3.0])
    moved = Density(density.basis, density.numbers, density.positions + shift, density.coefficients)
    points = density.positions + 0.3
    np.testing.assert_allclose(moved.at(points + shift), density.at(points), rtol=1e-10)
    np.testing.assert_allclose(moved.dipole(), density.dipole(), atol=1e-9)  # neutral: no matter where


def test_arguments_are_copied(fit_basis: Basis) -> None:
    positions, c = np.zeros((1, 3)), np.ones(fit_basis.n_functions([1]))
    density = Density(fit_basis, [1], positions, c)
    before = density.at([[0.1, 0.2, 0.3]])
    positions += 1.0
    c *= 2.0
    np.testing.assert_array_equal(density.at([[0.1, 0.2, 0.3]]), before)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([1.0, 2.0, 3.0], r"points: expected an array of shape \(g, 3\)"),
        ([[1.0, 2.0]], r"points: expected an array of shape \(g, 3\)"),
        ([[1.0, float("nan"), 0.0]], "points: expected finite"),
        ([["a", "b", "c"]], "points: expected numbers"),
        ([[1.0, 2.0, 3.0], [1.0]], "points: expected numbers"),
    ],
)
def test_bad_points_get_one_line(density: Density, points: list, said: str) -> None:
    for function in (density.at, density.potential):
        with pytest.raises(DensnetError, match=said) as error:
            function(points)
        assert "\n" not in str(error.value)


def test_no_points_are_fine(density: Density) -> None:
    assert density.at(np.zeros((0, 3))).shape == density.potential(np.zeros((0, 3))).shape == (0,)


def test_bad_construction_gets_one_line(fit_basis: Basis) -> None:
    n = fit_basis.n_functions([1])
    with pytest.raises(DensnetError, match="coefficients: basis"):
        Density(fit_basis, [1], np.zeros((1, 3)), np.zeros(n + 1))
    with pytest.raises(DensnetError, match="coefficients: expected finite"):
        Density(fit_basis, [1], np.zeros((1, 3)), np.full(n, np.nan))
    with pytest.raises(DensnetError, match="numbers: expected one"):
        Density(fit_basis, [1, 1], np.zeros((1, 3)), np.zeros(n))
    with pytest.raises(DensnetError, match="no functions for C"):
        Density(fit_basis, [6], np.zeros((1, 3)), np.zeros(n))


def test_bad_cubes_get_one_line(density: Density, tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="spacing: expected a positive length"):
        density.to_cube(tmp_path / "a.cube", spacing=0.0)
    with pytest.raises(DensnetError, match="margin: expected a positive length"):
        density.to_cube(tmp_path / "a.cube", margin=float("nan"))
    with pytest.raises(DensnetError, match="choose a wider spacing"):
        density.to_cube(tmp_path / "a.cube", spacing=1e-4)
    assert not list(tmp_path.iterdir())
