"""Densities as coefficients and on grids: what is written is read by the program it is for, to the last digit."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from pyscf import dft, gto

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import from_canonical, to_canonical
from densnet.cli.export import density as export
from densnet.density.density import Density
from densnet.density.error import DensityGrid
from densnet.errors import DensnetError
from densnet.exchange import metatensor_file
from densnet.exchange.expanded_density import ExpandedDensities
from densnet.exchange.metatensor_file import coefficients_of, read_mts, tensor_map, write_mts
from densnet.io.netcdf import write_dataset
from densnet.peers.labelled_frames import labelled_atoms
from densnet.reference.imported_data import data_of, read_data
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

needs_metatensor = pytest.mark.skipif(find_spec("metatensor") is None, reason="metatensor-core is not installed")
PUBLISHED = "mts/scfbench_molecule_3464_rho_c_jfit.mts"
C2H2O3 = Atoms(
    "OCCHOOH",
    [
        [-1.3058, -1.0321, -1.0321],
        [-1.0843, -0.1924, -0.1924],
        [0.3229, 0.2412, 0.2412],
        [-1.8735, 0.3561, 0.3561],
        [0.4843, 1.0926, 1.0926],
        [1.3055, -0.4059, -0.4059],
        [2.1509, -0.0596, -0.0596],
    ],
)
"""Molecule 3464 of SCFBench, as lab-cosmo's atomistic cookbook has it (recipe ml-density)."""


@pytest.fixture
def labels(water_labels: Path, tmp_path: Path) -> Path:
    data = xr.load_dataset(water_labels).assign_attrs(functional="HF", basis="STO-3G")
    write_dataset(data, tmp_path / "labels.nc", stage="fit", method_version=1, settings={})
    return tmp_path / "labels.nc"


def test_npz_is_what_import_reads(labels: Path, tmp_path: Path) -> None:
    export(labels=labels, format="npz", output=tmp_path / "densities.npz")
    data, expected = read_data(tmp_path / "densities.npz"), xr.load_dataset(labels)
    assert data.fit_functions is not None and data.coefficients is not None
    np.testing.assert_array_equal(data.fit_functions.canonical(data.coefficients, 1), expected["coefficients"])
    assert data.fit_functions.basis == Basis.from_json(expected.attrs["fit_basis"])
    for ours, name in ((data.positions, "positions"), (data.energies, "energy"), (data.forces, "forces")):
        np.testing.assert_array_equal(ours, expected[name])
    assert (data.functional, data.orbital_basis_name) == ("HF", "STO-3G")


def test_cubes_are_the_density_at_their_points(water_run: Path, tmp_path: Path) -> None:
    """A file for each frame of an xyz file, read by ASE."""
    water = [Atoms("OHH", [[0, 0, 0.12], [0, y, -0.47], [0, -0.76, -0.47]]) for y in (0.76, 0.8)]
    ase.io.write(tmp_path / "water.xyz", water)
    model, xyz = water_run / "model.pt", tmp_path / "water.xyz"
    export(model=model, xyz=xyz, format="cube", spacing=0.5, output=tmp_path / "rho.cube")
    densities = ExpandedDensities.of_model(model, xyz)
    for t, atoms in enumerate(water):
        with (tmp_path / f"rho_{t}.cube").open() as file:
            cube = ase.io.cube.read_cube(file)
        np.testing.assert_allclose(cube["atoms"].positions, atoms.positions, atol=1e-5)
        steps = np.stack(np.meshgrid(*map(np.arange, cube["data"].shape), indexing="ij"), axis=-1).reshape(-1, 3)
        points = cube["origin"] + steps @ cube["spacing"]
        rho = Density(densities.basis, densities.numbers, atoms.positions, densities.coefficients[t]).at(points)
        # points have six decimals of a bohr, values six digits; the slope at the nucleus is some 5 a.u.
        np.testing.assert_allclose(cube["data"].ravel(), rho * BOHR_IN_ANGSTROM**3, rtol=1e-4, atol=1e-5)


