"""Labels from elsewhere: PySCF's densities end in the same file as ours; what does not fit together is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from label_examples import needs_psi4
from pyscf import df, gto, scf
from scipy.integrate import quad

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import from_canonical, to_canonical
from densnet.cli.atoms import atoms as densnet_atoms
from densnet.cli.import_ import import_labels
from densnet.errors import DensnetError
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import read_dataset
from densnet.models.settings import DensityModelSettings
from densnet.reference.import_checks import canonical_orbitals, primitive_length
from densnet.reference.imported_data import read_data
from densnet.reference.imported_labels import atoms_of
from densnet.reference.imported_split import SplitSettings, deal
from densnet.reference.level import LevelOfTheory
from densnet.training.density import train_density
from densnet.training.labels import load_labels
from densnet.training.settings import DensityTrainingSettings
from densnet.units import BOHR_IN_ANGSTROM, E_ANGSTROM_IN_DEBYE, HARTREE_IN_EV

DOCS = Path(__file__).parents[2] / "docs" / "import.md"
FIT = FitSettings(fit_basis="def2-SVP-JKFIT", ridge=0.0)
"""The plain least-squares fit, which another program can make as well."""
SPLIT = SplitSettings(n_validation=1, n_test=1)
Content = dict[str, Any]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What the code in the documentation writes."""
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert code is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("example"))
        exec(code.group(1), {})
        with np.load("water.npz") as stored:
            return dict(stored)


def save(folder: Path, content: Content, **changes: Any) -> Path:
    """Write an npz with some keys changed; None takes a key away."""
    path = folder / "data.npz"
    np.savez(path, **{key: value for key, value in (content | changes).items() if value is not None})
    return path


def run(folder: Path, content: Content, **changes: Any) -> xr.Dataset:
    output = folder / "labels.nc"
    import_labels(data=save(folder, content, **changes), output=output, split=SPLIT, settings=FIT)
    return read_dataset(output, stage="fit")


