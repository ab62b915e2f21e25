"""Folders of labels: what single precision costs, which frames are left out, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from density_examples import Molecule
from test_fitted_labels import LEVEL, SHELLS, Files, frames  # noqa: F401, a fixture

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import from_canonical
from densnet.cli.main import app
from densnet.density.error import DensityGrid
from densnet.errors import DensnetError
from densnet.fitting.fitted_labels import DIPOLE_TOLERANCE_DEBYE, fit_labels
from densnet.fitting.kohn_sham_labels import read_kohn_sham_labels
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.reference.packing import pack_labels, write_folder
from densnet.units import BOHR_IN_ANGSTROM, E_BOHR_IN_DEBYE

NUMBERS = np.array([8, 1, 1])
SPLIT = np.array(["train", "train", "train", "validation", "test", "test"])
WATER = np.array([[0.1, 0.2, 0.12], [0.1, 0.96, -0.47], [0.1, -0.56, -0.47]])


class Run:
    """Six frames of water with any orthonormal orbitals, a shard each: nothing here needs them to be converged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.geometries, self.atoms = folder / "geometries.nc", folder / "atoms.nc"
        self.basis = Basis.from_name("def2-SVP", NUMBERS)
        self.positions = WATER + 0.05 * np.random.default_rng(2).normal(size=(len(SPLIT), 3, 3))
        self.attributes = {
            "orbital_basis": self.basis.to_json(),
            "ao_convention": "psi4",
            "psi4_version": "1.9",
            "psi4_shells": json.dumps(SHELLS),
            "charge": 0,
            "multiplicity": 1,
            **LEVEL,
        }
        sampled = {
            "positions": variable(("frame", "atom", "x"), self.positions, "angstrom", "positions"),
            "numbers": variable(("atom",), NUMBERS, "1", "atomic numbers"),
            "split": variable(("frame",), SPLIT, "1", "split"),
            "temperature": variable(("frame",), np.full(len(SPLIT), 300.0), "K", "temperature"),
            "distance_to_train": variable(("frame",), np.full(len(SPLIT), 0.001), "angstrom", "distance"),
        }
        write_dataset(xr.Dataset(sampled), self.geometries, stage="sample", method_version=1, settings={"seed": 5})
        shells = {"1": [l for atom, l in SHELLS if atom == 1], "8": [l for atom, l in SHELLS if atom == 0]}
        free = {"energy": variable(("element",), np.array([-13.0, -2000.0]), "eV", "energy")}
        for symbol, size in (("H", 5), ("O", 14)):
            free[f"density_matrix_{symbol}"] = variable((f"a{symbol}", f"b{symbol}"), np.eye(size), "bohr^-3", "D")
        atoms = xr.Dataset(
            free, coords={"element": [1, 8]}, attrs=self.attributes | {"psi4_shells": json.dumps(shells)}
        )
        write_dataset(atoms, self.atoms, stage="atoms", method_version=1, settings={})
        self.shards = [self.write_shard(frame) for frame in range(len(SPLIT))]

    def write_shard(self, frame: int, status: str = "ok") -> Path:
        S = integrals.overlap(self.basis, NUMBERS, self.positions[frame] / BOHR_IN_ANGSTROM)
        random = np.random.default_rng(frame).normal(size=(len(S), 5))
        values, vectors = np.linalg.eigh(random.T @ S @ random)
        order, sign = from_canonical("psi4", SHELLS)
        orbitals = (random @ (vectors / np.sqrt(values)))[order] * sign[:, None]
        data = {
            "positions": variable(("frame", "atom", "x"), self.positions[[frame]], "angstrom", "positions"),
            "numbers": variable(("atom",), NUMBERS, "1", "atomic numbers"),
            "split": variable(("frame",), SPLIT[[frame]], "1", "split"),
            "energy": variable(("frame",), np.array([-2000.0 - np.pi * frame]), "eV", "energy"),
            "forces": variable(("frame", "atom", "x"), np.full((1, 3, 3), np.e), "eV/angstrom", "forces"),
            "dipole": variable(("frame", "x"), np.full((1, 3), 0.1), "e angstrom", "dipole"),
            "orbitals": variable(("frame", "ao", "occupied"), orbitals[None], "bohr^-3/2", "orbitals"),
            "status": variable(("frame",), np.array([status]), "1", "status"),
            "wall_time": variable(("frame",), np.ones(1), "s", "wall time"),
        }
        path = self.folder / f"{frame}.nc"
        dataset = xr.Dataset(data, coords={"frame": [frame]}, attrs=self.attributes)
        write_dataset(dataset, path, stage="label", method_version=1, settings={})
        return path

    def pack(self, *left_out: int, folder: str = "packed", double: bool = False) -> Path:
        shards = [path for frame, path in enumerate(self.shards) if frame not in left_out]
        packed = pack_labels(shards, self.geometries, self.atoms, double_precision=double)
        write_folder(self.folder / folder, *packed)
        return self.folder / folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_orbitals_of_a_folder_are_orthonormal_and_span_the_same_space(run: Run) -> None:
    folder = run.pack()
    assert read_dataset(folder / "orbitals.nc", stage="label")["orbitals"].dtype == np.float32
    ours = read_kohn_sham_labels([folder / "orbitals.nc"], folder / "geometries.nc")
    theirs = read_kohn_sham_labels(run.shards, run.geometries)
    for t, positions in enumerate(run.positions):
        C, C_given = ours.orbitals[t], theirs.orbitals[t]
        S = integrals.overlap(run.basis, NUMBERS, positions / BOHR_IN_ANGSTROM)
        np.testing.assert_allclose(C.T @ S @ C, np.eye(5), atol=1e-13)
        # single precision: 6e-8 of coefficients of order one
        np.testing.assert_allclose(C, C_given, atol=1e-6)
    for name in ("energy", "forces", "dipole", "positions"):
        np.testing.assert_array_equal(ours.dataset[name].values, theirs.dataset[name].values)
    assert (ours.level, ours.n_electrons) == (theirs.level, theirs.n_electrons)


def test_double_precision_changes_nothing(run: Run) -> None:
    folder = run.pack(double=True)
    ours = read_kohn_sham_labels([folder / "orbitals.nc"], folder / "geometries.nc")
    np.testing.assert_array_equal(ours.orbitals, read_kohn_sham_labels(run.shards, run.geometries).orbitals)


def test_single_precision_is_far_below_the_floor(tmp_path: Path, frames: list[Molecule]) -> None:  # noqa: F811
    """The fit's dipole, the orbitals' own, still agrees with the label's, and the densities with each other."""
    files = Files(tmp_path, frames)
    write_folder(tmp_path / "packed", *pack_labels(files.shards, files.geometries, files.atoms))
    settings = FitSettings(fit_basis="def2-SVP-JKFIT", max_failed_share=0.0, self_energy=False)
    names = [tmp_path / "packed" / name for name in ("orbitals.nc", "geometries.nc", "atoms.nc")]
    ours = fit_labels([names[0]], names[1], names[2], settings, processes=1)
    theirs = files.fit(self_energy=False)
    basis = Basis.from_json(ours.attrs["fit_basis"])
    for t in range(3):
        positions = ours["positions"].values[t] / BOHR_IN_ANGSTROM
        grid = DensityGrid.around(files.numbers, positions, 1)
        rho = grid.fitted(basis, np.stack([ours["coefficients"].values[t], theirs["coefficients"].values[t]]))
        assert grid.nmae(rho[0], rho[1], 10) < 1e-5  # percent; the floor is near 1
        dipole = [c @ integrals.dipoles(basis, files.numbers, positions) for c in (ours["coefficients"].values[t],)]
        label = files.numbers @ positions - ours["dipole"].values[t] / BOHR_IN_ANGSTROM
        assert np.abs(dipole[0] - label).max() * E_BOHR_IN_DEBYE < DIPOLE_TOLERANCE_DEBYE


def test_frames_without_a_label_are_left_out_and_the_others_numbered_anew(run: Run) -> None:
    run.shards[4] = run.write_shard(4, status="SCF did not converge")
    folder = run.pack(1)
    sampled = read_dataset(folder / "geometries.nc", stage="sample")
    assert sampled["sampled_frame"].values.tolist() == [0, 2, 3, 5]
    assert sampled["split"].values.tolist() == ["train", "train", "validation", "test"]
    np.testing.assert_array_equal(sampled["positions"].values, run.positions[[0, 2, 3, 5]])
    # a training frame is gone: the others' distances are measured again
    distance = sampled["distance_to_train"].values
    assert np.isnan(distance[:2]).all()
    assert (distance[2:] > 0.002).all()
    labels = read_kohn_sham_labels([folder / "orbitals.nc"], folder / "geometries.nc")
    np.testing.assert_array_equal(labels.dataset["energy"].values, -2000.0 - np.pi * np.array([0, 2, 3, 5]))
    # packed again, the numbers still count what was sampled first
    again = pack_labels([folder / "orbitals.nc"], folder / "geometries.nc", folder / "atoms.nc")
    assert again[0]["sampled_frame"].values.tolist() == [0, 2, 3, 5]
    assert json.loads(sampled.attrs["settings"])["seed"] == 5


def test_a_split_without_labels_is_refused(run: Run) -> None:
    with pytest.raises(DensnetError, match="no validation frame among them"):
        run.pack(3)


def test_as_many_frames_as_wanted_are_taken(run: Run) -> None:
    labels = read_kohn_sham_labels(run.shards, run.geometries, {"train": 2, "test": 1})
    assert labels.dataset["frame"].values.tolist() == [0, 1, 3, 4]
    assert len(labels.orbitals) == 4
    with pytest.raises(DensnetError, match="expected 4 train frames, found 3"):
        read_kohn_sham_labels(run.shards, run.geometries, {"train": 4})


def test_the_verb_says_what_is_kept(run: Run, capsys: pytest.CaptureFixture) -> None:
    words = ["--geometries", str(run.geometries), "--atoms", str(run.atoms), "--output", str(run.folder / "verb")]
    app(["pack", "--shards", *map(str, run.shards[1:]), *words], result_action="return_value")
    assert "2 of 3 train, 1 of 1 validation, 2 of 2 test frames" in capsys.readouterr().err
    assert sorted(path.name for path in (run.folder / "verb").iterdir()) == ["atoms.nc", "geometries.nc", "orbitals.nc"]
