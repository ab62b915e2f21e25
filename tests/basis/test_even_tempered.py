"""Even-tempered bases: geometric series whose range follows from the orbital basis, and the functions they make."""

from __future__ import annotations

import numpy as np
import pytest

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.even_tempered import LOWEST, even_tempered, even_tempered_from_ranges, even_tempered_named, series
from densnet.errors import DensnetError


@pytest.fixture(scope="module")
def orbital_basis() -> Basis:
    return Basis.from_name("def2-SVP", [1, 6, 8, 16])


def exponents(basis: Basis, number: int, l: int) -> np.ndarray:
    return np.array([shell.exponents[0] for shell in basis.of(number) if shell.l == l])


def test_exponents_are_a_geometric_series_over_the_range(orbital_basis: Basis) -> None:
    basis = even_tempered(orbital_basis, ratio=2.0, l_max=5)
    for number in orbital_basis.shells:
        for l in range(4 if number == 1 else 6):
            found = exponents(basis, number, l)
            ratio = 2.0 ** (2 / 3) if l == 0 else 2.0
            assert np.allclose(found[1:] / found[:-1], ratio, rtol=1e-12)
            valence = min(e for s in orbital_basis.of(number) if s.l <= 1 for e in s.exponents)
            assert found[0] == pytest.approx(valence * LOWEST[l])
    assert basis.n_radial(1, 4) == 0


def test_the_square_of_the_steepest_orbital_lies_within_the_range(orbital_basis: Basis) -> None:
    basis = even_tempered(orbital_basis)
    for number in orbital_basis.shells:
        steepest = 2.0 * max(e for s in orbital_basis.of(number) if s.l == 0 for e in s.exponents)
        # the series ends within half a step of the range's end
        assert exponents(basis, number, 0)[-1] > steepest / 2.0 ** (1 / 3) * 0.999


def test_product_of_two_orbitals_of_one_atom_is_in_the_basis_that_has_their_exponent() -> None:
    # 2p_z² is a Gaussian of twice the exponent with an s and a d part: exactly in a basis that has both
    orbital = Basis("p", {6: Basis.from_name("def2-SVP", [6]).of(6)[3:4]})
    assert [shell.l for shell in orbital.of(6)] == [1]
    first = orbital.of(6)[0]
    a = 2.0 * first.exponents[0]
    single = Basis("one", {6: (type(first)(1, (first.exponents[0],), (1.0,)),)})
    fit = even_tempered_from_ranges("exact", {6: ((a, a), (a, a), (a, a))}, ratio=2.0)
    place = ([6], np.zeros((1, 3)))
    D = np.zeros((3, 3))
    D[1, 1] = 2.0
    c = np.linalg.solve(integrals.coulomb(fit, *place), integrals.three_center(fit, single, *place, D))
    points = np.random.default_rng(3).normal(size=(50, 3))
    # rho = 2 chi_z^2, and r² e^{-a r²} needs an s function with r², which is not there: only the d part is exact
    chi = integrals.evaluate(single, *place, points)[:, 1]
    layout = fit.layout([6])
    d_part = integrals.evaluate(fit, *place, points)[:, layout.l == 2] @ c[layout.l == 2]
    r2 = (points**2).sum(axis=1)
    z2 = points[:, 2] ** 2
    assert np.allclose(d_part, 2.0 * chi**2 * (z2 - r2 / 3) / z2, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("even-tempered", "even-tempered-2-l4"),
        ("Even-Tempered-1.8", "even-tempered-1.8-l4"),
        ("even-tempered-2.5-l3", "even-tempered-2.5-l3"),
        ("even-tempered-l5", "even-tempered-2-l5"),
    ],
)
def test_names(name: str, found: str, orbital_basis: Basis) -> None:
    basis = even_tempered_named(name, orbital_basis)
    assert basis is not None
    assert basis.name == found
    assert even_tempered_named("def2-SVP-JKFIT", orbital_basis) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("even-tempered-1.1", "ratio of neighbouring exponents from 1.3 to 4"),
        ("even-tempered-2-l7", "l_max from 2 to 6"),
        ("even-tempered-2-l1", "l_max from 2 to 6"),
    ],
)
def test_impossible_names(name: str, said: str, orbital_basis: Basis) -> None:
    with pytest.raises(DensnetError, match=said):
        even_tempered_named(name, orbital_basis)


def test_impossible_ranges() -> None:
    with pytest.raises(DensnetError, match="0 < lowest <= highest"):
        series(0, 2.0, 1.0, 2.0)
    with pytest.raises(DensnetError, match="above 1"):
        series(0, 1.0, 2.0, 1.0)
