"""Revised MD17: its frames in our units and its own split, its energies in the labels, errors on its test frames."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from ase.data import chemical_symbols
from pyscf import dft, gto
from rmd17_examples import KCAL_PER_MOL, N_JUDGED, N_LEARNED, NUMBERS, benchmark_content, write_benchmark

from densnet.cli import benchmark
from densnet.errors import DensnetError
from densnet.fitting.fitted_labels import fit_labels
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.models.checkpoint import load_model
from densnet.reference.given_orbitals import check_held, rows_of
from densnet.reference.rmd17 import TEMPERATURE, benchmark_folder, benchmark_geometries, orbitals_file, read_frames
from densnet.reference.settings import BenchmarkSettings
from densnet.report.benchmark_table import published, read_table
from densnet.units import BOHR_IN_ANGSTROM, EV_IN_MEV, HARTREE_IN_EV

ATOMS = Path(__file__).parents[2] / "data" / "ethanol" / "atoms.nc"
SIZES = {"n_train": 3, "n_validation": 2, "n_test": 2}
FIT = FitSettings(fit_basis="def2-SVP-JKFIT", self_energy=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_benchmark(tmp_path / "rmd17")


def write_geometries(folder: Path, output: Path) -> xr.Dataset:
    benchmark.geometries(data=folder, output=output, settings=BenchmarkSettings("ethanol", **SIZES))
    return read_dataset(output, stage="sample")


def test_units_are_ours_and_energies_total_ones(folder: Path) -> None:
    frames, content = read_frames(folder, "ethanol", "train"), benchmark_content(N_LEARNED, 1)
    np.testing.assert_allclose(frames.energies, content["energies"] / KCAL_PER_MOL * HARTREE_IN_EV, rtol=1e-9)
    np.testing.assert_allclose(frames.forces, content["forces"] / KCAL_PER_MOL * HARTREE_IN_EV, rtol=1e-9)
    # a kilocalorie per mole is 4.184 kJ/mol, and an electronvolt 96.485 of these
    assert frames.energies[0] / content["energies"][0] == pytest.approx(4.184 / 96.48533212, rel=1e-9)
    np.testing.assert_array_equal(frames.positions, content["coords"])
    assert frames.numbers.dtype == np.int64


def test_the_first_are_learned_from_and_the_last_choose(folder: Path, tmp_path: Path) -> None:
    sampled = write_geometries(folder, tmp_path / "geometries.nc")
    assert sampled["split"].values.tolist() == ["train"] * 3 + ["validation"] * 2 + ["test"] * 2
    assert sampled["source_frame"].values.tolist() == [0, 1, 2, N_LEARNED - 2, N_LEARNED - 1, 0, 1]
    learned, judged = benchmark_content(N_LEARNED, 1)["coords"], benchmark_content(N_JUDGED, 2)["coords"]
    np.testing.assert_array_equal(sampled["positions"].values, np.concatenate([learned[[0, 1, 2, -2, -1]], judged[:2]]))
    energies = np.concatenate([read_frames(folder, "ethanol", part).energies for part in ("train", "test")])
    np.testing.assert_array_equal(sampled["energy_given"].values, energies[[0, 1, 2, 10, 11, 12, 13]])
    distance = sampled["distance_to_train"].values
    assert np.isnan(distance[:3]).all() and (distance[3:] > 0).all()
    assert (sampled["temperature"].values == TEMPERATURE).all()
    assert (sampled.attrs["charge"], sampled.attrs["multiplicity"]) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_forces": None}, r"train_01\.npz: the key forces is missing; expected nuclear_charges.*andersx"),
        ({"test_energies": np.zeros(3)}, r"test_01\.npz: coords: expected finite numbers of shape \(3, 3, 3\)"),
        ({"train_energies": np.full(N_LEARNED, np.nan)}, r"energies: expected finite numbers.*fetch the file again"),
        ({"train_energies": np.float64(1.0)}, r"coords: expected finite numbers of shape \(1, 3, 3\)"),
        ({"test_nuclear_charges": np.array([1, 1, 8])}, r"test_01\.npz: its atoms are not those of .*train_01"),
    ],
)
def test_a_file_that_is_not_the_benchmarks_is_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DensnetError, match=said):
        benchmark_geometries(write_benchmark(tmp_path, **changes), BenchmarkSettings("ethanol", **SIZES))


def test_what_is_not_there_is_named_with_where_to_fetch_it(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match=r"molecule: found 'water'; expected one of aspirin, "):
        BenchmarkSettings("water")
    with pytest.raises(
        DensnetError, match=r"rmd17_uracil_train_01\.npz: no such file; fetch it from github\.com/andersx"
    ):
        read_frames(folder, "uracil", "train")
    with pytest.raises(DensnetError, match=r"DENSNET_DATA: not set; expected the folder .*andersx/rmd17-npz.*12672038"):
        benchmark_folder({})
    with pytest.raises(DensnetError, match=r"DENSNET_DATA: .*absent/rmd17 is no folder"):
        benchmark_folder({"DENSNET_DATA": str(tmp_path / "absent")})
    assert benchmark_folder({"DENSNET_DATA": str(tmp_path)}) == folder
    (folder / "rmd17_ethanol_test_01.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DensnetError, match=r"test_01\.npz: not a readable npz file"):
        read_frames(folder, "ethanol", "test")


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"n_train": 11}, r"n_train: expected with n_validation at most 12, .* got 11 \+ 2"),
        ({"n_test": 7}, r"n_test: expected at most 6, .* got 7"),
        ({"n_validation": 0}, r"n_validation: expected a whole number of at least 1, found 0"),
    ],
)
def test_more_frames_than_there_are(folder: Path, sizes: dict[str, int], said: str) -> None:
    with pytest.raises(DensnetError, match=said):
        benchmark_geometries(folder, BenchmarkSettings("ethanol", **(SIZES | sizes)))


def kohn_sham(positions: np.ndarray) -> dict[str, Any]:
    """Return a frame's energy, forces and occupied orbitals, PBE/def2-SVP by PySCF."""
    mole = gto.M(atom=list(zip("OHH", positions, strict=True)), basis="def2-SVP", verbose=0)
    field = dft.RKS(mole, xc="PBE").density_fit()
    field.grids.level = 1
    field.run()
    forces = -field.nuc_grad_method().kernel() * HARTREE_IN_EV / BOHR_IN_ANGSTROM
    return {"energy": field.e_tot * HARTREE_IN_EV, "forces": forces, "C": field.mo_coeff[:, field.mo_occ > 0]}


