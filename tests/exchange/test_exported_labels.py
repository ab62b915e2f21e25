"""Labels written for other programs come back as they were, to the last digit that a format holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import ase.io
import numpy as np
import pytest
import xarray as xr
from ase.units import Bohr, Hartree

from densnet.cli.export import labels as export
from densnet.errors import DensnetError
from densnet.exchange.extended_xyz import mace_command
from densnet.exchange.labelled_molecule import LabelledMolecule, labelled_molecule
from densnet.io.netcdf import write_dataset
from densnet.peers.mace_program import find_mace

ROOT = Path(__file__).parents[2]
FOLDERS = ("ethanol", "polythiophene/2")
EIGHT_DECIMALS = 0.5001e-8
"""Half the last digit of ASE's columns."""


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    return ROOT / "data" / request.param


@pytest.fixture(scope="module")
def molecule(folder: Path) -> LabelledMolecule:
    return labelled_molecule(folder).of_splits(["validation"])


def changed(path: Path, fault: Callable[[xr.Dataset], xr.Dataset], tmp_path: Path) -> Path:
    data = xr.load_dataset(path)
    faulty = tmp_path / "faulty.nc"
    write_dataset(fault(data), faulty, stage=data.attrs["densnet_stage"], method_version=1, settings={})
    return faulty


def test_a_folder_holds_what_its_files_say(folder: Path, molecule: LabelledMolecule) -> None:
    data = xr.load_dataset(folder / "orbitals.nc")
    rows = np.flatnonzero(data["split"].values == "validation")
    assert len(rows) > 0 and set(molecule.split) == {"validation"}
    np.testing.assert_array_equal(molecule.frame, data["frame"].values[rows])
    for name in ("positions", "energy", "forces", "dipole"):
        np.testing.assert_array_equal(getattr(molecule, name), data[name].values[rows])
    assert molecule.level == {9: "PBE/def2-SVP", 16: "PBE-D4/def2-SVP"}[len(molecule.numbers)]
    assert molecule.program == "Psi4 1.3.2" and molecule.charge == 0 and molecule.multiplicity == 1
    assert set(molecule.atomic_energies) == set(molecule.numbers.tolist())


def test_extended_xyz_by_ase(folder: Path, molecule: LabelledMolecule, tmp_path: Path) -> None:
    export(labels=folder, output=tmp_path / "frames.xyz", split=("validation",))
    frames = ase.io.read(tmp_path / "frames.xyz", ":")
    assert len(frames) == len(molecule.energy)
    for t, atoms in enumerate(frames):
        np.testing.assert_array_equal(atoms.numbers, molecule.numbers)
        np.testing.assert_allclose(atoms.positions, molecule.positions[t], rtol=0, atol=EIGHT_DECIMALS)
        np.testing.assert_allclose(atoms.arrays["REF_forces"], molecule.forces[t], rtol=0, atol=EIGHT_DECIMALS)
        assert atoms.info["REF_energy"] == molecule.energy[t]
        np.testing.assert_array_equal(atoms.info["REF_dipole"], molecule.dipole[t])
        said = {name: atoms.info[name] for name in ("split", "frame", "charge", "multiplicity", "level", "program")}
        assert said == {
            "split": "validation",
            "frame": molecule.frame[t],
            "charge": 0,
            "multiplicity": 1,
            "level": molecule.level,
            "program": "Psi4 1.3.2",
        }
        assert atoms.info["source"] == f"{folder.parent.name}/{folder.name}" and not atoms.pbc.any()


