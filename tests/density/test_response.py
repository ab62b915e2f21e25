"""The density's response to a field: against finite fields, its fit, and what a density says of it."""

from __future__ import annotations

import numpy as np
import pytest
from density_examples import Molecule
from pyscf import dft, scf
from scipy import constants
from scipy.spatial.transform import Rotation

from densnet import Density
from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.density.error import DensityGrid
from densnet.density.response import FieldResponse
from densnet.errors import DensnetError
from densnet.fitting.fit import fit_density
from densnet.fitting.fit_basis import named_fit_basis
from densnet.fitting.linear_response import LinearResponse, linear_response
from densnet.fitting.response_fit import FrameResponse, fit_response, natural_response_basis, response_nmae
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM, POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV

STEP = 2e-3
"""hartree/(e bohr)."""


def polarizability_in_fields(molecule: Molecule, functional: str | None, directions: np.ndarray) -> np.ndarray:
    """α F/|F| from dipoles in small fields along some directions, self-consistent with exact Coulomb integrals."""
    mole = integrals.pyscf_mole(molecule.orbital_basis, molecule.numbers, molecule.positions)
    mole.charge = mole.spin = 0
    position, core = mole.intor("int1e_r"), scf.hf.get_hcore(mole)

    def electrons(field: np.ndarray) -> np.ndarray:
        mean_field = scf.RHF(mole) if functional is None else dft.RKS(mole, xc=functional)
        mean_field.get_hcore = lambda *_: core + np.einsum("x,xmn->mn", field, position)
        D = mean_field.run(conv_tol=1e-12, conv_tol_grad=1e-7, verbose=0).make_rdm1()
        return -np.einsum("xmn,mn->x", position, D)

    return np.stack([(electrons(STEP * e) - electrons(-STEP * e)) / (2 * STEP) for e in directions], axis=1)


@pytest.fixture(scope="module")
def response(water: Molecule) -> LinearResponse:
    return linear_response(water.orbital_basis, water.numbers, water.positions, water.orbitals, "HF")


@pytest.fixture(scope="module")
def frame(water: Molecule, response: LinearResponse) -> FrameResponse:
    return FrameResponse(water.positions, water.orbitals, response.orbitals)


@pytest.fixture(scope="module")
def basis(water: Molecule, frame: FrameResponse) -> Basis:
    primitives = named_fit_basis("even-tempered-2-l4", water.numbers, water.orbital_basis)
    return natural_response_basis(
        primitives, water.orbital_basis, water.numbers, [frame], share=0.9999, ridge=1e-5, processes=1
    )


def test_hartree_fock_equals_finite_fields(water: Molecule, response: LinearResponse) -> None:
    # fields of 2e-3 leave a relative error of their square times the second hyperpolarizability, some 1e-4;
    # Coulomb and exchange are fitted in the response alone
    np.testing.assert_allclose(response.polarizability, polarizability_in_fields(water, None, np.eye(3)), atol=2e-3)


def test_a_density_functional_equals_finite_fields(ethanol: Molecule) -> None:
    alpha = linear_response(
        ethanol.orbital_basis, np.array(ethanol.numbers), ethanol.positions, ethanol.orbitals, "PBE"
    ).polarizability
    z = np.array([[0.0, 0.0, 1.0]])
    # the grid of the fields is finer than that of the response
    np.testing.assert_allclose(alpha @ z.T, polarizability_in_fields(ethanol, "PBE", z), atol=5e-3)


def test_first_order_orbitals_are_orthogonal_to_the_occupied(water: Molecule, response: LinearResponse) -> None:
    S = integrals.overlap(water.orbital_basis, water.numbers, water.positions)
    for along in response.orbitals:
        np.testing.assert_allclose(along.T @ S @ water.orbitals, 0.0, atol=1e-9)


def test_another_functional_than_the_orbitals_own_is_refused(ethanol: Molecule) -> None:
    arguments = (ethanol.orbital_basis, np.array(ethanol.numbers), ethanol.positions, ethanol.orbitals)
    with pytest.raises(DensnetError, match="orbitals: not stationary"):
        linear_response(*arguments, "revPBE")
    with pytest.raises(DensnetError, match="functional: 'nonesuch' is not one that PySCF computes here"):
        linear_response(*arguments, "nonesuch")