@pytest.fixture(scope="module")
def imported(example: Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    run(folder, example)
    return folder / "labels.nc"


def test_example_of_the_docs_is_imported_and_trained(imported: Path, example: Content, tmp_path: Path) -> None:
    labels = load_labels(imported)
    data = labels.dataset
    assert sorted(data["split"].values.tolist()) == ["test", "train", "train", "validation"]
    rows = data["source_frame"].values
    assert sorted(rows) == list(range(4))
    for ours, theirs in (("energy", "energies"), ("forces", "forces"), ("positions", "positions")):
        np.testing.assert_array_equal(data[ours].values, example[theirs][rows])
    np.testing.assert_allclose(data["dipole"].values, example["dipoles"][rows], atol=1e-7)
    d = [integrals.dipoles(labels.basis, labels.numbers, r / BOHR_IN_ANGSTROM) for r in data["positions"].values]
    electrons = np.einsum("tk,tkx->tx", data["coefficients"].values, np.array(d)) * BOHR_IN_ANGSTROM
    nuclei = np.einsum("i,tix->tx", labels.numbers, data["positions"].values)
    np.testing.assert_allclose(nuclei - electrons, data["dipole"].values, atol=1e-7)
    assert (data["floor_nmae"].values < 1.5).all()
    assert (data["prior_nmae"].values < 15).all()
    distance = data["distance_to_train"].values
    assert (np.isnan(distance) == (data["split"].values == "train")).all()
    assert (distance[~np.isnan(distance)] > 0.001).all()
    training = DensityTrainingSettings(steps=2, validate_every=1, batch_size=2)
    model = DensityModelSettings(channels=4, edge_channels=4, layers=1, body_order=2)
    train_density(imported, model, training, output=tmp_path / "density.pt", log=tmp_path / "log.csv")
    assert (tmp_path / "density.pt").exists()


def test_order_of_psi4_gives_the_same_orbitals_and_atoms(example: Content, tmp_path: Path) -> None:
    """The example as Psi4 could hand it over, with shells that are not sorted by l."""
    oxygen, hydrogen = [1, 0, 2, 0, 1, 0], [0, 1, 0]
    shells = [(atom, l) for atom, own in enumerate((oxygen, hydrogen, hydrogen)) for l in own]
    basis = Basis.from_name("def2-SVP", [1, 8])

    def reordered(array: np.ndarray, numbers: list[int], listed: list[tuple[int, int]]) -> np.ndarray:
        canonical, _ = to_canonical("pyscf", integrals.shells_of(basis, numbers))
        index, sign = from_canonical("psi4", listed)
        return (array[canonical][index].T * sign).T

    changes: Content = {"orbitals": [reordered(C, [8, 1, 1], shells) for C in example["orbitals"]], "ao_order": "psi4"}
    for symbol, number, own in (("O", 8, oxygen), ("H", 1, hydrogen)):
        name, listed = f"atom_density_matrix_{symbol}", [(0, l) for l in own]
        changes[name] = reordered(reordered(example[name], [number], listed).T, [number], listed)
    one = read_data(save(tmp_path, example))
    other = read_data(save(tmp_path, example | changes, ao_shells=shells))
    np.testing.assert_allclose(canonical_orbitals(one), canonical_orbitals(other), atol=1e-12)
    for number in (1, 8):
        pair = (one.atom_density_matrices[number], other.atom_density_matrices[number])
        np.testing.assert_allclose(*pair, atol=1e-12)


@pytest.mark.parametrize("name", ["6-31G*", "aug-cc-pVDZ"])
def test_pyscfs_own_order_is_understood_for_shared_exponents(name: str, tmp_path: Path) -> None:
    """SP shells and general contractions, from PySCF's own library."""
    positions = np.array([[0.0, 0.1, 0.1], [0.2, 0.8, -0.5]])
    mole = gto.M(atom=list(zip("FH", positions, strict=True)), basis=name, verbose=0)
    field = scf.RHF(mole).run()
    content = {
        **{"numbers": [9, 1], "positions": positions[None], "energies": [field.e_tot], "forces": np.zeros((1, 2, 3))},
        **{"functional": "HF", "orbital_basis": name, "ao_order": "pyscf"},
        **{"orbitals": field.mo_coeff[None, :, field.mo_occ > 0]},
    }
    assert canonical_orbitals(read_data(save(tmp_path, content))).shape == (1, mole.nao, 5)


def fitted_by_pyscf(example: Content) -> Content:
    """The example's densities fitted by PySCF in the Coulomb metric, without constraints."""
    coefficients = []
    for r, C in zip(example["positions"], example["orbitals"], strict=True):
        mole = gto.M(atom=list(zip("OHH", r, strict=True)), basis="def2-SVP", verbose=0)
        auxiliary = df.make_auxmol(mole, "def2-universal-jkfit")
        three = df.incore.aux_e2(mole, auxiliary)
        b = np.einsum("mnk,mn->k", three, 2 * C @ C.T)
        coefficients.append(np.linalg.solve(auxiliary.intor("int2c2e"), b))
        if len(coefficients) == 1:
            overlap = auxiliary.intor("int1e_ovlp")
    return {
        "coefficients": np.array(coefficients),
        **{"fit_basis": "def2-SVP-JKFIT", "order": "pyscf", "normalisation": "normalised", "overlap": overlap},
    }


@pytest.fixture(scope="module")
def coefficients(example: Content) -> Content:
    return example | fitted_by_pyscf(example) | {"orbitals": None}


def test_coefficients_of_pyscf_become_our_own_fit(coefficients: Content, imported: Path, tmp_path: Path) -> None:
    """The nearest density, in J, to the best fit is the best fit under the constraints: two ways to the same label."""
    labels, ours = run(tmp_path, coefficients), read_dataset(imported, stage="fit")
    load_labels(tmp_path / "labels.nc")
    numbers, basis = ours["numbers"].values, Basis.from_json(ours.attrs["fit_basis"])
    for t in range(len(labels["frame"])):
        J = integrals.coulomb(basis, numbers, ours["positions"].values[t] / BOHR_IN_ANGSTROM)
        difference = labels["coefficients"].values[t] - ours["coefficients"].values[t]
        assert difference @ J @ difference < 1e-12
    np.testing.assert_allclose(labels["floor_dipole_error"].values, ours["floor_dipole_error"].values, atol=1e-6)
    np.testing.assert_allclose(labels["prior_nmae"].values, ours["prior_nmae"].values, atol=1e-4)
    np.testing.assert_allclose(labels["dipole"].values, ours["dipole"].values, atol=1e-8)
    assert np.isnan(labels["floor_nmae"].values).all()
    assert set(ours.variables) - set(labels.variables) == {"orbitals"}
    assert set(ours.attrs) - set(labels.attrs) == {"orbital_basis"}
    for name, variable in labels.variables.items():
        assert variable.attrs.get("units") == ours[name].attrs.get("units"), name
        assert variable.dims == ours[name].dims, name


def test_functions_of_unit_self_energy_with_orbitals_beside_them(
    coefficients: Content, example: Content, imported: Path, tmp_path: Path
) -> None:
    basis, position = Basis.from_name("def2-SVP-JKFIT", [1, 8]), coefficients["positions"][0] / BOHR_IN_ANGSTROM
    index, _ = from_canonical("pyscf", integrals.shells_of(basis, [8, 1, 1]))
    length = np.sqrt(np.diag(integrals.coulomb(basis, [8, 1, 1], position)))[index]
    changes = {
        "normalisation": "coulomb",
        "coefficients": coefficients["coefficients"] * length,
        "overlap": coefficients["overlap"] / np.outer(length, length),
    }
    labels = run(tmp_path, coefficients | changes, orbitals=example["orbitals"])
    ours = read_dataset(imported, stage="fit")
    for name in ("prior_nmae", "floor_nmae"):
        np.testing.assert_allclose(labels[name].values, ours[name].values, atol=1e-4)
    assert set(ours.variables) == set(labels.variables)


@pytest.mark.parametrize("l", [0, 1, 4])
def test_length_of_a_bare_gaussian(l: int) -> None:
    square = quad(lambda r: r ** (2 * l + 2) * np.exp(-2 * 0.7 * r**2), 0, np.inf)[0]
    assert primitive_length(l, 0.7) == pytest.approx(np.sqrt(square), rel=1e-10)


def swapped(matrix: np.ndarray, one: int, other: int) -> np.ndarray:
    order = np.arange(len(matrix))
    order[[one, other]] = other, one
    return matrix[np.ix_(order, order)]


D_FUNCTION = 41
"""A d function of oxygen in PySCF's order of def2-SVP-JKFIT: 10 s, 7 p."""


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (lambda c: {"overlap": swapped(c["overlap"], D_FUNCTION, D_FUNCTION + 1)}, r"first at l = 2.*check order"),
        (lambda c: {"normalisation": "coulomb"}, r"frame 0: the overlap matrix is not that .* check normalisation"),
        (lambda c: {"order": "psi4"}, r"overlap matrix is not that of 'def2-SVP-JKFIT' with order 'psi4'"),
        (lambda c: {"order": "psi4", "overlap": None}, r"frame 0: the given dipole differs"),
        (lambda c: {"coefficients": c["coefficients"] * 1.1}, r"frame 0: the coefficients hold 11\.\d+ electrons"),
        (lambda c: {"normalisation": "raw"}, r"normalisation must be one of .*'unnormalised'.*got 'raw'"),
        (lambda c: {"normalisation": "unnormalised"}, r"no meaning for the contracted shells"),
        (lambda c: {"fit_basis": "def2-SVP-JKFITT"}, r"no such basis set; nearest names: def2-svp-jkfit"),
        (lambda c: {"coefficients": c["coefficients"][:, 1:]}, r"coefficients must be numbers of shape \(4, 113\)"),
    ],
)
def test_coefficients_that_are_not_what_they_are_said_to_be(
    changes: Callable[[Content], Content], line: str, coefficients: Content, tmp_path: Path
) -> None:
    with pytest.raises(DensnetError, match=line) as error:
        run(tmp_path, coefficients, **changes(coefficients))
    assert "\n" not in str(error.value)


