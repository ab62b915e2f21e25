"""ML-HK: symmetry, exact forces, interpolation, closed forms; and what a user can do wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kernel_examples import HYDROGEN, WATER, frames, hydrogen, water
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from densnet.basis.integrals import charges, dipoles
from densnet.errors import DensnetError
from densnet.kernel.alignment import Alignment
from densnet.kernel.hohenberg_kohn import HohenbergKohn, KernelFrames, chosen_frames, fit_maps
from densnet.kernel.kernel_files import is_kernel_file, read_kernel, write_kernel
from densnet.kernel.kernel_ridge import RIDGES, KernelRidge, left_out, points_of, solved
from densnet.kernel.settings import KernelSettings
from densnet.kernel.smeared_potential import SmearedNuclei
from densnet.molecule import Molecule
from densnet.potentials.choice import Chosen
from densnet.potentials.kernel import KernelPotential
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]
SETTINGS = KernelSettings()
NUCLEI = SmearedNuclei(WATER.astype(float), 0.2)


def fitted(learned: KernelFrames) -> HohenbergKohn:
    pytest.importorskip("sklearn")
    return fit_maps(learned, SETTINGS)


@pytest.fixture(scope="module")
def maps() -> HohenbergKohn:
    """Of twelve waters."""
    return fitted(frames(WATER, water(12)))


@pytest.fixture(scope="module")
def linear() -> HohenbergKohn:
    """Of eight hydrogens, along whose axis no rotation is defined."""
    return fitted(frames(HYDROGEN, hydrogen(8)))


def test_the_inner_product_in_closed_form_is_that_of_a_grid() -> None:
    first, second = water(2, turned=False)
    axis = np.arange(-3, 3, 0.05)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    v = [
        sum(z * np.exp(-((grid - r) ** 2).sum(axis=-1) / (2 * 0.2**2)) for z, r in zip(WATER, geometry, strict=True))
        for geometry in (first, second)
    ]
    # the trapezoidal rule with steps of a quarter of a Gaussian's width is exact to far more digits
    by_grid = (v[0] * v[1]).sum() * 0.05**3
    assert NUCLEI.inner(first[None], second[None])[0, 0] == pytest.approx(by_grid, rel=1e-9)
    square = ((v[0] - v[1]) ** 2).sum() * 0.05**3
    assert NUCLEI.squared_distances(first[None], second[None])[0, 0] == pytest.approx(square, rel=1e-9)


def test_aligned_geometries_do_not_depend_on_where_the_molecule_is() -> None:
    lying, turned = water(6, seed=3, turned=False), water(6, seed=3)
    align = Alignment.onto(WATER, water(1, seed=1)[0])
    np.testing.assert_allclose(align(lying)[0], align(turned)[0], atol=1e-12)


@pytest.mark.parametrize("by_density", [True, False])
@pytest.mark.parametrize("molecule", ["maps", "linear"])
def test_forces_are_the_gradient_of_the_energy(molecule: str, by_density: bool, request: pytest.FixtureRequest) -> None:
    model: HohenbergKohn = request.getfixturevalue(molecule)
    (geometry,) = water(1, seed=7) if molecule == "maps" else hydrogen(1, seed=7)
    step, n = 4e-3, geometry.size
    moves = step * np.eye(n).reshape(n, *geometry.shape)
    four = [model.energy_and_forces(geometry + a * moves, by_density=by_density)[0] for a in (2, 1, -1, -2)]
    slope = (-four[0] + 8 * four[1] - 8 * four[2] + four[3]) / (12 * step)
    _, forces = model.energy_and_forces(geometry[None], by_density=by_density)
    assert np.abs(forces).max() > 0.1
    # weights of up to 1e8 that cancel leave 1e-8 eV of noise, which is divided by the step
    np.testing.assert_allclose(forces[0].ravel(), -slope, atol=2e-5)
    np.testing.assert_allclose(forces.sum(axis=1), 0.0, atol=1e-6)


@pytest.mark.parametrize("molecule", ["maps", "linear"])
def test_energy_stays_and_density_dipole_and_forces_turn_with_the_molecule(
    molecule: str, request: pytest.FixtureRequest
) -> None:
    from densnet.basis.rotation import rotated

    model: HohenbergKohn = request.getfixturevalue(molecule)
    geometries = water(3, seed=5) if molecule == "maps" else hydrogen(3, seed=5)
    A = Rotation.random(3, random_state=9).as_matrix()
    turned = np.einsum("txy,tiy->tix", A, geometries) + np.array([1.0, -2.0, 0.5])
    (energy, forces), (energy_turned, forces_turned) = (model.energy_and_forces(r) for r in (geometries, turned))
    np.testing.assert_allclose(energy_turned, energy, atol=1e-7)
    np.testing.assert_allclose(forces_turned, np.einsum("txy,tiy->tix", A, forces), atol=1e-5)
    c = model.coefficients(geometries)
    np.testing.assert_allclose(model.coefficients(turned), rotated(model.basis, model.numbers, c, A), atol=1e-8)
    dipole = np.einsum("txy,ty->tx", A, model.dipole(geometries))
    np.testing.assert_allclose(model.dipole(turned), dipole, atol=1e-7)


def test_charge_and_dipole_are_those_of_the_density(maps: HohenbergKohn) -> None:
    geometries = water(4, seed=11)
    c = maps.coefficients(geometries)
    np.testing.assert_allclose(c @ charges(maps.basis, WATER), 10.0, atol=1e-8)
    whole = [
        WATER @ r - BOHR_IN_ANGSTROM * density @ dipoles(maps.basis, WATER, r / BOHR_IN_ANGSTROM)
        for r, density in zip(geometries, c, strict=True)
    ]
    np.testing.assert_allclose(maps.dipole(geometries), whole, atol=1e-8)


def test_more_points_teach_more(maps: HohenbergKohn) -> None:
    judged = frames(WATER, water(10, seed=21))
    errors = []
    for model in (fitted(frames(WATER, water(4))), maps):
        energy, _ = model.energy_and_forces(judged.positions)
        errors.append(
            [
                np.abs(energy - judged.energy).mean(),
                np.abs(model.coefficients(judged.positions) - judged.coefficients).mean(),
            ]
        )
    assert (np.array(errors[1]) < 0.3 * np.array(errors[0])).all()


def test_without_a_ridge_the_training_values_are_met() -> None:
    pytest.importorskip("sklearn")
    positions, _ = Alignment.onto(WATER, water(1)[0])(water(6))
    squares = NUCLEI.squared_distances(positions, positions)
    values = np.arange(6.0) ** 2
    kernel = np.exp(-squares / np.median(squares))
    errors = []
    for ridge in (1e-2, 1e-6, 1e-12):
        ridged = KernelRidge(1.0, ridge, values.mean(), solved(kernel, values - values.mean(), ridge))
        errors.append(np.abs(ridged(kernel) - values).max())
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-8


def test_the_error_of_points_left_out_is_that_of_leaving_them_out() -> None:
    pytest.importorskip("sklearn")
    positions, _ = Alignment.onto(WATER, water(1)[0])(water(8))
    squares = NUCLEI.squared_distances(positions, positions)
    values, kernel = np.random.default_rng(0).normal(size=(8, 2)), np.exp(-squares / np.median(squares))
    least, ridge = left_out(kernel, values)

    def error(ridge: float) -> float:
        others = [np.arange(8) != m for m in range(8)]
        predicted = [kernel[m, o] @ solved(kernel[np.ix_(o, o)], values[o], ridge) for m, o in enumerate(others)]
        return float(((np.array(predicted) - values) ** 2).mean())

    errors = [error(each) for each in RIDGES]
    assert least == pytest.approx(min(errors), rel=1e-6) and ridge == RIDGES[int(np.argmin(errors))]


def test_points_have_the_distances_that_were_asked_for() -> None:
    positions, _ = Alignment.onto(WATER, water(1)[0])(water(6))
    points = points_of(NUCLEI.inner(positions, positions))
    apart = ((points[:, None] - points) ** 2).sum(axis=2)
    np.testing.assert_allclose(apart, NUCLEI.squared_distances(positions, positions), atol=1e-13)


def test_chosen_frames_are_spread_and_repeat() -> None:
    pytest.importorskip("sklearn")
    learned = frames(HYDROGEN, hydrogen(40))
    rows = chosen_frames(learned, 5, SETTINGS)
    assert len(set(rows.tolist())) == 5 and np.array_equal(rows, chosen_frames(learned, 5, SETTINGS))
    lengths = np.sort(np.linalg.norm(learned.positions[rows, 0] - learned.positions[rows, 1], axis=1))
    # five intervals of 0.2 Å; clusters of few random lengths are not quite equal
    assert np.diff(lengths).min() > 0.1 and lengths[0] < 0.75 and lengths[-1] > 1.25
    with pytest.raises(DensnetError, match=r"m: expected at most 40, the training frames .*, found 41; lower it"):
        chosen_frames(learned, 41, SETTINGS)


def test_a_file_gives_the_same_potential_and_refuses_other_molecules(maps: HohenbergKohn, tmp_path: Path) -> None:
    path = tmp_path / "kernel.nc"
    write_kernel(path, maps, {"labels": "none"})
    assert is_kernel_file(path) and not is_kernel_file(tmp_path / "nothing.nc")
    geometries = water(3, seed=2)
    energy, forces = maps.energy_and_forces(geometries)
    chosen = Chosen(path, None)(Molecule(WATER, geometries[0]))
    read = chosen(geometries)
    # arrays that were read lie otherwise in memory, and are summed in another order
    np.testing.assert_allclose(read["energy"], energy, atol=1e-9)
    np.testing.assert_allclose(read["forces"], forces, atol=1e-9)
    np.testing.assert_allclose(read["dipole"], maps.dipole(geometries), atol=1e-9)
    np.testing.assert_allclose(read_kernel(path).coefficients(geometries), maps.coefficients(geometries), atol=1e-9)
    with pytest.raises(DensnetError, match=r"kernel: expected the atoms .* O H H, found H O H; order the atoms alike"):
        KernelPotential.from_file(path, np.array([1, 8, 1]))


def test_geometries_that_coincide_are_refused() -> None:
    pytest.importorskip("sklearn")
    learned = frames(WATER, np.repeat(water(1), 5, axis=0))
    with pytest.raises(DensnetError, match="labels: expected different geometries, found the same ones"):
        fit_maps(learned, SETTINGS)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DensnetError, match="scikit-learn is not installed; install it by"):
        chosen_frames(frames(WATER, water(5)), 3, SETTINGS)