@needs_metatensor
def test_mts_comes_back_to_the_last_digit(labels: Path, tmp_path: Path) -> None:
    import metatensor

    export(labels=labels, output=tmp_path / "densities.mts")
    expected = xr.load_dataset(labels)
    tensor = metatensor.load(str(tmp_path / "densities.mts"))
    assert tensor.keys.names == ["o3_lambda", "o3_sigma", "atom_type"]
    block = tensor.block({"o3_lambda": 1, "o3_sigma": 1, "atom_type": 8})
    assert block.components[0].values[:, 0].tolist() == [-1, 0, 1] and block.samples.names == ["system", "atom"]
    data = data_of(read_mts(tmp_path / "densities.mts", tmp_path / "densities_frames.xyz", fit_basis="natural"))
    np.testing.assert_array_equal(data.coefficients, expected["coefficients"])
    np.testing.assert_array_equal(data.energies, expected["energy"])
    np.testing.assert_array_equal(data.split, expected["split"].values.astype(str))
    assert data.fit_functions is not None
    assert data.fit_functions.basis == Basis.from_json(expected.attrs["fit_basis"])
    assert (data.functional, data.orbital_basis_name) == ("HF", "STO-3G")


@needs_metatensor
def test_mts_is_pyscfs_vector(tmp_path: Path) -> None:
    """Sorted by atom, l, n, m, with p functions as z, x, y brought to x, y, z, the blocks are a vector of PySCF's."""
    numbers, basis = np.array([8, 1, 1]), Basis.from_name("def2-universal-jfit", [1, 8])
    mole = gto.M(atom="O 0 0 0.12; H 0 0.76 -0.47; H 0 -0.76 -0.47", basis="def2-universal-jfit", verbose=0)
    theirs = np.random.default_rng(2).normal(size=mole.nao)
    index, sign = to_canonical("pyscf", integrals.shells_of(basis, numbers))
    tensor = tensor_map(basis, numbers, (theirs[index] * sign)[None])
    rows = []
    for key, block in tensor.items():
        order = [2, 0, 1] if key["o3_lambda"] == 1 else list(range(2 * key["o3_lambda"] + 1))
        for (_, atom), values in zip(block.samples.values.tolist(), block.values[:, order], strict=True):
            for m, by_shell in enumerate(values):
                rows += [(atom, int(key["o3_lambda"]), n, m, value) for n, value in enumerate(by_shell)]
    np.testing.assert_array_equal([row[-1] for row in sorted(rows)], theirs)


@pytest.fixture
def published() -> Path:
    path = Path(os.environ.get("DENSNET_DATA", "")) / PUBLISHED
    if not os.environ.get("DENSNET_DATA") or not path.is_file():
        pytest.skip(f"DENSNET_DATA names no folder with {PUBLISHED}")
    return path


@needs_metatensor
@pytest.mark.slow
def test_published_coefficients_are_a_density(published: Path, tmp_path: Path) -> None:
    """Order, signs and normalisation of every l: against PySCF's density they err by their published floor, 1.3 %."""
    mole = gto.M(atom=list(zip(C2H2O3.symbols, C2H2O3.positions, strict=True)), basis="def2-SVP", verbose=0)
    field = dft.RKS(mole, xc="PBE").density_fit().run()
    frame = labelled_atoms(C2H2O3.numbers, C2H2O3.positions, field.e_tot * HARTREE_IN_EV, np.zeros((7, 3)))
    ase.io.write(tmp_path / "frame.xyz", frame, format="extxyz")
    data = data_of(read_mts(published, tmp_path / "frame.xyz", fit_basis="def2-universal-jfit", level="PBE/def2-SVP"))
    assert data.fit_functions is not None and data.coefficients is not None
    basis, (c,), bohr = data.fit_functions.basis, data.coefficients, C2H2O3.positions / BOHR_IN_ANGSTROM
    assert c @ integrals.charges(basis, data.numbers) == pytest.approx(38.09, abs=0.005)
    orbital_basis = Basis.from_name("def2-SVP", data.numbers)
    index, sign = to_canonical("pyscf", integrals.shells_of(orbital_basis, data.numbers))
    orbitals = field.mo_coeff[index][:, field.mo_occ > 0] * sign[:, None]
    grid = DensityGrid.around(data.numbers, bohr, 1)
    (rho,), true = grid.fitted(basis, c[None]), grid.kohn_sham(orbital_basis, orbitals)
    assert grid.nmae(rho, true, 38) == pytest.approx(1.32, abs=0.02)
    # in another order of the functions it is no density at all
    shuffled, _ = from_canonical("psi4", integrals.shells_of(basis, data.numbers))
    assert grid.nmae(grid.fitted(basis, c[shuffled][None])[0], true, 38) > 5
    write_mts(tmp_path / "again.mts", basis, data.numbers, c[None])
    again = read_mts(tmp_path / "again.mts", tmp_path / "frame.xyz", fit_basis="natural")
    np.testing.assert_array_equal(again.raw("coefficients")[0], c)


def renamed(tensor: Any) -> Any:
    from metatensor import Labels, TensorMap

    keys = Labels(["l", "o3_sigma", "atom_type"], tensor.keys.values)
    return TensorMap(keys, [block.copy() for block in tensor.blocks()])


@needs_metatensor
@pytest.mark.parametrize(
    "change, line",
    [
        (lambda c: {"tensor": renamed(c["tensor"])}, r"expected the keys o3_lambda, .*, found l, o3_sigma, atom_type"),
        (lambda c: {"frames": 3}, r"system 2: no coefficient of l = 0, m = 0, n = 0 on atom 0 \(O\)"),
        (lambda c: {"frames": 1}, r"system 1: expected one of the 1 frames of the xyz file"),
        (lambda c: {"numbers": np.array([1, 8, 1])}, r"system 0: atom 1 is H, in the xyz file O"),
        (lambda c: {"basis": Basis.from_name("STO-3G", [1, 8])}, r"has l = 0, m = 0, n = 1 on H, which the basis 'STO"),
    ],
)
def test_other_coefficients_are_one_line(change: Callable[[Any], Any], line: str) -> None:
    basis, numbers = Basis.from_name("def2-SVP-JKFIT", [1, 8]), np.array([8, 1, 1])
    coefficients = np.random.default_rng(3).normal(size=(2, basis.n_functions(numbers)))
    content = {"tensor": tensor_map(basis, numbers, coefficients), "basis": basis, "numbers": numbers, "frames": 2}
    np.testing.assert_array_equal(coefficients_of(**content, path=Path("their.mts")), coefficients)
    with pytest.raises(DensnetError, match=f"their.mts: {line}") as error:
        coefficients_of(**(content | change(content)), path=Path("their.mts"))
    assert "\n" not in str(error.value)


@needs_metatensor
def test_files_that_are_no_mts(labels: Path, tmp_path: Path) -> None:
    export(labels=labels, output=tmp_path / "densities.mts")
    whole, frames = (tmp_path / "densities.mts").read_bytes(), tmp_path / "densities_frames.xyz"
    for content in (b"", b"no archive", whole[: len(whole) // 2]):
        (tmp_path / "their.mts").write_bytes(content)
        with pytest.raises(DensnetError, match=r"their\.mts: expected a TensorMap of metatensor") as error:
            read_mts(tmp_path / "their.mts", frames, fit_basis="def2-SVP-JKFIT")
        assert "\n" not in str(error.value)
    with pytest.raises(DensnetError, match=r"output: expected a name that ends in \.mts, found densities\.npz"):
        export(labels=labels, output=tmp_path / "densities.npz")


def test_without_metatensor(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metatensor_file, "find_spec", lambda name: None)
    with pytest.raises(DensnetError, match=r"mts: the package metatensor-core is not installed; run .*mts"):
        export(labels=labels, output=tmp_path / "densities.mts")
    with pytest.raises(DensnetError, match="expected --labels, or --model with --xyz"):
        export(labels=labels, model=tmp_path / "model.pt", output=tmp_path / "densities.mts")
