"""Basis sets as data: names, JSON, order of functions, errors."""

from pathlib import Path

import numpy as np
import pytest

from densnet.basis.basis import Basis, Shell
from densnet.basis.integrals import overlap
from densnet.errors import DensnetError

ETHANOL = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("name", "functions"),
    [("def2-SVP-JKFIT", 335), ("def2-universal-jkfit", 335), ("cc-pVTZ-JKFIT", 417), ("aug-cc-pVQZ-JKFIT", 882)],
)
def test_named_fit_bases_have_their_known_sizes(name: str, functions: int) -> None:
    assert Basis.from_name(name, ETHANOL).n_functions(ETHANOL) == functions


def test_aliases_are_the_same_shells() -> None:
    assert Basis.from_name("def2-SVP-JKFIT", [6, 8]).shells == Basis.from_name("def2_universal jkfit", [8, 6, 6]).shells


def test_basis_set_exchange_serves_what_pyscf_lacks() -> None:
    # def2-SV(P)-JKFIT is not among PySCF's own files.
    basis = Basis.from_name("def2-SV(P)-JKFIT", [8])
    assert {shell.l for shell in basis.of(8)} == {0, 1, 2, 3, 4}


def test_general_contractions_become_one_shell_each() -> None:
    # cc-pVTZ of carbon: (10s5p2d1f) -> [4s3p2d1f], 30 functions.
    basis = Basis.from_name("cc-pVTZ", [6])
    assert [basis.n_radial(6, l) for l in range(5)] == [4, 3, 2, 1, 0]
    assert basis.n_functions([6]) == 30
    assert basis.l_max == 3


def test_json_keeps_every_digit() -> None:
    basis = Basis.from_name("cc-pVTZ-JKFIT", ETHANOL)
    again = Basis.from_json(basis.to_json())
    assert again == basis
    assert Basis.from_json(again.to_json()) == basis


def test_a_contraction_with_cancellation_stays_as_it_is_when_read_again() -> None:
    """Natural functions have large coefficients of alternating sign, whose norm rounding blurs."""
    exponents = 0.08 * 1.5 ** np.arange(22)
    a, b = exponents[:, None], exponents[None, :]
    _, vectors = np.linalg.eigh((2.0 * np.sqrt(a * b) / (a + b)) ** 1.5)
    for vector in vectors.T[3:]:
        shell = Shell(0, tuple(exponents), tuple(vector))
        assert Shell(shell.l, shell.exponents, shell.coefficients) == shell


def test_shells_are_normalised_whatever_the_scale_of_their_coefficients() -> None:
    exponents, coefficients = (13.0, 1.9, 0.4), (-0.03, 0.2, 0.7)
    one = Shell(2, exponents, coefficients)
    other = Shell(2, exponents, tuple(7.0 * c for c in coefficients))
    np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=1e-14)
    assert np.sign(one.coefficients).tolist() == [-1, 1, 1]
    self_overlap = np.diag(overlap(Basis("test", {1: (one,)}), [1], np.zeros((1, 3))))
    np.testing.assert_allclose(self_overlap, 1.0, atol=1e-14)


def test_layout_is_atom_then_l_then_shell_then_m() -> None:
    p, s, p2 = (Shell(l, (exponent,), (1.0,)) for l, exponent in ((1, 0.5), (0, 1.0), (1, 3.0)))
    basis = Basis("test", {1: (p, s, p2), 8: (s,)})
    assert [shell.exponents[0] for shell in basis.of(1)] == [1.0, 0.5, 3.0]  # l ascending, else as listed
    layout = basis.layout([8, 1])
    assert layout.atom.tolist() == [0] + [1] * 7
    assert layout.l.tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    assert layout.n.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert layout.m.tolist() == [0, 0, -1, 0, 1, -1, 0, 1]
    assert len(layout) == basis.n_functions([8, 1]) == 8


def one_line(error: pytest.ExceptionInfo[DensnetError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_misspelt_name_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(DensnetError, match="def2-svp-jkfit") as error:
        Basis.from_name("def2-SVP-JKFT", [6])
    assert "'def2-SVP-JKFT'" in one_line(error)
    with pytest.raises(DensnetError, match="no name is similar"):
        Basis.from_name("????????", [6])


@pytest.mark.parametrize("name", ["def2-SVP-JKFIT", "def2svpjkfit"])
def test_a_file_of_the_basis_name_is_not_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Basis.from_name(name, [1])
    (tmp_path / name).write_text("H S\n 1.0 1.0\n")
    monkeypatch.chdir(tmp_path)
    assert Basis.from_name(name, [1]) == expected


def test_lacking_element_is_named() -> None:
    with pytest.raises(DensnetError, match="no functions for Fe") as error:
        Basis.from_name("cc-pVTZ-JKFIT", [6, 26])
    one_line(error)
    with pytest.raises(DensnetError, match="no functions for S; it was made for H, O"):
        Basis.from_name("def2-SVP-JKFIT", [1, 8]).layout([16])


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x"}', '{"name": "x", "shells": {"6": [{"l": 0}]}}', "null"])
def test_foreign_json_is_refused(text: str) -> None:
    with pytest.raises(DensnetError) as error:
        Basis.from_json(text)
    one_line(error)


@pytest.mark.parametrize(
    ("l", "exponents", "coefficients"),
    [
        (7, (1.0,), (1.0,)),
        (0, (), ()),
        (0, (1.0, 2.0), (1.0,)),
        (0, (-1.0,), (1.0,)),
        (0, (float("nan"),), (1.0,)),
        (0, (1.0,), (0.0,)),
        (0, (1.0,), (float("nan"),)),
    ],
)
def test_impossible_shells_are_refused(l: int, exponents: tuple, coefficients: tuple) -> None:
    with pytest.raises(DensnetError) as error:
        Shell(l, exponents, coefficients)
    one_line(error)