def test_the_fit_holds_the_sum_rule_and_the_polarizability(
    water: Molecule, response: LinearResponse, frame: FrameResponse, basis: Basis
) -> None:
    c = fit_response(frame, basis=basis, orbital_basis=water.orbital_basis, numbers=water.numbers, ridge=1e-5)
    np.testing.assert_allclose(c @ integrals.charges(basis, water.numbers), 0.0, atol=1e-10)
    alpha = -np.einsum("kx,yk->xy", integrals.dipoles(basis, water.numbers, water.positions), c)
    np.testing.assert_allclose(alpha, response.polarizability, atol=1e-5)
    grid = DensityGrid.around(water.numbers, water.positions, 1)
    assert response_nmae(grid, grid.fitted(basis, c), frame.on_grid(water.orbital_basis, grid)) < 3.0


@pytest.fixture(scope="module")
def density(water: Molecule, frame: FrameResponse, basis: Basis, fit_basis: Basis) -> Density:
    c1 = fit_response(frame, basis=basis, orbital_basis=water.orbital_basis, numbers=water.numbers, ridge=1e-5)
    place = (fit_basis, water.orbital_basis, water.numbers, water.positions, water.density_matrix)
    prior = np.zeros(fit_basis.n_functions(water.numbers))
    q = integrals.charges(fit_basis, water.numbers)
    atom = fit_basis.layout(water.numbers).atom
    for i, number in enumerate(water.numbers):
        widest = np.flatnonzero((atom == i) & (q > 0))[-1]
        prior[widest] = number / q[widest]
    return Density(
        fit_basis,
        water.numbers,
        water.positions * BOHR_IN_ANGSTROM,
        fit_density(*place).coefficients,
        prior=prior,
        field_response=FieldResponse(basis, c1),
    )


def test_a_density_in_a_field(density: Density, response: LinearResponse) -> None:
    alpha = density.polarizability()
    np.testing.assert_allclose(alpha, response.polarizability * POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV, atol=1e-7)
    field = np.array([0.02, -0.05, 0.03])
    changed = density.in_field(field)
    np.testing.assert_allclose(changed.dipole() - density.dipole(), alpha @ field, atol=1e-9)
    assert changed.n_electrons == pytest.approx(density.n_electrons, abs=1e-9)
    points = density.positions.mean(axis=0) + np.random.default_rng(3).normal(size=(20, 3))
    np.testing.assert_allclose(changed.at(points), density.at(points) + density.response(field).at(points), atol=1e-10)
    np.testing.assert_allclose(
        changed.potential(points), density.potential(points) + density.response(field).potential(points), atol=1e-8
    )


def test_the_atoms_shares_sum_to_the_polarizability(density: Density) -> None:
    shares = density.atomic_polarizabilities()
    # Becke's grid integrates charges to 1e-5 e
    np.testing.assert_allclose(shares.sum(axis=0), density.polarizability(), atol=2e-4)


def test_a_density_without_response_says_so(density: Density) -> None:
    alone = Density(density.basis, density.numbers, density.positions, density.coefficients)
    with pytest.raises(DensnetError, match="response: this density does not know its response"):
        alone.polarizability()
    with pytest.raises(DensnetError, match="field: expected a point"):
        density.response([0.1, 0.2])


def test_the_response_turns_with_the_molecule(water: Molecule, response: LinearResponse) -> None:
    R = Rotation.random(random_state=4).as_matrix()
    turned = np.asarray(water.positions) @ R.T
    mole = integrals.pyscf_mole(water.orbital_basis, water.numbers, turned)
    mole.charge = mole.spin = 0
    mean_field = scf.RHF(mole).run(conv_tol=1e-12, verbose=0)
    index, sign = to_canonical("pyscf", integrals.shells_of(water.orbital_basis, water.numbers))
    occupied = mean_field.mo_coeff[:, mean_field.mo_occ > 0][index] * sign[:, None]
    alpha = linear_response(water.orbital_basis, water.numbers, turned, occupied, "HF").polarizability
    np.testing.assert_allclose(alpha, R @ response.polarizability @ R.T, atol=1e-4)


def test_units() -> None:
    # 1 V/Å is 1/51.42 atomic units of field
    assert pytest.approx(51.4220675, rel=1e-7) == HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM
    in_si = constants.physical_constants["atomic unit of electric polarizability"][0]
    assert pytest.approx(in_si / (constants.e * 1e-20), rel=1e-8) == POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV
