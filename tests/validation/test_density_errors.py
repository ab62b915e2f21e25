"""Errors of densities of which the outcome is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from densnet.basis.basis import Basis
from densnet.basis.integrals import charges
from densnet.validation.density_errors import Expanded, density_errors

NUMBERS = np.array([8, 1, 1])
WATER = np.array([[0.0, 0.0, 0.117], [0.0, 0.757, -0.469], [0.0, -0.757, -0.469]])


def test_a_density_that_is_a_hundredth_too_large_is_off_by_a_percent_of_the_electrons() -> None:
    basis = Basis.from_name("def2-SVP-JKFIT", NUMBERS)
    # s functions with coefficients above zero: a density that is nowhere negative
    c = np.where(basis.layout(NUMBERS).l == 0, 1.0, 0.0)
    reference = Expanded(basis, np.array([c, c]))
    tested = replace(reference, coefficients=np.array([c, 1.01 * c]))
    errors = density_errors(
        NUMBERS,
        np.array([WATER, WATER + 0.1]),
        tested=tested,
        reference=reference,
        n_electrons=float(charges(basis, NUMBERS) @ c),
        grid_level=1,
    )
    # the coarse grid integrates such a density to some parts in ten thousand
    np.testing.assert_allclose(errors, [0.0, 1.0], rtol=1e-3)


def test_the_same_density_in_two_bases_has_no_error() -> None:
    """Functions of the smaller basis are those of the larger one."""
    larger = Basis.from_name("def2-SVP-JKFIT", NUMBERS)
    layout = larger.layout(NUMBERS)
    c = np.where(layout.atom == 0, np.where(layout.l == 0, 1.0, 0.0), 0.0)
    smaller = Basis.from_name("def2-SVP-JKFIT", NUMBERS[:1])
    assert smaller.n_functions(NUMBERS[:1]) == int((layout.atom == 0).sum())
    errors = density_errors(
        NUMBERS[:1],
        WATER[None, :1],
        tested=Expanded(smaller, c[None, layout.atom == 0]),
        reference=Expanded(larger, c[None, layout.atom == 0]),
        n_electrons=8.0,
        grid_level=1,
    )
    assert errors == pytest.approx([0.0], abs=1e-12)
