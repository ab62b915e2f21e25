"""Natural density functions: what they keep, what they leave, and that they turn with the molecule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from density_examples import Molecule, spherical_atom

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.whitening import whitening_factor
from densnet.density.error import DensityGrid
from densnet.errors import DensnetError
from densnet.fitting.determinants import Determinants
from densnet.fitting.fit import Fit, fit_density
from densnet.fitting.fit_basis import describe_basis, named_fit_basis, natural_fit_bases
from densnet.fitting.natural import FittedMolecule, natural_basis
from densnet.fitting.optimised_basis import optimised_basis
from densnet.fitting.prior import fit_free_atom, superposition

RIDGE = 1e-5


@pytest.fixture(scope="module")
def atoms(water: Molecule) -> dict[int, np.ndarray]:
    return {z: spherical_atom(z, water.orbital_basis) for z in (1, 8)}


@pytest.fixture(scope="module")
def primitives(water: Molecule) -> Basis:
    return named_fit_basis("even-tempered-2.4-l4", [1, 8], water.orbital_basis)


def fit(water: Molecule, basis: Basis, atoms: dict[int, np.ndarray], ridge: float = RIDGE) -> tuple[Fit, np.ndarray]:
    free = {z: fit_free_atom(basis, water.orbital_basis, z, D) for z, D in atoms.items()}
    prior = superposition(basis, water.numbers, free)
    place = (basis, water.orbital_basis, water.numbers, water.positions, water.density_matrix)
    return fit_density(*place, prior=prior, ridge=ridge), prior


def floor(water: Molecule, basis: Basis, c: np.ndarray) -> float:
    grid = DensityGrid.around(water.numbers, water.positions)
    return grid.nmae(grid.fitted(basis, c), grid.kohn_sham(water.orbital_basis, water.orbitals), 10)


@pytest.fixture(scope="module")
def bases(water: Molecule, atoms: dict[int, np.ndarray], primitives: Basis) -> list[Basis]:
    return natural_fit_bases(
        primitives,
        water.orbital_basis,
        water.numbers,
        atoms,
        [(water.positions, water.orbitals)],
        retained_shares=[0.9, 0.99, 0.999, 0.999999999],
        ridge=RIDGE,
        processes=1,
    )


def test_more_share_is_more_functions_and_less_error(
    water: Molecule, atoms: dict[int, np.ndarray], primitives: Basis, bases: list[Basis]
) -> None:
    sizes = [basis.n_functions(water.numbers) for basis in bases]
    floors = [floor(water, basis, fit(water, basis, atoms)[0].coefficients) for basis in bases]
    assert sizes == sorted(set(sizes))
    assert floors == sorted(floors, reverse=True)
    full = floor(water, primitives, fit(water, primitives, atoms)[0].coefficients)
    # the fit is of the same density that the functions were made from: nothing is lost but the last 1e-9
    assert floors[-1] == pytest.approx(full, rel=0.02)
    assert floors[2] < 3 * full
    assert sizes[2] < 0.4 * primitives.n_functions(water.numbers)


def test_the_free_atom_is_the_first_function(
    water: Molecule, atoms: dict[int, np.ndarray], primitives: Basis, bases: list[Basis]
) -> None:
    for z, D in atoms.items():
        exact = fit_free_atom(primitives, water.orbital_basis, z, D)
        found = fit_free_atom(bases[2], water.orbital_basis, z, D)
        assert len(found) > 1
        assert np.abs(found[1:]).max() < 1e-6 * abs(found[0])
        points = np.random.default_rng(0).normal(size=(30, 3))
        one = ([z], np.zeros((1, 3)))
        s = primitives.layout([z]).l == 0
        expected = integrals.evaluate(primitives, *one, points)[:, s] @ exact
        s = bases[2].layout([z]).l == 0
        assert np.allclose(integrals.evaluate(bases[2], *one, points)[:, s] @ found, expected, atol=1e-8)


def test_functions_of_one_atom_are_orthogonal_in_the_coulomb_metric(bases: list[Basis]) -> None:
    basis = bases[2]
    for z in (1, 8):
        J = integrals.coulomb(basis, [z], np.zeros((1, 3)))
        scale = np.sqrt(np.diag(J))
        # contraction of functions whose own J is conditioned like 1e9 leaves some 1e-7
        assert np.abs(J / np.outer(scale, scale) - np.eye(len(J))).max() < 1e-6


def test_components_are_ordered_by_the_energy_in_a_coefficient(
    water: Molecule, atoms: dict[int, np.ndarray], primitives: Basis
) -> None:
    fitted, _ = fit(water, primitives, atoms)
    free = {z: fit_free_atom(primitives, water.orbital_basis, z, D) for z, D in atoms.items()}
    molecules = [FittedMolecule(water.numbers, fitted.coefficients[None])]
    difference = fitted.coefficients - superposition(primitives, water.numbers, free)
    layout = primitives.layout(water.numbers)
    energy = 0.0
    for atom, z in enumerate(water.numbers):
        for l in range(primitives.l_max + 1):
            rows = (layout.atom == atom) & (layout.l == l)
            if rows.any():
                x = whitening_factor(primitives, int(z), l).T @ difference[rows].reshape(-1, 2 * l + 1)
                energy += float((x**2).sum())
    on_site = integrals.coulomb(primitives, water.numbers, water.positions)
    same = layout.atom[:, None] == layout.atom
    assert energy == pytest.approx(difference @ np.where(same, on_site, 0.0) @ difference, rel=1e-8)
    small = natural_basis(primitives, free, molecules, retained_share=0.9)
    large = natural_basis(primitives, free, molecules, retained_share=0.999)
    for z in (1, 8):
        for l in range(small.l_max + 1):
            assert small.n_radial(z, l) <= large.n_radial(z, l)


def test_ridge_calms_the_coefficients_and_spares_the_density(
    water: Molecule, atoms: dict[int, np.ndarray], primitives: Basis
) -> None:
    wild, calm = (fit(water, primitives, atoms, ridge)[0] for ridge in (0.0, RIDGE))
    assert calm.on_one_atom < 0.8 * wild.on_one_atom
    assert floor(water, primitives, calm.coefficients) < 1.3 * floor(water, primitives, wild.coefficients)
    assert integrals.charges(primitives, water.numbers) @ calm.coefficients == pytest.approx(10.0, abs=1e-10)
    assert np.allclose(calm.dipole, wild.dipole, atol=1e-9)


def test_a_ridge_holds_back_from_the_prior_not_from_zero(water: Molecule, atoms: dict[int, np.ndarray]) -> None:
    basis = Basis.from_name("def2-SVP-JKFIT", [1, 8])
    fitted, prior = fit(water, basis, atoms, ridge=0.9)
    alone, _ = fit(water, basis, atoms, ridge=0.0)
    J = integrals.coulomb(basis, water.numbers, water.positions)
    atom = basis.layout(water.numbers).atom

    def energy(difference: np.ndarray) -> float:
        return float(difference @ np.where(atom[:, None] == atom, J, 0.0) @ difference)

    assert energy(fitted.coefficients - prior) < 0.5 * energy(alone.coefficients - prior)
    # held back from zero instead, the coefficients would leave the free atoms by far more
    assert energy(fitted.coefficients - prior) < 1e-2 * energy(prior)


def test_optimised_exponents_leave_less(water: Molecule) -> None:
    found = Determinants(water.numbers, water.positions[None], water.orbitals[None], water.orbital_basis, "HF/def2-SVP")
    start = named_fit_basis("even-tempered-3.5-l2", [1, 8], water.orbital_basis)
    made = optimised_basis(start, found, iterations=2)
    assert made.n_functions(water.numbers) == start.n_functions(water.numbers)

    def explained(basis: Basis) -> float:
        place = (basis, water.numbers, water.positions)
        b = integrals.three_center(basis, water.orbital_basis, *place[1:], water.density_matrix)
        return float(b @ np.linalg.solve(integrals.coulomb(*place), b))

    # (rho - fit|rho - fit) = (rho|rho) - b J^-1 b
    assert explained(made) > explained(start) + 1e-5
    with pytest.raises(DensnetError, match="at least 1"):
        optimised_basis(start, found, iterations=0)
    with pytest.raises(DensnetError, match="geometric series"):
        optimised_basis(Basis.from_name("def2-SVP-JKFIT", [1, 8]), found)


def test_named_bases(tmp_path: Path, water: Molecule, bases: list[Basis]) -> None:
    file = tmp_path / "mine.json"
    file.write_text(bases[1].to_json())
    assert named_fit_basis(str(file), [8, 1], water.orbital_basis) == bases[1]
    counts = [[bases[1].n_radial(z, l) for l in range(3)] for z in (1, 8)]
    said = describe_basis(bases[1], water.numbers)
    assert f"{bases[1].n_functions(water.numbers)} functions" in said
    assert all(f"{symbol} {n[0]}/{n[1]}" in said for symbol, n in zip("HO", counts, strict=True))
    with pytest.raises(DensnetError, match=r"no functions for C"):
        named_fit_basis(str(file), [6], water.orbital_basis)
    with pytest.raises(DensnetError, match="cannot be read"):
        named_fit_basis(str(tmp_path / "other.json"), [1], water.orbital_basis)
    file.write_text("{}")
    with pytest.raises(DensnetError, match="expected a basis set as JSON"):
        named_fit_basis(str(file), [1], water.orbital_basis)
    with pytest.raises(DensnetError, match=r"nearest names: .*natural, even-tempered-2-l4"):
        named_fit_basis("def2-SVP-JKFT", [1], water.orbital_basis)


def test_impossible_natural_bases(water: Molecule, atoms: dict[int, np.ndarray], primitives: Basis) -> None:
    free = {z: fit_free_atom(primitives, water.orbital_basis, z, D) for z, D in atoms.items()}
    fitted, _ = fit(water, primitives, atoms)
    molecules = [FittedMolecule(water.numbers, fitted.coefficients[None])]
    with pytest.raises(DensnetError, match="between 0 and 1"):
        natural_basis(primitives, free, molecules, retained_share=1.0)
    with pytest.raises(DensnetError, match="at least one fitted molecule"):
        natural_basis(primitives, free, [], retained_share=0.9)
    contracted = natural_basis(primitives, free, molecules, retained_share=0.99)
    again, _ = fit(water, contracted, atoms)
    inner = {z: fit_free_atom(contracted, water.orbital_basis, z, D) for z, D in atoms.items()}
    with pytest.raises(DensnetError, match="contracted functions"):
        natural_basis(contracted, inner, [FittedMolecule(water.numbers, again.coefficients[None])], retained_share=0.9)