def nan_in(array: np.ndarray, frame: int) -> np.ndarray:
    spoilt = array.copy()
    spoilt[frame].flat[0] = np.nan
    return spoilt


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            lambda c: {"ao_order": "psi4"},
            r"not orthonormal .*'psi4'.* in the order 'pyscf' they are",
        ),
        (lambda c: {"positions": c["positions"] * 1.02, "dipoles": None}, r"not orthonormal.*check orbital_basis"),
        (
            lambda c: {"dipoles": c["dipoles"] * E_ANGSTROM_IN_DEBYE},
            r"frame 0: the given dipole .* give it in e Å",
        ),
        (
            lambda c: {"energies": c["energies"] / HARTREE_IN_EV},
            r"frame 0: its energy -76\.\d+ eV .* both in eV",
        ),
        (lambda c: {"forces": nan_in(c["forces"], 3)}, r"forces is not finite in frame 3"),
        (lambda c: {"orbitals": nan_in(c["orbitals"], 2)}, r"orbitals is not finite in frame 2"),
        (
            lambda c: {"forces": c["forces"][:, :2]},
            r"forces must be numbers of shape \(4, 3, 3\), got float64 \(4, 2, 3\)",
        ),
        (
            lambda c: {"orbitals": c["orbitals"][..., :4]},
            r"expected 5 doubly occupied .* 10 electrons, got 4",
        ),
        (lambda c: {"charge": 1}, r"frame 0: 9 electrons \(charge 1\) cannot have multiplicity 1"),
        (lambda c: {"charge": 2}, r"expected 4 doubly occupied orbitals for 8 electrons, got 5"),
        (lambda c: {"orbital_basis": "def2-TZVP"}, r"orbitals have 24 functions, but 'def2-TZVP' has 43"),
        (lambda c: {"ao_order": "orca"}, r"ao_order must be one of \['densnet', 'molden', .*'\], got 'orca'"),
        (lambda c: {"ao_shells": [[0, 0], [1, 0]]}, r"ao_shells does not list the shells"),
        (lambda c: {"energy": 1.0}, r"unknown key 'energy'; did you mean 'energies'\?"),
        (lambda c: {"orbitals": None}, r"holds no density; give 'orbitals' or 'coefficients'"),
        (lambda c: {"functional": None}, r"the key 'functional' is missing"),
        (lambda c: {"atom_energy_H": None}, r"no free atom for H; add .*atom_energy_H, or give a file"),
        (lambda c: {"atom_density_matrix_O": np.eye(14)}, r"free atom O: its density matrix holds 14\.0+ electrons"),
        (lambda c: {"split": ["train"] * 3 + ["tset"]}, r"split must be one of \('train', 'validation', 'test'\)"),
        (lambda c: {"split": ["train"] * 4}, r"its frames have a split; leave n_train"),
    ],
)
def test_bad_data_is_one_clear_line(
    changes: Callable[[Content], Content], line: str, example: Content, tmp_path: Path
) -> None:
    with pytest.raises(DensnetError, match=line) as error:
        run(tmp_path, example, **changes(example))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "labels.nc").exists()


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 cut short")
    np.save(tmp_path / "b.npy", np.eye(3))
    np.savez(tmp_path / "c.npz", orbitals=np.array([{}], dtype=object))
    for name in ("a.npz", "c.npz", "missing.npz"):
        with pytest.raises(DensnetError, match=f"{name}: not a readable npz file"):
            read_data(tmp_path / name)
    with pytest.raises(DensnetError, match="expected an npz archive, got a single array"):
        read_data(tmp_path / "b.npy")


def write_xyz(path: Path, content: Content, **shift: float) -> Path:
    images = []
    for t in range(len(content["positions"])):
        atoms = Atoms(numbers=content["numbers"], positions=content["positions"][t] + shift.get("move", 0.0))
        results = {"energy": content["energies"][t], "forces": content["forces"][t], "dipole": content["dipoles"][t]}
        atoms.calc = SinglePointCalculator(atoms, **results)
        images.append(atoms)
    write(path, images, format="extxyz")
    return path


def test_extended_xyz_beside_densities(example: Content, tmp_path: Path) -> None:
    densities = example | dict.fromkeys(("energies", "forces", "dipoles", "numbers"))
    npz, xyz = save(tmp_path, densities), write_xyz(tmp_path / "frames.xyz", example)
    data = read_data(npz, xyz)
    np.testing.assert_array_equal(data.positions, example["positions"])
    np.testing.assert_allclose(data.forces, example["forces"], atol=1e-7)
    np.testing.assert_allclose(data.dipoles, example["dipoles"], atol=1e-7)
    npz = save(tmp_path, densities, positions=None)
    canonical_orbitals(read_data(npz, xyz))
    npz = save(tmp_path, densities)
    with pytest.raises(DensnetError, match=r"frame 0 lies 1\.0e-02 Å from that of"):
        read_data(npz, write_xyz(tmp_path / "moved.xyz", example, move=0.01))
    with pytest.raises(DensnetError, match=r"energies also in .*; keep one of them"):
        read_data(save(tmp_path, densities, energies=example["energies"]), xyz)
    bare = Atoms(numbers=example["numbers"], positions=example["positions"][0])
    write(tmp_path / "bare.xyz", bare, format="extxyz")
    with pytest.raises(DensnetError, match="frame 0 has no 'energy'"):
        read_data(npz, tmp_path / "bare.xyz")
    with pytest.raises(DensnetError, match="not a readable extended xyz file"):
        read_data(npz, tmp_path / "none.xyz")


