"""What one may ask a density: derivatives, moments, fields, energies, atoms, profiles, files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase.io.cube import read_cube
from density_examples import Molecule, spherical_atom
from e3nn import o3
from pyscf import gto
from pyscf.dft import LebedevGrid, gen_grid

from densnet import Density
from densnet.basis import integrals
from densnet.basis.basis import Basis, Shell
from densnet.density import partition
from densnet.errors import DensnetError
from densnet.fitting.fit import fit_density
from densnet.fitting.prior import fit_free_atom, superposition
from densnet.units import BOHR_IN_ANGSTROM, E_ANGSTROM_IN_DEBYE, HARTREE_IN_EV

RNG = np.random.default_rng(8)


@pytest.fixture(scope="module")
def free_atoms(water: Molecule, fit_basis: Basis) -> dict[int, np.ndarray]:
    return {z: fit_free_atom(fit_basis, water.orbital_basis, z, spherical_atom(z, water.orbital_basis)) for z in (1, 8)}


@pytest.fixture(scope="module")
def density(water: Molecule, fit_basis: Basis, free_atoms: dict[int, np.ndarray]) -> Density:
    fitted = fit_density(fit_basis, water.orbital_basis, water.numbers, water.positions, water.density_matrix)
    prior = superposition(fit_basis, water.numbers, free_atoms)
    return Density(fit_basis, water.numbers, water.positions * BOHR_IN_ANGSTROM, fitted.coefficients, prior=prior)


def turned(density: Density, rotation: np.ndarray) -> Density:
    """The whole density turned about the origin."""
    polar = np.array([1, 2, 0])
    matrix = torch.tensor(rotation[np.ix_(polar, polar)])
    shells = integrals.shells_of(density.basis, density.numbers)
    D = torch.block_diag(*[o3.Irrep(l, 1).D_from_matrix(matrix) for _, l in shells]).numpy()
    return Density(
        density.basis, density.numbers, density.positions @ rotation.T, D @ density.coefficients, prior=density.prior
    )


def becke_grid(density: Density, level: int = 4) -> tuple[np.ndarray, np.ndarray]:
    points, weights = integrals.becke_grid(density.numbers, density.positions / BOHR_IN_ANGSTROM, level)
    return points * BOHR_IN_ANGSTROM, weights * BOHR_IN_ANGSTROM**3


def fine_grid(density: Density) -> tuple[np.ndarray, np.ndarray]:
    """Becke's grid without pruning, in Å."""
    mole = integrals.pyscf_mole(density.basis, density.numbers, density.positions / BOHR_IN_ANGSTROM)
    grid = gen_grid.Grids(mole)
    grid.atom_grid, grid.prune = {mole.atom_symbol(i): (100, 590) for i in range(mole.natm)}, None
    grid.build()
    return grid.coords * BOHR_IN_ANGSTROM, grid.weights * BOHR_IN_ANGSTROM**3


def test_moments_equal_quadrature_on_a_fine_grid(density: Density) -> None:
    points, weights = fine_grid(density)
    electrons = weights * density.at(points)
    assert electrons.sum() == pytest.approx(density.n_electrons, abs=1e-5)
    dipole = density.numbers @ density.positions - electrons @ points
    np.testing.assert_allclose(density.dipole() * E_ANGSTROM_IN_DEBYE, dipole * E_ANGSTROM_IN_DEBYE, atol=1e-5)
    origin = np.array([0.3, -0.4, 0.5])
    R, r = density.positions - origin, points - origin
    second = np.einsum("i,ix,iy->xy", density.numbers, R, R) - np.einsum("g,gx,gy->xy", electrons, r, r)
    np.testing.assert_allclose(density.second_moment(origin), second, atol=1e-5)
    traceless = np.einsum("i,ixy->xy", density.numbers, buckingham(R)) - np.einsum(
        "g,gxy->xy", electrons, buckingham(r)
    )
    np.testing.assert_allclose(density.quadrupole(origin), traceless, atol=1e-5)
    assert np.trace(density.quadrupole()) == pytest.approx(0.0, abs=1e-10)


def buckingham(r: np.ndarray) -> np.ndarray:
    return 1.5 * np.einsum("gx,gy->gxy", r, r) - 0.5 * np.einsum("gx,gx->g", r, r)[:, None, None] * np.eye(3)


