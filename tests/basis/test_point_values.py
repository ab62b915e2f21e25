"""Values, derivatives and potentials at points against scipy's harmonics, PySCF, finite differences and Poisson."""

import numpy as np
import pytest
from pyscf import gto
from scipy import special

from densnet.basis import integrals, point_values
from densnet.basis.basis import L_MAX, Basis, Shell
from densnet.basis.conventions import from_canonical, to_canonical

RNG = np.random.default_rng(3)
NUMBERS = np.array([8, 1, 6])
POSITIONS = np.array([[0.1, -0.2, 0.3], [1.7, 0.4, -0.5], [-0.6, 1.5, 1.0]])


@pytest.fixture(scope="module")
def every_l() -> Basis:
    """Even-tempered shells with l = 0 .. 6, single and contracted; some share their exponents."""
    shells = []
    for l in range(L_MAX + 1):
        exponents = tuple(0.4 * 2.5**n for n in range(3))
        shells += [
            Shell(l, exponents, (0.3, -0.5, 0.7)),
            Shell(l, exponents, (0.2, 0.9, 0.1)),
            Shell(l, (0.31,), (1.0,)),
        ]
    return Basis("every l", dict.fromkeys((1, 6, 8), tuple(shells)))


def real_harmonic(l: int, m: int, r: np.ndarray) -> np.ndarray:
    """Y_lm without the Condon-Shortley phase, from scipy's complex harmonics."""
    x, y, z = r.T
    polar, azimuth = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    if hasattr(special, "sph_harm_y"):
        complex_harmonic = special.sph_harm_y(l, abs(m), polar, azimuth)
    else:
        complex_harmonic = special.sph_harm(abs(m), l, azimuth, polar)
    if m == 0:
        return complex_harmonic.real
    part = complex_harmonic.real if m > 0 else complex_harmonic.imag
    return np.sqrt(2.0) * (-1.0) ** m * part


def independent_values(basis: Basis, numbers: np.ndarray, positions: np.ndarray, points: np.ndarray) -> np.ndarray:
    """χ_k(r_g), (g, k), written down again from the definition, one function at a time."""
    columns = []
    for number, centre in zip(numbers, positions, strict=True):
        r = points - centre
        distance = np.linalg.norm(r, axis=1)
        for shell in basis.of(int(number)):
            radial = np.zeros(len(points))
            for alpha, a in zip(shell.exponents, shell.coefficients, strict=True):
                norm = np.sqrt(2.0 * (2.0 * alpha) ** (shell.l + 1.5) / special.gamma(shell.l + 1.5))
                radial += a * norm * distance**shell.l * np.exp(-alpha * distance**2)
            columns += [radial * real_harmonic(shell.l, m, r) for m in range(-shell.l, shell.l + 1)]
    return np.array(columns).T


def test_every_function_is_what_the_definition_says(every_l: Basis) -> None:
    """Function by function, so that a swapped m, a sign or a norm in any l shows; both ways of evaluation."""
    points = RNG.normal(size=(12, 3)) * 1.5
    expected = independent_values(every_l, NUMBERS, POSITIONS, points)
    np.testing.assert_allclose(integrals.evaluate(every_l, NUMBERS, POSITIONS, points), expected, atol=1e-12)
    c = RNG.normal(size=expected.shape[1])
    np.testing.assert_allclose(point_values.density(every_l, NUMBERS, POSITIONS, c, points), expected @ c, atol=1e-11)
    own = every_l.n_functions(NUMBERS[:1])
    each = [point_values.density(every_l, NUMBERS[:1], POSITIONS[:1], c, points) for c in np.eye(own)]
    np.testing.assert_allclose(np.array(each).T, expected[:, :own], atol=1e-12)


@pytest.fixture(scope="module")
def case(every_l: Basis) -> tuple:
    c = RNG.normal(size=every_l.n_functions(NUMBERS))
    return every_l, NUMBERS, POSITIONS, c


def test_derivatives_equal_pyscfs(case: tuple) -> None:
    basis, numbers, positions, c = case
    points = RNG.normal(size=(3000, 3)) * 3  # more than a block
    mole = integrals.pyscf_mole(basis, numbers, positions)
    back, sign = from_canonical("pyscf", integrals.shells_of(basis, numbers))
    values = mole.eval_gto("GTOval_sph_deriv2", points) @ (c[back] * sign)
    np.testing.assert_allclose(point_values.density(*case, points), values[0], atol=1e-11)
    np.testing.assert_allclose(point_values.density_gradient(*case, points), values[1:4].T, atol=1e-10)
    np.testing.assert_allclose(point_values.density_laplacian(*case, points), values[[4, 7, 9]].sum(0), atol=1e-9)