def test_split_is_drawn_once_and_for_all(example: Content, tmp_path: Path) -> None:
    data = read_data(save(tmp_path, example))
    rows, names = deal(data, SplitSettings(n_train=1, n_validation=1, n_test=1, seed=3))
    assert names.tolist() == ["train", "validation", "test"]
    assert len(set(rows.tolist())) == 3
    again, _ = deal(data, SplitSettings(n_train=1, n_validation=1, n_test=1, seed=3))
    np.testing.assert_array_equal(rows, again)
    given = replace(data, split=np.array(["test", *["train"] * 3]))
    rows, names = deal(given, SplitSettings())
    assert (rows.tolist(), names[0]) == (list(range(4)), "test")
    with pytest.raises(DensnetError, match="4 frames do not suffice for n_train 5, n_validation 1 and n_test 1"):
        deal(data, SplitSettings(n_train=5))
    with pytest.raises(DensnetError, match="n_train: expected a whole number of at least 1, found 0"):
        SplitSettings(n_train=0)


@pytest.mark.psi4
@needs_psi4[1]
def test_free_atoms_of_psi4_are_those_of_pyscf(example: Content, tmp_path: Path) -> None:
    path = tmp_path / "atoms.nc"
    densnet_atoms(output=path, elements=["H", "O"], level=LevelOfTheory())
    data = read_data(save(tmp_path, example))
    own, psi4 = atoms_of(data, None), atoms_of(data, path)
    for number in (1, 8):
        # Grids and density fitting: 0.1 mHa of the energy, and as little of the density.
        assert own.energies[number] == pytest.approx(psi4.energies[number], abs=0.003)
        np.testing.assert_allclose(own.density_matrices[number], psi4.density_matrices[number], atol=3e-4)
    without = {key: value for key, value in example.items() if not key.startswith("atom_")}
    assert atoms_of(read_data(save(tmp_path, without)), path).energies == psi4.energies
    with pytest.raises(DensnetError, match=r"its functional is 'PBE', that of .* is 'PBE0'; run 'densnet atoms'"):
        atoms_of(replace(data, functional="PBE0"), path)
    with pytest.raises(DensnetError, match="elements: 'Xx' is no element's symbol"):
        densnet_atoms(output=path, elements=["Xx"])
    with pytest.raises(DensnetError, match="expected either --geometries or --elements"):
        densnet_atoms(output=path)