@pytest.mark.slow
def test_mace_by_its_own_loader_or_its_keys(folder: Path, molecule: LabelledMolecule, tmp_path: Path) -> None:
    """With MACE at hand its command line and loader read the file; without it, ASE does by the same keys."""
    export(labels=folder, output=tmp_path / "mace", format="mace")
    assert sorted(path.name for path in (tmp_path / "mace").iterdir()) == ["test.xyz", "train.xyz", "validation.xyz"]
    train = labelled_molecule(folder).of_splits(["train"])
    options = mace_command([tmp_path / "mace" / "train.xyz"]).split()[1:]
    try:
        interpreter = find_mace(os.environ)
    except DensnetError:
        atoms = ase.io.read(tmp_path / "mace" / "train.xyz", ":")
        free, frames = atoms[: len(train.atomic_energies)], atoms[len(train.atomic_energies) :]
        assert [atom.info["config_type"] for atom in free] == ["IsolatedAtom"] * len(free)
        assert {int(atom.numbers[0]): atom.info["REF_energy"] for atom in free} == train.atomic_energies
        assert {"--energy_key=REF_energy", "--forces_key=REF_forces", "--E0s=IsolatedAtom"} <= set(options)
        energies = np.array([atoms.info["REF_energy"] for atoms in frames])
        forces = np.array([atoms.arrays["REF_forces"] for atoms in frames])
        assert all(atoms.info["total_charge"] == 0 and atoms.info["total_spin"] == 1 for atoms in frames)
    else:
        command = [interpreter, Path(__file__).with_name("mace_loader.py"), *options]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=clean).stdout
        read = json.loads(told[told.index('{"atomic_energies"') :])
        assert {int(z): energy for z, energy in read["atomic_energies"].items()} == train.atomic_energies
        energies = np.array([frame["energy"] for frame in read["frames"]])
        forces = np.array([frame["forces"] for frame in read["frames"]])
        np.testing.assert_array_equal([frame["dipole"] for frame in read["frames"]], train.dipole)
        assert all(frame["total_charge"] == 0 and frame["total_spin"] == 1 for frame in read["frames"])
        assert all(frame["weight"] == 1 and frame["forces_weight"] == 1 for frame in read["frames"])
    np.testing.assert_array_equal(energies, train.energy)
    np.testing.assert_allclose(forces, train.forces, rtol=0, atol=EIGHT_DECIMALS)


