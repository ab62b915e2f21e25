"""The constrained Coulomb fit: constraints, optimality, floor, covariance, redundancy."""

import numpy as np
import pytest
import torch
from density_examples import Molecule
from e3nn import o3

from densnet.basis import integrals
from densnet.basis.basis import Basis, Shell
from densnet.density.error import DensityGrid, coulomb_self_energy
from densnet.errors import DensnetError
from densnet.fitting.fit import CoulombMetric, density_self_energy, fit_density
from densnet.units import E_BOHR_IN_DEBYE

POLAR = np.array([1, 2, 0])


def fit(molecule: Molecule, basis: Basis, **options: float):  # noqa: ANN201
    return fit_density(
        basis, molecule.orbital_basis, molecule.numbers, molecule.positions, molecule.density_matrix, **options
    )


def test_charge_and_dipole_are_exact(water: Molecule, fit_basis: Basis) -> None:
    fitted = fit(water, fit_basis)
    c = fitted.coefficients
    assert integrals.charges(fit_basis, water.numbers) @ c == pytest.approx(10.0, abs=1e-10)
    electrons = c @ integrals.dipoles(fit_basis, water.numbers, water.positions)
    nuclei = water.numbers @ water.positions
    np.testing.assert_allclose((nuclei - electrons) * E_BOHR_IN_DEBYE, water.dipole * E_BOHR_IN_DEBYE, atol=1e-8)
    np.testing.assert_allclose(fitted.dipole, nuclei - water.dipole, atol=1e-8)
    # Without the constraint it is not, or the test above would test nothing.
    assert 1e-3 < np.linalg.norm(fitted.unconstrained_dipole - fitted.dipole) * E_BOHR_IN_DEBYE < 0.1


def test_no_allowed_change_lowers_the_residual(water: Molecule, fit_basis: Basis) -> None:
    """Optimum: J c - b is a combination of the constraints alone, and every allowed step raises the residual."""
    fitted = fit(water, fit_basis)
    c = fitted.coefficients
    args = (fit_basis, water.numbers, water.positions)
    J = integrals.coulomb(*args)
    b = integrals.three_center(fit_basis, water.orbital_basis, water.numbers, water.positions, water.density_matrix)
    A = np.column_stack([integrals.charges(fit_basis, water.numbers), integrals.dipoles(*args)])
    gradient = J @ c - b
    projector = np.eye(len(c)) - A @ np.linalg.pinv(A)
    assert np.abs(projector @ gradient).max() < 1e-9 < np.abs(gradient).max()
    rng = np.random.default_rng(0)
    for _ in range(5):
        step = 1e-3 * projector @ rng.normal(size=len(c))
        assert (c + step) @ J @ (c + step) - 2 * b @ (c + step) > c @ J @ c - 2 * b @ c


def test_self_energy_of_the_residual_is_positive_and_small(water: Molecule, fit_basis: Basis) -> None:
    """(ρ - ρ̂|ρ - ρ̂) from exact four-centre integrals equals the integral of its potential on a grid."""
    args = (water.orbital_basis, water.numbers, water.positions)
    energy = density_self_energy(*args, water.density_matrix)
    fitted = fit(water, fit_basis, density_self_energy=energy)
    assert 1e-6 < fitted.self_energy < 1e-3
    # A larger fit basis leaves less.
    larger = Basis.from_name("aug-cc-pVQZ-JKFIT", [1, 8])
    assert 0 < fit(water, larger, density_self_energy=energy).self_energy < fitted.self_energy
    assert np.isnan(fit(water, fit_basis).self_energy)


def test_density_within_the_basis_is_recovered(fit_basis: Basis) -> None:
    """A density matrix of s functions on one centre makes s Gaussians: a basis that has them fits without error."""
    a, b = 1.3, 0.4
    orbital = Basis("two s", {2: (Shell(0, (a,), (1.0,)), Shell(0, (b,), (1.0,)))})
    products = Basis(
        "products", {2: (*(Shell(0, (x,), (1.0,)) for x in (2 * a, a + b, 2 * b)), Shell(1, (1.0,), (1.0,)))}
    )
    S = integrals.overlap(orbital, [2], np.zeros((1, 3)))
    C = np.array([0.7, 0.5])
    C = C / np.sqrt(C @ S @ C)
    D = 2.0 * np.outer(C, C)
    position = np.array([[0.4, -0.3, 0.2]])
    energy = density_self_energy(orbital, [2], position, D)
    fitted = fit_density(products, orbital, [2], position, D, density_self_energy=energy)
    assert abs(fitted.self_energy) < 1e-12
    grid = DensityGrid.around([2], position)
    np.testing.assert_allclose(
        grid.fitted(products, fitted.coefficients), grid.kohn_sham(orbital, C[:, None]), atol=1e-12
    )