@pytest.fixture(scope="module")
def with_orbitals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmark with PySCF's energies (and a constant) and forces, and the orbitals of some frames beside it.

    The file of orbitals has its frames in another order.
    """
    folder = tmp_path_factory.mktemp("data") / "rmd17"
    content = {part: benchmark_content(n, seed) for part, n, seed in (("train", N_LEARNED, 1), ("test", N_JUDGED, 2))}
    of_frames = {"train": [0, 1, 2, N_LEARNED - 2, N_LEARNED - 1], "test": [0, 1]}
    per_ev = KCAL_PER_MOL / HARTREE_IN_EV
    positions, fields = [], []
    for part, rows in of_frames.items():
        for row in rows:
            positions.append(content[part]["coords"][row])
            fields.append(kohn_sham(positions[-1]))
            content[part]["energies"][row] = (fields[-1]["energy"] + 0.3) * per_ev
            content[part]["forces"][row] = fields[-1]["forces"] * per_ev
    changes = {f"{part}_{key}": content[part][key] for part in content for key in ("energies", "forces")}
    write_benchmark(folder, **changes)
    order = [6, 0, 3, 1, 5, 2, 4]
    np.savez(
        folder / "ethanol_01_orbitals.npz",
        numbers=NUMBERS,
        positions=np.array(positions)[order],
        energies=np.array([field["energy"] for field in fields])[order],
        forces=np.array([field["forces"] for field in fields])[order],
        functional="PBE",
        orbital_basis="def2-SVP",
        ao_order="pyscf",
        orbitals=np.array([field["C"] for field in fields])[order],
    )
    return folder


def label(folder: Path, output: Path) -> list[Path]:
    """Write geometries and the shard of given orbitals, and return both paths."""
    geometries, shard = output / "geometries.nc", output / "0.nc"
    write_geometries(folder, geometries)
    orbitals = orbitals_file(folder, "ethanol")
    assert orbitals is not None
    benchmark.labels(orbitals=orbitals, geometries=geometries, atoms=ATOMS, output=shard)
    return [geometries, shard]


def test_given_orbitals_are_fitted_and_given_energies_learned(
    with_orbitals: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    geometries, shard = label(with_orbitals, tmp_path)
    labels = fit_labels([shard], geometries, ATOMS, FIT, processes=1)
    sampled = read_dataset(geometries, stage="sample")
    assert labels["split"].values.tolist() == sampled["split"].values.tolist()
    for ours, given in (("energy", "energy_given"), ("forces", "forces_given"), ("positions", "positions")):
        np.testing.assert_array_equal(labels[ours].values, sampled[given].values)
    assert (labels["floor_nmae"].values < 1.5).all()
    assert "revised MD17" in labels.attrs["energies_and_forces_given_by"]
    assert labels.attrs["given_energy_offset_ev"] == pytest.approx(0.3, abs=1e-6)
    assert labels.attrs["given_force_difference_ev_per_angstrom"] < 1e-6
    # free atoms stay those of the file
    energies = read_dataset(ATOMS, stage="atoms")["energy"]
    for z in (1, 8):
        assert float(labels["atomic_energy"].sel(element=z)) == float(energies.sel(element=z)), chemical_symbols[z]
    assert "energies and forces: revised MD17" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("forces_given", lambda v: v * (KCAL_PER_MOL / HARTREE_IN_EV)),
        ("forces_given", lambda v: v[:, [1, 0, 2]]),
        ("energy_given", lambda v: v[::-1]),
    ],
)
def test_given_values_that_contradict_the_labels_are_refused(
    with_orbitals: Path, tmp_path: Path, name: str, change: Any
) -> None:
    geometries, shard = label(with_orbitals, tmp_path)
    sampled = read_dataset(geometries, stage="sample")
    sampled = sampled.assign({name: sampled[name].copy(data=change(sampled[name].values))})
    write_dataset(sampled, geometries, stage="sample", method_version=1, settings={})
    with pytest.raises(DensnetError, match=r"geometries\.nc: its energies and forces .* differ .* check their units"):
        fit_labels([shard], geometries, ATOMS, FIT, processes=1)
    write_dataset(sampled.drop_vars(name), geometries, stage="sample", method_version=1, settings={})
    with pytest.raises(DensnetError, match=rf"{name} is missing or not finite"):
        fit_labels([shard], geometries, ATOMS, FIT, processes=1)


def test_frames_without_orbitals_are_counted(with_orbitals: Path) -> None:
    path = orbitals_file(with_orbitals, "ethanol")
    assert path is not None
    held = read_frames(with_orbitals, "ethanol", "train").positions
    check_held(path, held[:3])
    with pytest.raises(DensnetError, match=r"holds no orbitals of 1 of the 4 geometries, the first is frame 3"):
        check_held(path, held[:4])
    with pytest.raises(DensnetError, match=r"positions: expected the shape \(any, 2, 3\)"):
        check_held(path, held[:, :2])
    assert rows_of(held[[4, 2]], held, path).tolist() == [4, 2]


def test_errors_are_those_of_all_test_frames(
    folder: Path, water_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    frames, path = read_frames(folder, "ethanol", "test"), water_run / "model.pt"
    found = {}
    for removed in (False, True):
        output = tmp_path / f"{removed}.json"
        benchmark.errors(model=path, data=folder, molecule="ethanol", output=output, remove_offset=removed)
        found[removed] = json.loads(output.read_text())
    model = load_model(path)
    predicted = model(model.elements_of(frames.numbers), torch.as_tensor(frames.positions))
    in_energy = EV_IN_MEV * (predicted.energy.numpy() - frames.energies)
    in_forces = EV_IN_MEV * np.abs(predicted.forces.double().numpy() - frames.forces)
    assert found[False]["n_test"] == N_JUDGED
    assert found[False]["energy_mae_mev"] == pytest.approx(np.abs(in_energy).mean(), rel=1e-6)
    assert found[True]["energy_mae_mev"] == pytest.approx(np.abs(in_energy - in_energy.mean()).mean(), rel=1e-4)
    for one in found.values():
        assert one["energy_offset_mev"] == pytest.approx(in_energy.mean(), rel=1e-6)
        assert one["force_mae_mev_per_angstrom"] == pytest.approx(in_forces.mean(), rel=1e-4)
        assert one["force_worst_frame"] == in_forces.mean(axis=(1, 2)).argmax()
    assert "not taken off" in capsys.readouterr().err
    table = tmp_path / "rmd17.csv"
    benchmark.table(system=["mine"], errors=[tmp_path / "False.json"], output=table)
    rows = list(csv.DictReader(table.open()))
    assert [row["model"] for row in rows] == ["densnet, mine", *(one.model for one in published("ethanol"))]
    assert float(rows[0]["force_mae_mev_per_angstrom"]) == pytest.approx(in_forces.mean(), rel=1e-3)
    assert all(row["source"] for row in rows[1:]) and not rows[0]["source"]
    heads, cells = read_table(table)
    assert len(heads) == len(cells[0]) and cells[0][-1] == "–"


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(DensnetError, match="expected an output of 'densnet benchmark errors'"):
        benchmark.table(system=["a"], errors=[tmp_path / "other.json"], output=tmp_path / "t.csv")
    with pytest.raises(DensnetError, match=r"as many --errors as --system \(2\), got 1"):
        benchmark.table(system=["a", "b"], errors=[tmp_path / "other.json"], output=tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DensnetError, match="expected the columns of 'densnet benchmark table'"):
        read_table(tmp_path / "t.csv")


def test_published_numbers_have_a_source() -> None:
    rows = published("ethanol") + published("malonaldehyde")
    assert {"MACE", "Allegro", "NequIP"} <= {row.model for row in rows}
    assert all(row.source.startswith(("arXiv:", "github.com/")) and row.force_mae_mev_per_angstrom for row in rows)
    assert published("uracil") == []