@pytest.mark.skipif(find_spec("qcelemental") is None, reason="QCElemental is not installed")
def test_qcschema_by_qcelemental(folder: Path, molecule: LabelledMolecule, tmp_path: Path) -> None:
    from qcelemental.models import AtomicResult

    export(labels=folder, output=tmp_path / "frames.jsonl", format="qcschema", split=("validation",))
    lines = (tmp_path / "frames.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == len(molecule.energy)
    for t, line in enumerate(lines):
        result = AtomicResult.parse_raw(line)
        assert result.success and result.driver == "gradient" and result.model.basis == "def2-SVP"
        assert result.model.method == molecule.level.partition("/")[0]
        assert (result.provenance.creator, result.provenance.version) == ("Psi4", "1.3.2")
        np.testing.assert_array_equal(result.molecule.atomic_numbers, molecule.numbers)
        # positions have eight decimals of a bohr; ASE's and CODATA's hartree and bohr differ in the ninth digit
        np.testing.assert_allclose(result.molecule.geometry * Bohr, molecule.positions[t], rtol=1e-8, atol=0.6e-8)
        assert result.properties.return_energy * Hartree == pytest.approx(molecule.energy[t], rel=1e-8)
        forces = -np.asarray(result.return_result) * Hartree / Bohr
        np.testing.assert_allclose(forces, molecule.forces[t], rtol=1e-8, atol=1e-12)
        dipole = np.asarray(result.properties.scf_dipole_moment) * Bohr
        np.testing.assert_allclose(dipole, molecule.dipole[t], rtol=1e-8)
        assert result.extras["split"] == "validation" and result.extras["frame"] == molecule.frame[t]


def test_amlp_by_the_keys_of_its_converter(folder: Path, molecule: LabelledMolecule, tmp_path: Path) -> None:
    export(labels=folder, output=tmp_path / "frames.json", format="amlp", split=("validation",))
    frames = json.loads((tmp_path / "frames.json").read_text("utf-8"))
    assert isinstance(frames, list) and len(frames) == len(molecule.energy)
    for t, frame in enumerate(frames):
        assert frame["atom_types"] == molecule.symbols and frame["energy"] == molecule.energy[t]
        for name, values in (("coordinates", molecule.positions[t]), ("forces", molecule.forces[t])):
            assert [atom["element"] for atom in frame[name]] == molecule.symbols
            np.testing.assert_array_equal([[atom[x] for x in "xyz"] for atom in frame[name]], values)
        # with them it would be a crystal
        assert not {"cell", "cell_lengths", "cell_angles"} & set(frame)


def test_the_output_of_fit_says_the_same(water_labels: Path, tmp_path: Path) -> None:
    level = {"functional": "HF", "basis": "STO-3G", "dispersion": "none", "program": "PySCF"}
    path = changed(water_labels, lambda data: data.assign_attrs(level), tmp_path)
    molecule, data = labelled_molecule(path), xr.load_dataset(path)
    assert (molecule.level, molecule.program) == ("HF/STO-3G", "PySCF")
    np.testing.assert_array_equal(molecule.forces, data["forces"])
    assert molecule.atomic_energies == dict(
        zip(data["element"].values.tolist(), data["atomic_energy"].values.tolist(), strict=True)
    )


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    """A failed frame, and a dipole that is not there."""

    def fault(data: xr.Dataset) -> xr.Dataset:
        data = data.isel(frame=slice(0, 3))
        data["status"][1] = "no"
        data["dipole"][2] = np.nan
        return data

    path = changed(ROOT / "data" / "ethanol" / "orbitals.nc", fault, tmp_path)
    export(labels=path, output=tmp_path / "frames.xyz")
    first, second = ase.io.read(tmp_path / "frames.xyz", ":")
    assert (first.info["frame"], second.info["frame"]) == (0, 2)
    assert "REF_dipole" in first.info and "REF_dipole" not in second.info
    with pytest.raises(DensnetError, match="energies of all free atoms, found none of C, H, O"):
        export(labels=path, output=tmp_path / "mace", format="mace")
    assert not (tmp_path / "mace").exists()


def test_bad_input_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    orbitals = ROOT / "data" / "ethanol" / "orbitals.nc"
    output = tmp_path / "frames.xyz"
    output.write_text("before")

    def refused(path: Path, message: str, **more: object) -> None:
        with pytest.raises(DensnetError, match=message) as refusal:
            export(labels=path, output=output, **more)  # type: ignore[arg-type]
        assert "\n" not in str(refusal.value) and output.read_text() == "before"

    refused(changed(orbitals, lambda data: data.drop_vars("forces"), tmp_path), "expected forces")
    refused(
        changed(orbitals, lambda data: data.assign(forces=data["forces"].where(data["frame"] != 5)), tmp_path),
        r"forces is not finite in frame\(s\) \[5\]",
    )
    without = changed(orbitals, lambda data: data.isel(frame=data["split"].values == "test"), tmp_path)
    refused(without, r"has frames \(260 test\), found train", split=("train",))
    refused(ROOT / "data" / "polythiophene", r"name one of the folders in it \(1, 10, 12, 2, 3, 4, 5, 6, 8\)")
    refused(ROOT / "models", "name one that 'densnet pack' made")
    refused(ROOT / "data" / "ethanol" / "geometries.nc", "expected the output of 'densnet fit'")
    refused(tmp_path / "nothing", "no such file")


def test_what_cannot_be_written_and_a_format_that_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, no folder")
    with pytest.raises(DensnetError, match="cannot be written"):
        export(labels=ROOT / "data" / "ethanol", output=tmp_path / "file" / "frames.xyz", split=("validation",))
    command = [sys.executable, "-m", "densnet.cli.main", "export", "labels", "--labels", "x", "--output", "y"]
    told = subprocess.run([*command, "--format", "hdf4"], capture_output=True, text=True, check=False)
    assert told.returncode == 2 and told.stderr.count("\n") == 1
    assert "extxyz" in told.stderr and "hdf4" in told.stderr


def test_qcelemental_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("densnet.exchange.qcschema.find_spec", lambda name: None)
    with pytest.raises(DensnetError, match=r"qcelemental is not installed; run .*\[exchange\]"):
        export(labels=ROOT / "data" / "ethanol", output=tmp_path / "x", format="qcschema", split=("validation",))