def by_differences(function: object, points: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """Central differences of fourth order, (3, g, ...)."""
    steps = h * np.eye(3)
    f = function  # type: ignore[assignment]
    return np.array(
        [(8 * (f(points + s) - f(points - s)) - f(points + 2 * s) + f(points - 2 * s)) / (12 * h) for s in steps]
    )


def test_derivatives_equal_finite_differences(case: tuple) -> None:
    points = RNG.normal(size=(20, 3)) * 1.5
    gradient = by_differences(lambda r: point_values.density(*case, r), points).T
    np.testing.assert_allclose(point_values.density_gradient(*case, points), gradient, atol=1e-7)
    second = by_differences(lambda r: point_values.density_gradient(*case, r), points)
    np.testing.assert_allclose(point_values.density_laplacian(*case, points), np.einsum("xgx->g", second), atol=1e-6)
    slope = by_differences(lambda r: point_values.potential(*case, r), points).T
    np.testing.assert_allclose(point_values.potential_gradient(*case, points), slope, atol=1e-8)


def test_poisson(case: tuple) -> None:
    """∇²V = -4πρ ties the potential of every l to its density."""
    points = RNG.normal(size=(20, 3)) * 1.5
    second = by_differences(lambda r: point_values.potential_gradient(*case, r), points)
    expected = -4.0 * np.pi * point_values.density(*case, points)
    np.testing.assert_allclose(np.einsum("xgx->g", second), expected, atol=1e-7)


def test_potential_equals_libcints(case: tuple) -> None:
    """Near and far, by two-centre integrals with point charges."""
    basis, numbers, positions, c = case
    points = np.concatenate([RNG.normal(size=(40, 3)) * scale for scale in (0.5, 3.0, 30.0)] + [positions])
    mole = integrals.pyscf_mole(basis, numbers, positions)
    index, sign = to_canonical("pyscf", integrals.shells_of(basis, numbers))
    each = gto.intor_cross("int2c2e_sph", mole, gto.fakemol_for_charges(points))[index] * sign[:, None]
    np.testing.assert_allclose(point_values.potential(*case, points), c @ each, atol=1e-9)


def test_boys_function() -> None:
    x = np.array([0.0, 1e-12, 1e-7, 1e-3, 0.5, 3.0, 20.0, 59.9, 60.1, 500.0])
    F = point_values.boys(8, x)
    for n in range(9):
        np.testing.assert_allclose(F[n], special.hyp1f1(n + 0.5, n + 1.5, -x) / (2 * n + 1), rtol=1e-10)


@pytest.mark.parametrize("l", range(L_MAX + 1))
def test_a_shell_alone(l: int) -> None:
    """An element may have one l only: nothing but p functions, say."""
    basis, c = Basis("one", {1: (Shell(l, (0.7,), (1.0,)),)}), RNG.normal(size=2 * l + 1)
    points = RNG.normal(size=(5, 3))
    expected = independent_values(basis, np.array([1]), np.zeros((1, 3)), points) @ c
    np.testing.assert_allclose(point_values.density(basis, [1], np.zeros((1, 3)), c, points), expected, atol=1e-13)


def test_what_is_left_out_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of 8 waters on a grid: screened against all functions everywhere."""
    numbers = np.tile([8, 1, 1], 8)
    positions = np.concatenate([[[6.0 * n, 0, 0], [6.0 * n + 1, 1.4, 0], [6.0 * n + 1, -1.4, 0]] for n in range(8)])
    basis = Basis.from_name("def2-SVP-JKFIT", [1, 8])
    c = RNG.normal(size=basis.n_functions(numbers))
    points = RNG.uniform([-10, -10, -10], [60, 10, 10], size=(3000, 3))
    functions = (point_values.density, point_values.density_gradient, point_values.density_laplacian)
    screened = [function(basis, numbers, positions, c, points) for function in functions]
    monkeypatch.setattr(point_values, "NEGLECTED", 0.0)
    for values, function in zip(screened, functions, strict=True):
        np.testing.assert_allclose(values, function(basis, numbers, positions, c, points), atol=2e-10, rtol=0)
    monkeypatch.undo()
    dense = integrals.evaluate(basis, numbers, positions, points) @ c
    np.testing.assert_allclose(screened[0], dense, atol=1e-11, rtol=0)


def test_no_points_and_points_far_away(case: tuple) -> None:
    for function in (point_values.density, point_values.density_laplacian, point_values.potential):
        assert function(*case, np.zeros((0, 3))).shape == (0,)
    assert point_values.density_gradient(*case, np.zeros((0, 3))).shape == (0, 3)
    assert (point_values.density(*case, np.full((3, 3), 500.0)) == 0.0).all()


def test_onsite_second_moments_equal_pyscfs(every_l: Basis) -> None:
    """∫ r r χ by PySCF's int1e_rr with a function that is flat."""
    flat = gto.M(
        atom=[("He", (0, 0, 0))], basis={"He": [[0, [1e-13, 1.0]]]}, unit="Bohr", spin=0, verbose=0, parse_arg=False
    )
    constant = flat.eval_gto("GTOval_sph", np.zeros((1, 3)))[0, 0]
    mole = integrals.pyscf_mole(every_l, NUMBERS, POSITIONS)
    index, sign = to_canonical("pyscf", integrals.shells_of(every_l, NUMBERS))
    for name, shape, ours in (
        ("int1e_ovlp", (), integrals.charges(every_l, NUMBERS)),
        ("int1e_r", (3,), integrals.dipoles(every_l, NUMBERS, POSITIONS)),
        ("int1e_rr", (3, 3), integrals.second_moments(every_l, NUMBERS, POSITIONS)),
    ):
        found = gto.intor_cross(name, mole, flat).reshape(*shape, len(index)) / constant
        np.testing.assert_allclose(np.moveaxis(found, -1, 0)[index].T * sign, ours.T, atol=1e-8)


def test_coulomb_between_molecules_is_a_block_of_the_whole(every_l: Basis) -> None:
    whole = integrals.coulomb(every_l, NUMBERS, POSITIONS)
    n = every_l.n_functions(NUMBERS[:1])
    other = (every_l, NUMBERS[1:], POSITIONS[1:])
    block = integrals.coulomb_between(every_l, NUMBERS[:1], POSITIONS[:1], other)
    np.testing.assert_allclose(block, whole[:n, n:], atol=1e-10)