def test_quadrupole_is_close_to_pyscfs_of_the_orbitals(water: Molecule, density: Density) -> None:
    """The fit's residual is all that differs; Psi4's and PySCF's second moments have no other definition."""
    origin = water.numbers @ water.positions / water.numbers.sum()
    mole = integrals.pyscf_mole(water.orbital_basis, water.numbers, water.positions)
    D = integrals.in_pyscf_order(water.orbital_basis, water.numbers, water.density_matrix)
    with mole.with_common_orig(origin):
        rr = mole.intor("int1e_rr").reshape(3, 3, *D.shape)
    R = water.positions - origin
    M = np.einsum("i,ix,iy->xy", water.numbers, R, R) - np.einsum("xymn,mn->xy", rr, D)
    expected = (1.5 * M - 0.5 * np.trace(M) * np.eye(3)) * BOHR_IN_ANGSTROM**2
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(density.quadrupole(), expected, atol=0.02)


def by_differences(function: object, points: np.ndarray, h: float = 1e-3) -> np.ndarray:
    f = function  # type: ignore[assignment]
    return np.array([(f(points + s) - f(points - s)) / (2 * h) for s in h * np.eye(3)])


def test_gradient_laplacian_and_field_have_the_units_they_say(density: Density) -> None:
    """Finite differences in Å; 1e-6 of the largest value is the differences' own error."""
    points = density.positions.mean(axis=0) + RNG.normal(size=(15, 3))
    gradient = by_differences(density.at, points).T
    np.testing.assert_allclose(density.gradient(points), gradient, atol=1e-4 * np.abs(gradient).max())
    second = np.einsum("xgx->g", by_differences(density.gradient, points))
    np.testing.assert_allclose(density.laplacian(points), second, atol=1e-4 * np.abs(second).max())
    slope = -by_differences(density.potential, points).T
    np.testing.assert_allclose(density.field(points), slope, atol=1e-4 * np.abs(slope).max())


def test_field_at_a_nucleus_has_no_direction(density: Density) -> None:
    assert np.isnan(density.field(density.positions)).all()


