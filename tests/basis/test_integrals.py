"""Integrals against quadrature, PySCF's own drivers and the rotation group."""

import numpy as np
import pytest
import torch
from e3nn import o3
from pyscf import df
from scipy.special import erf

from densnet.basis import integrals, point_values
from densnet.basis.basis import L_MAX, Basis, Shell
from densnet.basis.whitening import unwhitening_factor, whitening_factor
from densnet.errors import DensnetError

RNG = np.random.default_rng(11)
NUMBERS = np.array([8, 1, 1])
POSITIONS = np.array([[0.1, -0.2, 0.3], [1.7, 0.4, -0.5], [-0.6, 1.5, 1.0]])
POLAR = np.array([1, 2, 0])


@pytest.fixture(scope="module")
def soft() -> Basis:
    """Contracted and primitive shells of every l, soft enough that a Becke grid integrates them to 1e-6."""
    oxygen = (*(Shell(l, (2.0 + l, 0.7), (0.6, 0.5)) for l in range(L_MAX + 1)), Shell(1, (0.9,), (1.0,)))
    hydrogen = (Shell(0, (1.1,), (1.0,)), Shell(0, (0.5,), (1.0,)), Shell(1, (0.8, 0.4), (0.3, -0.9)))
    return Basis("soft", {8: oxygen, 1: hydrogen})


