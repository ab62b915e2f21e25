"""Superposed free atoms."""

import numpy as np
import pytest
from density_examples import spherical_atom

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.density import Density
from densnet.density.error import DensityGrid
from densnet.errors import DensnetError
from densnet.fitting.prior import fit_free_atom, superposition


@pytest.fixture(scope="module")
def atoms() -> tuple[Basis, Basis, dict[int, np.ndarray]]:
    orbital, fit = Basis.from_name("def2-SVP", [1, 8]), Basis.from_name("def2-SVP-JKFIT", [1, 8])
    return orbital, fit, {z: fit_free_atom(fit, orbital, z, spherical_atom(z, orbital)) for z in (1, 8)}


def test_charge_is_exact_and_only_s_functions_are_used(atoms: tuple) -> None:
    _, fit, free = atoms
    numbers = np.array([1, 8, 1])
    prior = superposition(fit, numbers, free)
    layout = fit.layout(numbers)
    assert (prior[layout.l > 0] == 0).all()
    q = integrals.charges(fit, numbers)
    for atom, number in enumerate(numbers):
        chosen = layout.atom == atom
        assert q[chosen] @ prior[chosen] == pytest.approx(number, abs=1e-10)


def test_prior_reproduces_the_atoms_density(atoms: tuple) -> None:
    orbital, fit, free = atoms
    D = spherical_atom(8, orbital)
    grid = DensityGrid.around([8], np.zeros((1, 3)), 3)
    values = integrals.evaluate(orbital, [8], np.zeros((1, 3)), grid.points)
    truth = np.einsum("gm,mn,gn->g", values, D, values)
    assert grid.weights @ truth == pytest.approx(8.0, abs=1e-4)
    ours = grid.fitted(fit, superposition(fit, [8], free))
    assert grid.nmae(ours, truth, 8) < 1.0


def test_superposed_atoms_have_no_dipole_moment(atoms: tuple) -> None:
    _, fit, free = atoms
    positions = np.array([[0.0, 0.1, 0.2], [1.0, 0.0, 0.0], [0.0, -0.9, 0.4]])
    density = Density(fit, [8, 1, 1], positions, superposition(fit, [8, 1, 1], free))
    np.testing.assert_allclose(density.dipole(), 0.0, atol=1e-10)


def test_wrong_electron_count_and_missing_elements_are_refused(atoms: tuple) -> None:
    orbital, fit, free = atoms
    with pytest.raises(DensnetError, match="free atom O: its density matrix holds 4"):
        fit_free_atom(fit, orbital, 8, 0.5 * spherical_atom(8, orbital))
    with pytest.raises(DensnetError, match="none for O"):
        superposition(fit, [8, 1], {1: free[1]})