def test_energy_between_two_molecules(density: Density) -> None:
    """Against one's potential (of its smooth Δρ: no cusps) integrated over the other, and two dipoles far apart."""
    other = turned(density, np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    place = density.positions.mean(axis=0) + np.array([3.0, 1.0, 0.5])
    other, delta = moved(other, place - other.positions.mean(axis=0)), density.deformation()
    points, weights = becke_grid(other)
    expected = other.numbers @ delta.potential(other.positions) - (weights * other.at(points)) @ delta.potential(points)
    assert abs(expected) > 0.05
    assert delta.electrostatic_energy(other) == pytest.approx(expected, abs=1e-5)
    free = Density(density.basis, density.numbers, density.positions, density.prior)
    both = delta.electrostatic_energy(other) + free.electrostatic_energy(other)
    assert density.electrostatic_energy(other) == pytest.approx(both, abs=1e-7)
    assert other.electrostatic_energy(density) == pytest.approx(both, abs=1e-7)

    apart = np.array([0.0, 0.0, 60.0])
    far = moved(density, apart)
    mu, n = density.dipole(), apart / 60.0
    expected = (mu @ mu - 3.0 * (mu @ n) ** 2) / 60.0**3 * HARTREE_IN_EV * BOHR_IN_ANGSTROM
    assert density.electrostatic_energy(far) == pytest.approx(expected, rel=0.05)
    with pytest.raises(DensnetError, match="lies on one of the other"):
        density.electrostatic_energy(density)


def moved(density: Density, shift: np.ndarray) -> Density:
    return Density(density.basis, density.numbers, density.positions + shift, density.coefficients, prior=density.prior)


def test_difference_is_electrons_alone(density: Density) -> None:
    delta = density.deformation()
    assert delta.n_electrons == pytest.approx(0.0, abs=1e-9)
    points = density.positions + 0.4
    free = Density(density.basis, density.numbers, density.positions, density.prior)
    np.testing.assert_allclose(delta.at(points), density.at(points) - free.at(points), atol=1e-10)
    np.testing.assert_allclose(delta.dipole(), density.dipole(), atol=1e-8)  # free atoms have none
    np.testing.assert_allclose(delta.quadrupole(), density.quadrupole() - free.quadrupole(), atol=1e-8)
    np.testing.assert_allclose(delta.potential(points), density.potential(points) - free.potential(points), atol=1e-7)
    J = integrals.coulomb(density.basis, density.numbers, density.positions / BOHR_IN_ANGSTROM)
    self_energy = delta.coefficients @ J @ delta.coefficients * HARTREE_IN_EV
    assert delta.coulomb_norm() ** 2 == pytest.approx(self_energy, rel=1e-9)
    points, weights = becke_grid(density)
    assert delta.overlap_norm() ** 2 == pytest.approx(weights @ delta.at(points) ** 2, rel=1e-5)


def test_difference_of_other_molecules_is_refused(density: Density, fit_basis: Basis) -> None:
    with pytest.raises(DensnetError, match="expected one geometry"):
        density.difference(moved(density, np.array([0.1, 0, 0])))
    hydrogen = Density(fit_basis, [1], np.zeros((1, 3)), np.zeros(fit_basis.n_functions([1])))
    with pytest.raises(DensnetError, match="densities of one molecule, got H2O and H "):
        density - hydrogen
    scaled = {
        z: tuple(Shell(s.l, tuple(1.1 * a for a in s.exponents), s.coefficients) for s in fit_basis.of(z))
        for z in (1, 8)
    }
    with pytest.raises(DensnetError, match="expected one basis"):
        density - Density(Basis("scaled", scaled), density.numbers, density.positions, density.coefficients)


def test_hirshfeld_equals_plain_quadrature(density: Density, fit_basis: Basis, free_atoms: dict) -> None:
    """Q_i = Z_i - ∫ w_i ρ as it is written, with PySCF's values of the free atoms."""
    points, weights = becke_grid(density)
    mole = integrals.pyscf_mole(fit_basis, density.numbers, density.positions / BOHR_IN_ANGSTROM)
    index, sign = integrals.to_canonical("pyscf", integrals.shells_of(fit_basis, density.numbers))
    values = np.concatenate([mole.eval_gto("GTOval_sph", p / BOHR_IN_ANGSTROM) for p in np.array_split(points, 40)])
    values = values[:, index] * sign
    atom = fit_basis.layout(density.numbers).atom
    alone = np.array([values[:, atom == i] @ density.prior[atom == i] for i in range(3)])
    alone = np.maximum(alone, 0.0) + 1e-30
    electrons = alone / alone.sum(axis=0) @ (weights * density.at(points))
    found = density.hirshfeld()
    np.testing.assert_allclose(found.charges, density.numbers - electrons, atol=2e-4)
    assert found.charges.sum() == pytest.approx(0.0, abs=1e-9)
    assert abs(found.residual) < 1e-4
    assert -0.5 < found.charges[0] < -0.15
    total = found.charges @ density.positions + found.dipoles.sum(axis=0)
    np.testing.assert_allclose(total, density.dipole(), atol=2e-4)


@pytest.mark.parametrize("method", ["hirshfeld", "iterated_stockholder"])
def test_charges_do_not_turn_with_the_molecule(density: Density, method: str) -> None:
    """Grids are fixed in space: their error is what differs."""
    rotation = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    here, there = getattr(density, method)(), getattr(turned(density, rotation), method)()
    np.testing.assert_allclose(there.charges, here.charges, atol=1e-3)
    np.testing.assert_allclose(there.dipoles, here.dipoles @ rotation.T, atol=1e-3)
    assert here.charges.sum() == pytest.approx(0.0, abs=1e-9)


def spherical(positions: np.ndarray, electrons: np.ndarray, exponents: tuple[float, float] = (1.2, 0.5)) -> Density:
    """Atoms of two s Gaussians each; the element says how many electrons there should be."""
    basis = Basis("spheres", dict.fromkeys((1, 2, 3), tuple(Shell(0, (a,), (1.0,)) for a in exponents)))
    q = integrals.charges(basis, [1])
    c = np.concatenate([[0.4 * n / q[0], 0.6 * n / q[1]] for n in electrons])
    neutral = np.concatenate([[0.4 * z / q[0], 0.6 * z / q[1]] for z in (1, 2)])
    return Density(basis, [1, 2], positions, c, prior=neutral)


@pytest.mark.parametrize("method", ["hirshfeld", "iterated_stockholder"])
def test_atoms_far_apart_are_found_again(method: str) -> None:
    far = np.array([[0.0, 0, 0], [0, 0, 12.0]])
    neutral = getattr(spherical(far, np.array([1.0, 2.0])), method)()
    np.testing.assert_allclose(neutral.charges, 0.0, atol=2e-5)
    np.testing.assert_allclose(neutral.dipoles, 0.0, atol=2e-4)
    ions = getattr(spherical(far, np.array([0.25, 2.75])), method)()
    np.testing.assert_allclose(ions.charges, [0.75, -0.75], atol=1e-4)


def test_stockholder_atoms_that_overlap_reproduce_their_sum() -> None:
    """Any sum of spherical atoms is a fixed point: charges and the averages themselves come back, also when bonded."""
    density = spherical(np.array([[0.0, 0, 0], [0, 0, 1.2]]), np.array([0.8, 2.2]))
    found = density.iterated_stockholder(grid_level=4)
    np.testing.assert_allclose(found.charges, [0.2, -0.2], atol=5e-3)


def test_stockholder_that_does_not_end_says_so(density: Density) -> None:
    with pytest.raises(DensnetError, match="not converged after 3 iterations") as error:
        partition.iterated_stockholder(density._distribution(), most_iterations=3)
    assert "\n" not in str(error.value)


def test_equal_atoms_have_equal_charges(fit_basis: Basis, free_atoms: dict) -> None:
    """H2 with a density that the mirror between its atoms leaves alone."""
    layout = fit_basis.layout([1, 1])
    c = superposition(fit_basis, [1, 1], free_atoms)
    c = c + np.where((layout.l == 1) & (layout.m == 0), np.where(layout.atom == 0, 0.01, -0.01), 0.0)
    hydrogen = Density(
        fit_basis, [1, 1], [[0, 0, 0], [0, 0, 0.8]], c, prior=superposition(fit_basis, [1, 1], free_atoms)
    )
    for atoms in (hydrogen.hirshfeld(), hydrogen.iterated_stockholder()):
        np.testing.assert_allclose(atoms.charges, 0.0, atol=1e-6)
        np.testing.assert_allclose(atoms.dipoles[0], -atoms.dipoles[1], atol=1e-6)


def test_hirshfeld_needs_free_atoms(density: Density) -> None:
    without = Density(density.basis, density.numbers, density.positions, density.coefficients)
    for ask in (without.hirshfeld, without.deformation):
        with pytest.raises(DensnetError, match="does not know its free atoms") as error:
            ask()
        assert "\n" not in str(error.value)


def test_radial_profile_equals_lebedevs_average_and_holds_all_electrons(density: Density) -> None:
    sphere = LebedevGrid.MakeAngularGrid(5810)
    r = np.array([0.0, 0.1, 0.4, 1.3])  # no other nucleus near: Lebedev's grid is good there
    expected = [sphere[:, 3] @ density.at(density.positions[1] + x * sphere[:, :3]) for x in r]
    np.testing.assert_allclose(density.radial_profile(1, r), expected, rtol=1e-4)
    np.testing.assert_allclose(density.radial_profile(1, [0.0]), density.at(density.positions[1:2]), rtol=1e-8)
    aside = density.positions[0] + [0.3, 0.2, 0.1]
    r = np.linspace(0.0, 12.0, 1501)
    shells = 4.0 * np.pi * r**2 * density.radial_profile(aside, r)
    assert np.trapezoid(shells, r) == pytest.approx(10.0, abs=1e-5)  # also through the other nuclei
    for bad in ([-1.0], [float("nan")], [[1.0]]):
        with pytest.raises(DensnetError, match="distances: expected"):
            density.radial_profile(0, bad)
    with pytest.raises(DensnetError, match="expected an atom from 0 to 2"):
        density.radial_profile(3, r)


def test_saved_density_is_the_same(density: Density, tmp_path: Path) -> None:
    density.save(tmp_path / "water.nc")
    read = Density.load(tmp_path / "water.nc")
    assert read.basis == density.basis
    for name in ("numbers", "positions", "coefficients", "prior", "nuclear_charges"):
        np.testing.assert_array_equal(getattr(read, name), getattr(density, name))
    density.deformation().save(tmp_path / "delta.nc")
    delta = Density.load(tmp_path / "delta.nc")
    assert delta.prior is None and (delta.nuclear_charges == 0).all()


def test_files_that_are_no_densities_get_one_line(density: Density, tmp_path: Path) -> None:
    (tmp_path / "text.nc").write_text("no netCDF")
    for path in (tmp_path / "missing.nc", tmp_path / "text.nc"):
        with pytest.raises(DensnetError) as error:
            Density.load(path)
        assert "\n" not in str(error.value)
    (tmp_path / "file").touch()
    for write in (density.save, density.to_cube):
        with pytest.raises(DensnetError, match="cannot be written") as error:
            write(tmp_path / "file" / "below")
        assert "\n" not in str(error.value)
    with pytest.raises(DensnetError, match="it is a folder"):
        density.to_cube(tmp_path)
    with pytest.raises(DensnetError, match="quantity: expected one of"):
        density.to_cube(tmp_path / "a.cube", quantity="spin")  # type: ignore[arg-type]


@pytest.mark.parametrize("quantity", ["density", "potential"])
def test_every_voxel_of_a_cube_is_the_value_there(density: Density, quantity: str, tmp_path: Path) -> None:
    density.to_cube(tmp_path / "a.cube", quantity=quantity, spacing=0.5, margin=1.5)  # type: ignore[arg-type]
    with (tmp_path / "a.cube").open() as opened:
        stored = read_cube(opened)
    data = stored["data"]
    voxels = np.stack(np.meshgrid(*map(np.arange, data.shape), indexing="ij"), axis=-1).reshape(-1, 3)
    points = stored["origin"] + voxels @ (stored["atoms"].cell.array / np.array(data.shape)[:, None])
    expected = (
        density.at(points) * BOHR_IN_ANGSTROM**3 if quantity == "density" else density.potential(points) / HARTREE_IN_EV
    )
    # The format keeps five to six digits, of positions too.
    np.testing.assert_allclose(data.ravel(), expected, rtol=5e-3, atol=1e-6)


def test_cube_layout_is_that_of_the_format(density: Density, tmp_path: Path) -> None:
    """Two comments; atoms and origin in bohr; three axes; atoms with their charge; z fastest, six values a line."""
    density.to_cube(tmp_path / "a.cube", spacing=0.5, margin=1.5)
    lines = (tmp_path / "a.cube").read_text().splitlines()
    header = [line.split() for line in lines[2:9]]
    assert [int(row[0]) for row in header[:1]] == [3]
    counts = [int(row[0]) for row in header[1:4]]
    axes = np.array([[float(x) for x in row[1:4]] for row in header[1:4]])
    np.testing.assert_allclose(axes, np.eye(3) * 0.5 / BOHR_IN_ANGSTROM, atol=1e-5)
    assert [int(row[0]) for row in header[4:7]] == density.numbers.tolist()
    atoms = np.array([[float(x) for x in row[2:5]] for row in header[4:7]])
    np.testing.assert_allclose(atoms, density.positions / BOHR_IN_ANGSTROM, atol=1e-5)
    values = np.array(" ".join(lines[9:]).split(), dtype=float)
    assert len(values) == np.prod(counts)
    origin = np.array([float(x) for x in header[0][1:4]]) * BOHR_IN_ANGSTROM
    second = density.at(origin[None] + [[0.0, 0.0, 0.5]]) * BOHR_IN_ANGSTROM**3
    assert values[1] == pytest.approx(second[0], rel=1e-3)


@pytest.mark.parametrize("name", ["at", "gradient", "laplacian", "potential", "field"])
def test_bad_points_get_one_line(density: Density, name: str) -> None:
    for points in ([1.0, 2.0, 3.0], [[1.0, 2.0]], [[1.0, float("nan"), 0.0]], [["a", "b", "c"]]):
        with pytest.raises(DensnetError, match="points: expected") as error:
            getattr(density, name)(points)
        assert "\n" not in str(error.value)


def test_coefficients_of_another_molecule_are_refused(density: Density, fit_basis: Basis) -> None:
    with pytest.raises(DensnetError, match=r"functions on H2, expected shape"):
        Density(fit_basis, [1, 1], np.eye(2, 3), density.coefficients)
    with pytest.raises(DensnetError, match="prior: basis"):
        Density(fit_basis, density.numbers, density.positions, density.coefficients, prior=[1.0])


def test_charges_of_a_cation_sum_to_its_charge(density: Density) -> None:
    """Charges sum to the molecule's charge, whatever it is."""
    layout, q = density.basis.layout(density.numbers), integrals.charges(density.basis, density.numbers)
    taken = density.coefficients.copy()
    one = np.flatnonzero((layout.atom == 0) & (layout.l == 0))[-1]
    taken[one] -= 0.5 / q[one]
    cation = Density(density.basis, density.numbers, density.positions, taken, prior=density.prior)
    assert cation.charge == pytest.approx(0.5, abs=1e-9)
    assert cation.hirshfeld().charges.sum() == pytest.approx(0.5, abs=1e-9)


def test_potential_equals_libcints(density: Density) -> None:
    points = density.positions.mean(axis=0) + RNG.normal(size=(30, 3)) * 2
    mole = integrals.pyscf_mole(density.basis, density.numbers, density.positions / BOHR_IN_ANGSTROM)
    index, sign = integrals.to_canonical("pyscf", integrals.shells_of(density.basis, density.numbers))
    probes = gto.fakemol_for_charges(points / BOHR_IN_ANGSTROM)
    electrons = (density.coefficients * sign) @ gto.intor_cross("int2c2e_sph", mole, probes)[index]
    distance = np.linalg.norm(points[:, None] - density.positions, axis=-1) / BOHR_IN_ANGSTROM
    expected = ((density.numbers / distance).sum(axis=1) - electrons) * HARTREE_IN_EV
    np.testing.assert_allclose(density.potential(points), expected, atol=1e-8)