@pytest.fixture(scope="module")
def quadrature(soft: Basis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    points, weights = integrals.becke_grid(NUMBERS, POSITIONS, 6)
    return points, weights, integrals.evaluate(soft, NUMBERS, POSITIONS, points)


def test_closed_forms_equal_quadrature(soft: Basis, quadrature: tuple) -> None:
    points, weights, values = quadrature
    S = integrals.overlap(soft, NUMBERS, POSITIONS)
    np.testing.assert_allclose((values.T * weights) @ values, S, atol=1e-4)
    np.testing.assert_allclose(np.diag(S), 1.0, atol=1e-12)
    np.testing.assert_allclose(weights @ values, integrals.charges(soft, NUMBERS), atol=2e-5)
    d = integrals.dipoles(soft, NUMBERS, POSITIONS)
    np.testing.assert_allclose((values.T * weights) @ points, d, atol=5e-5)
    X = integrals.position_matrix(soft, NUMBERS, POSITIONS)
    for x in range(3):
        np.testing.assert_allclose((values.T * (weights * points[:, x])) @ values, X[x], atol=1e-4)


def test_only_s_has_a_charge_and_only_p_an_onsite_dipole(soft: Basis) -> None:
    layout = soft.layout(NUMBERS)
    q, p = integrals.charges(soft, NUMBERS), integrals.onsite_dipoles(soft, NUMBERS)
    assert (q[layout.l == 0] > 0).all() and (q[layout.l != 0] == 0).all()
    assert (np.abs(p).sum(1) > 0).tolist() == (layout.l == 1).tolist()


def test_dipoles_follow_the_origin(soft: Basis) -> None:
    """∫ (r + s) χ = ∫ r χ + s ∫ χ."""
    shift = np.array([0.5, -2.0, 3.0])
    moved = integrals.dipoles(soft, NUMBERS, POSITIONS + shift)
    expected = integrals.dipoles(soft, NUMBERS, POSITIONS) + integrals.charges(soft, NUMBERS)[:, None] * shift
    np.testing.assert_allclose(moved, expected, atol=1e-13)


def test_potential_solves_poisson_for_a_gaussian() -> None:
    """A normalised charge distribution (a/π)^(3/2) exp(-a r²) has the potential erf(√a r) / r."""
    a, centre = 0.7, np.array([[0.3, 0.1, -0.4]])
    basis = Basis("s", {1: (Shell(0, (a,), (1.0,)),)})
    c = 1.0 / integrals.charges(basis, [1])
    points = RNG.normal(size=(30, 3)) * 3
    r = np.linalg.norm(points - centre, axis=1)
    v = point_values.potential(basis, [1], centre, c, points)
    np.testing.assert_allclose(v, erf(np.sqrt(a) * r) / r, atol=1e-12)


def test_potential_and_coulomb_matrix_agree(soft: Basis, quadrature: tuple) -> None:
    """cᵀ J c' = ∫ v_c ρ_c'."""
    points, weights, values = quadrature
    one, other = RNG.normal(size=(2, soft.n_functions(NUMBERS)))
    v = point_values.potential(soft, NUMBERS, POSITIONS, one, points)
    J = integrals.coulomb(soft, NUMBERS, POSITIONS)
    assert one @ J @ other == pytest.approx(np.sum(weights * v * (values @ other)), abs=5e-3)


def wigner(l_of_shells: list[int], rotation: np.ndarray) -> np.ndarray:
    """Block-diagonal Wigner matrix in canonical order for a rotation of (x, y, z)."""
    turned = torch.tensor(rotation[np.ix_(POLAR, POLAR)])
    return torch.block_diag(*[o3.Irrep(l, 1).D_from_matrix(turned) for l in l_of_shells]).numpy()


def test_functions_turn_with_the_molecule(soft: Basis) -> None:
    """χ(R r; R X) = D(R) χ(r; X) for every l up to 6."""
    rotation = o3.rand_matrix(dtype=torch.float64).numpy()
    points = RNG.normal(size=(25, 3)) * 2
    D = wigner([l for _, l in integrals.shells_of(soft, NUMBERS)], rotation)
    here = integrals.evaluate(soft, NUMBERS, POSITIONS, points)
    there = integrals.evaluate(soft, NUMBERS, POSITIONS @ rotation.T, points @ rotation.T)
    np.testing.assert_allclose(there, here @ D.T, atol=1e-6)
    J = integrals.coulomb(soft, NUMBERS, POSITIONS)
    np.testing.assert_allclose(integrals.coulomb(soft, NUMBERS, POSITIONS @ rotation.T), D @ J @ D.T, atol=1e-5)


@pytest.mark.parametrize("block_bytes", [1, 200_000, 2**40])
def test_three_center_contraction_in_blocks_of_any_size(
    soft: Basis, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    orbital = Basis.from_name("def2-SVP", NUMBERS)
    n = orbital.n_functions(NUMBERS)
    D = RNG.normal(size=(n, n))
    D = D + D.T
    monkeypatch.setattr(integrals, "BLOCK_BYTES", block_bytes)
    b = integrals.three_center(soft, orbital, NUMBERS, POSITIONS, D)
    three = df.incore.aux_e2(
        integrals.pyscf_mole(orbital, NUMBERS, POSITIONS), integrals.pyscf_mole(soft, NUMBERS, POSITIONS), "int3c2e"
    )
    whole = np.einsum("mnk,mn->k", three, integrals.in_pyscf_order(orbital, NUMBERS, D))
    index, sign = integrals.to_canonical("pyscf", integrals.shells_of(soft, NUMBERS))
    np.testing.assert_allclose(b, whole[index] * sign, atol=1e-10)


def test_products_of_far_functions_are_left_out_without_a_trace(soft: Basis) -> None:
    """A row of four waters: the same b and potential as from all products, of which less than half are made."""
    numbers = np.tile(NUMBERS, 4)
    positions = np.concatenate([POSITIONS + place * np.array([12.0, 0.0, 0.0]) for place in range(4)])
    orbital = Basis.from_name("def2-SVP", NUMBERS)
    D = RNG.normal(size=2 * (orbital.n_functions(numbers),))
    D = D + D.T
    mole = integrals.pyscf_mole(orbital, numbers, positions)
    ordered = integrals.in_pyscf_order(orbital, numbers, D)
    made = sum(end - j for _, j, end in integrals._overlapping(mole, ordered))
    assert made < 0.5 * mole.nbas * (mole.nbas + 1) / 2

    # 1e-12 a product, some thousand of them, with the polynomials of p and d functions in front
    three = df.incore.aux_e2(mole, integrals.pyscf_mole(soft, numbers, positions), "int3c2e")
    index, sign = integrals.to_canonical("pyscf", integrals.shells_of(soft, numbers))
    whole = np.einsum("mnk,mn->k", three, ordered)[index] * sign
    np.testing.assert_allclose(integrals.three_center(soft, orbital, numbers, positions, D), whole, atol=1e-8)
    points = positions.mean(axis=0) + RNG.normal(size=(20, 3)) * 15.0
    whole = np.einsum("gmn,mn->g", mole.intor("int1e_grids", grids=points), ordered)
    np.testing.assert_allclose(integrals.attraction(orbital, numbers, positions, D, points), whole, atol=1e-8)


def test_expand_is_evaluate_times_coefficients(soft: Basis) -> None:
    points = RNG.normal(size=(1100, 3)) * 2  # more than two blocks
    v = RNG.normal(size=(soft.n_functions(NUMBERS), 2))
    values = integrals.evaluate(soft, NUMBERS, POSITIONS, points)
    np.testing.assert_allclose(integrals.expand(soft, NUMBERS, POSITIONS, v, points), values @ v, atol=1e-12)
    np.testing.assert_allclose(
        integrals.expand(soft, NUMBERS, POSITIONS, v[:, 0], points), values @ v[:, 0], atol=1e-12
    )


def test_grid_levels() -> None:
    sizes = [len(integrals.becke_grid(NUMBERS, POSITIONS, level)[1]) for level in (0, 1, 3)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]
    with pytest.raises(DensnetError, match="grid level"):
        integrals.becke_grid(NUMBERS, POSITIONS, 10)


@pytest.mark.parametrize("number", [1, 6, 8, 16])
def test_whitening_makes_the_onsite_coulomb_metric_one(number: int) -> None:
    basis = Basis.from_name("def2-SVP-JKFIT", [number])
    layout = basis.layout([number])
    J = integrals.coulomb(basis, [number], np.zeros((1, 3)))
    for l in range(basis.l_max + 1):
        L, inverse = whitening_factor(basis, number, l), unwhitening_factor(basis, number, l)
        n = basis.n_radial(number, l)
        assert L.shape == (n, n)
        np.testing.assert_allclose(L.T @ inverse, np.eye(n), atol=1e-10)
        for m in range(-l, l + 1):  # the same factor for every m, or equivariance would be lost
            chosen = np.flatnonzero((layout.l == l) & (layout.m == m))
            np.testing.assert_allclose(inverse.T @ J[np.ix_(chosen, chosen)] @ inverse, np.eye(n), atol=1e-9)


def test_repeated_exponents_cannot_be_whitened() -> None:
    twice = Basis("twice", {1: (Shell(0, (1.0,), (1.0,)), Shell(0, (1.0,), (1.0,)))})
    with pytest.raises(DensnetError, match="linearly dependent"):
        whitening_factor(twice, 1, 0)