def test_coefficients_turn_with_the_molecule(water: Molecule, fit_basis: Basis) -> None:
    """c(R X) = D(R) c(X), l up to 4, with the orbitals turned alike."""
    rotation = o3.rand_matrix(dtype=torch.float64).numpy()
    turned = torch.tensor(rotation[np.ix_(POLAR, POLAR)])

    def wigner(basis: Basis) -> np.ndarray:
        ls = [l for _, l in integrals.shells_of(basis, water.numbers)]
        return torch.block_diag(*[o3.Irrep(l, 1).D_from_matrix(turned) for l in ls]).numpy()

    orbitals = wigner(water.orbital_basis) @ water.orbitals
    there = water.positions @ rotation.T
    rotated = fit_density(fit_basis, water.orbital_basis, water.numbers, there, 2 * orbitals @ orbitals.T)
    expected = wigner(fit_basis) @ fit(water, fit_basis).coefficients
    assert fit_basis.l_max == 4
    # e3nn's matrices are good to 1e-7; raw coefficients amplify it by the root of the condition number.
    np.testing.assert_allclose(rotated.coefficients, expected, atol=1e-4 * np.abs(expected).max())
    assert coulomb_self_energy(fit_basis, water.numbers, there, rotated.coefficients - expected) < 1e-9


@pytest.mark.slow
def test_floor_of_ethanol_is_the_known_one(ethanol: Molecule) -> None:
    """PBE/def2-SVP in def2-SVP-JKFIT: NMAE 1.0 %, 0.02 D without the dipole constraint."""
    basis = Basis.from_name("def2-SVP-JKFIT", ethanol.numbers)
    fitted = fit(ethanol, basis)
    grid = DensityGrid.around(ethanol.numbers, ethanol.positions)
    floor = grid.nmae(
        grid.fitted(basis, fitted.coefficients), grid.kohn_sham(ethanol.orbital_basis, ethanol.orbitals), 26
    )
    assert floor == pytest.approx(1.0, abs=0.05)
    error = np.linalg.norm(fitted.unconstrained_dipole - fitted.dipole) * E_BOHR_IN_DEBYE
    assert error == pytest.approx(0.022, abs=0.005)


def redundant(distance: float) -> Basis:
    return Basis(
        "redundant",
        {1: (Shell(0, (1.0,), (1.0,)), Shell(0, (1.0 + distance,), (1.0,)), Shell(1, (0.8,), (1.0,))),
         8: (Shell(0, (2.0,), (1.0,)), Shell(1, (1.0,), (1.0,)))},
    )  # fmt: skip


def test_redundant_basis_is_refused_unless_a_cutoff_is_set(water: Molecule) -> None:
    with pytest.raises(DensnetError, match="linearly dependent") as error:
        fit(water, redundant(0.0))
    assert "\n" not in str(error.value)
    filtered = fit(water, redundant(0.0), eigenvalue_cutoff=1e-10)
    q = integrals.charges(redundant(0.0), water.numbers)
    assert q @ filtered.coefficients == pytest.approx(10.0, abs=1e-9)
    # The filtered solution is the density of the basis without the repeated function.
    plain = Basis("plain", {1: (redundant(0.0).of(1)[0], redundant(0.0).of(1)[2]), 8: redundant(0.0).of(8)})
    grid = DensityGrid.around(water.numbers, water.positions, 0)
    expected = grid.fitted(plain, fit(water, plain).coefficients)
    np.testing.assert_allclose(grid.fitted(redundant(0.0), filtered.coefficients), expected, atol=1e-7)


def test_near_redundant_basis_keeps_its_digits(water: Molecule) -> None:
    basis = redundant(1e-4)
    fitted = fit(water, basis)
    assert fitted.condition_number > 1e8
    assert integrals.charges(basis, water.numbers) @ fitted.coefficients == pytest.approx(10.0, abs=1e-9)


def test_basis_without_p_functions_cannot_hold_a_dipole() -> None:
    basis = Basis("s", {1: (Shell(0, (1.0,), (1.0,)),)})
    orbital = Basis.from_name("def2-SVP", [1])
    n = orbital.n_functions([1])
    with pytest.raises(DensnetError, match="charge and the dipole"):
        fit_density(basis, orbital, [1], np.zeros((1, 3)), np.eye(n))


def test_condition_number_is_that_of_the_scaled_matrix() -> None:
    """LAPACK estimates the 1-norm condition number: within a factor of a few of the exact one, and scale free."""
    rng = np.random.default_rng(5)
    A = rng.normal(size=(30, 30))
    J = A @ A.T + 0.1 * np.eye(30)
    scale = np.exp(rng.normal(size=30) * 5)
    metric, stretched = CoulombMetric(J), CoulombMetric(J * np.outer(scale, scale))
    d = 1 / np.sqrt(np.diag(J))
    exact = np.linalg.cond(J * np.outer(d, d), 1)
    assert exact / 3 < metric.condition_number <= exact * 1.0001
    assert stretched.condition_number == pytest.approx(metric.condition_number, rel=1e-6)
    y = rng.normal(size=30)
    np.testing.assert_allclose(J @ metric.solve(y), y, atol=1e-10)
