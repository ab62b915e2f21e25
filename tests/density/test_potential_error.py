"""Potentials of known charges, of Kohn-Sham orbitals against PySCF's own integrals, and of a fit far away."""

from __future__ import annotations

import numpy as np
import pytest
from density_examples import Molecule
from scipy.special import erf

from densnet.basis import integrals
from densnet.basis.basis import Basis, Shell
from densnet.density.electrostatics import nuclear_potential
from densnet.density.potential_error import PotentialError, fitted_potential, kohn_sham_potential
from densnet.density.surface import Surface
from densnet.fitting.fit import fit_density

POINTS = np.array([[0.3, 0.1, -0.2], [1.0, 2.0, 2.0], [0.0, -9.0, 0.0]])


def test_potential_of_a_gaussian_charge() -> None:
    """V = Z/r - erf(√a r)/r of a nucleus in a unit charge (a/π)^(3/2) exp(-a r²)."""
    a = 0.7
    basis = Basis("s", {1: (Shell(0, (a,), (1.0,)),)})
    c = 1.0 / integrals.charges(basis, [1])
    r = np.linalg.norm(POINTS, axis=1)
    found = fitted_potential(basis, [1], np.zeros((1, 3)), c, POINTS)
    np.testing.assert_allclose(found, (1 - erf(np.sqrt(a) * r)) / r, atol=1e-12)


def test_potential_of_a_gaussian_orbital() -> None:
    """The density of an s orbital of exponent a is a Gaussian of exponent 2a, here with two electrons."""
    a = 0.7
    basis = Basis("s", {2: (Shell(0, (a,), (1.0,)),)})
    r = np.linalg.norm(POINTS, axis=1)
    found = kohn_sham_potential(basis, [2], np.zeros((1, 3)), np.ones((1, 1)), POINTS)
    np.testing.assert_allclose(found, 2 * (1 - erf(np.sqrt(2 * a) * r)) / r, atol=1e-12)


def test_kohn_sham_potential_is_pyscfs(water: Molecule, monkeypatch: pytest.MonkeyPatch) -> None:
    """PySCF's 1/r operator about one point after the other, in its own order of functions; any block size."""
    mole = integrals.pyscf_mole(water.orbital_basis, water.numbers, water.positions)
    D = integrals.in_pyscf_order(water.orbital_basis, water.numbers, water.density_matrix)
    points = water.positions.mean(axis=0) + 3 * POINTS
    expected = []
    for point in points:
        with mole.with_rinv_origin(point):
            attraction = np.vdot(mole.intor("int1e_rinv"), D)
        expected.append((water.numbers / np.linalg.norm(water.positions - point, axis=1)).sum() - attraction)
    args = (water.orbital_basis, water.numbers, water.positions, water.orbitals, points)
    np.testing.assert_allclose(kohn_sham_potential(*args), expected, atol=1e-10)
    monkeypatch.setattr(integrals, "BLOCK_BYTES", 8 * D.size)
    np.testing.assert_allclose(kohn_sham_potential(*args), expected, atol=1e-10)


def test_fit_and_kohn_sham_agree_far_away(water: Molecule, fit_basis: Basis) -> None:
    """Charge and dipole of the fit are exact, so that the error falls at least as r⁻³."""
    place = (water.numbers, water.positions)
    c = fit_density(fit_basis, water.orbital_basis, *place, water.density_matrix).coefficients
    directions = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [-0.6, 0.64, 0.48]])
    centre = (water.numbers @ water.positions) / water.numbers.sum()
    errors = []
    for distance in (20.0, 40.0):
        points = centre + distance * directions
        true = kohn_sham_potential(water.orbital_basis, *place, water.orbitals, points)
        errors.append(np.abs(fitted_potential(fit_basis, *place, c, points) - true).max())
        assert np.abs(true).max() > 100 * errors[-1]
    assert errors[1] < errors[0] / 7


def test_fit_reproduces_the_potential_around_the_molecule(water: Molecule, fit_basis: Basis) -> None:
    """The Coulomb metric minimises the energy of the error's field: some 0.1 mHa/e, against 20 of the potential."""
    place = (water.numbers, water.positions)
    c = fit_density(fit_basis, water.orbital_basis, *place, water.density_matrix).coefficients
    points = Surface.around(*place).points
    true = kohn_sham_potential(water.orbital_basis, *place, water.orbitals, points)
    error = PotentialError.of(fitted_potential(fit_basis, *place, c, points), true)
    assert 0 < error.rms < 1e-3 < np.sqrt(np.mean(true**2))
    assert error.rms < error.largest < 5e-3
    assert error.relative < 3.0


def test_error_by_hand() -> None:
    error = PotentialError.of(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))
    assert (error.rms, error.largest) == pytest.approx((np.sqrt(3.0), 3.0))
    assert error.relative == pytest.approx(100 * 3 / np.sqrt(41.0))
    assert np.isnan(PotentialError.of(np.ones(2), np.zeros(2)).relative)


def test_nuclear_potential_by_hand() -> None:
    positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    assert nuclear_potential(np.array([8.0, 1.0]), positions, np.array([[0.0, 0.0, 4.0]])) == pytest.approx([2.5])
