"""The stage fit, on files as the stages before it write them, with orbitals from PySCF turned into Psi4's order."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from density_examples import Molecule, converge, spherical_atom
from threadpoolctl import threadpool_limits

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import from_canonical
from densnet.cli.main import app
from densnet.density.density import Density
from densnet.errors import DensnetError
from densnet.fitting import fitted_labels
from densnet.fitting.basis_comparison import MEASURES
from densnet.fitting.fitted_labels import fit_labels, fit_parts
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.units import BOHR_IN_ANGSTROM

SPLITS = np.array(["train", "validation", "test"])
LEVEL = {
    "functional": "HF",
    "basis": "def2-SVP",
    "dispersion": "none",
    "energy_convergence": 1e-9,
    "density_convergence": 1e-6,
}
SHELLS = [(0, 1), (0, 0), (0, 2), (0, 0), (0, 1), (0, 0), (1, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 0)]
"""An order of def2-SVP's shells that is not sorted by l, as Psi4's may be."""


@pytest.fixture(scope="module")
def frames() -> list[Molecule]:
    rng = np.random.default_rng(9)
    positions = np.array([[0.0, 0.0, 0.0], [1.65, 0.3, 0.6], [-0.8, 1.5, -0.6]]) + np.array([1.0, -1.0, 2.0])
    return [converge([8, 1, 1], positions + 0.05 * rng.normal(size=(3, 3)), functional=None) for _ in SPLITS]


class Files:
    """geometries.nc, atoms.nc and one shard a frame in a folder; frames are changed before they are written."""

    def __init__(self, folder: Path, frames: list[Molecule]) -> None:
        self.folder, self.frames = folder, frames
        self.geometries, self.atoms = folder / "geometries.nc", folder / "atoms.nc"
        self.numbers = frames[0].numbers
        basis = frames[0].orbital_basis
        self.attributes = {
            "orbital_basis": basis.to_json(),
            "ao_convention": "psi4",
            "psi4_version": "1.9",
            "psi4_shells": json.dumps(SHELLS),
            "charge": 0,
            "multiplicity": 1,
            **LEVEL,
        }
        self.write_geometries()
        self.write_atoms()
        self.shards = [self.write_shard(index) for index in range(len(frames))]

    def write_geometries(self) -> None:
        n = len(self.frames)
        data = {
            "positions": variable(
                ("frame", "atom", "x"), np.array([f.positions for f in self.frames]) * BOHR_IN_ANGSTROM, "angstrom", "r"
            ),
            "numbers": variable(("atom",), self.numbers, "1", "atomic numbers"),
            "split": variable(("frame",), SPLITS, "1", "split"),
            "temperature": variable(("frame",), np.full(n, 300.0), "K", "temperature"),
            "distance_to_train": variable(("frame",), np.array([np.nan, 0.1, 0.2]), "angstrom", "distance"),
        }
        write_dataset(
            xr.Dataset(data, coords={"frame": np.arange(n)}),
            self.geometries,
            stage="sample",
            method_version=1,
            settings={},
        )

    def write_atoms(self, **attributes: str) -> None:
        basis = self.frames[0].orbital_basis
        data, shells = {}, {}
        for number, symbol in ((1, "H"), (8, "O")):
            ls = [l for atom, l in SHELLS if atom == {8: 0, 1: 1}[number]]
            index, sign = from_canonical("psi4", [(0, l) for l in ls])
            D = spherical_atom(number, basis)[np.ix_(index, index)] * np.outer(sign, sign)
            data[f"density_matrix_{symbol}"] = variable((f"ao_{symbol}", f"ao_{symbol}_"), D, "bohr^-3", "D")
            shells[str(number)] = ls
        data["energy"] = variable(("element",), np.array([-13.0, -2000.0]), "eV", "energy")
        dataset = xr.Dataset(data, coords={"element": [1, 8]})
        dataset.attrs = {**self.attributes, "psi4_shells": json.dumps(shells), **attributes}
        write_dataset(dataset, self.atoms, stage="atoms", method_version=1, settings={})

    def write_shard(self, index: int, *, status: str = "ok", name: str | None = None, **changes: object) -> Path:
        frame = self.frames[index]
        order, sign = from_canonical("psi4", SHELLS)
        bad = 1.0 if status == "ok" else np.nan
        values = {
            "positions": frame.positions[None] * BOHR_IN_ANGSTROM,
            "split": SPLITS[[index]],
            "energy": np.array([-76.0 * bad]),
            "forces": np.full((1, 3, 3), 0.1 * bad),
            "dipole": frame.dipole[None] * BOHR_IN_ANGSTROM * bad,
            "orbitals": (frame.orbitals[order] * sign[:, None])[None] * bad,
            "status": np.array([status]),
            "wall_time": np.array([1.5]),
        } | {key: value for key, value in changes.items() if key not in self.attributes}
        dims = {"positions": ("atom", "x"), "forces": ("atom", "x"), "dipole": ("x",), "orbitals": ("ao", "occupied")}
        data = {key: variable(("frame", *dims.get(key, ())), value, "1", key) for key, value in values.items()}
        data["numbers"] = variable(("atom",), self.numbers, "1", "atomic numbers")
        dataset = xr.Dataset(data, coords={"frame": [index]})
        dataset.attrs = self.attributes | {key: value for key, value in changes.items() if key in self.attributes}
        path = self.folder / (name or f"shard{index}.nc")
        write_dataset(dataset, path, stage="label", method_version=1, settings={})
        return path

    def fit(self, *, processes: int = 1, **settings: object) -> xr.Dataset:
        chosen = FitSettings(**{"fit_basis": "def2-SVP-JKFIT"} | settings)
        return fit_labels(self.shards, self.geometries, self.atoms, chosen, processes=processes)


@pytest.fixture
def files(tmp_path: Path, frames: list[Molecule]) -> Files:
    return Files(tmp_path, frames)


def test_labels_hold_what_later_stages_need(files: Files, frames: list[Molecule], capfd: pytest.CaptureFixture) -> None:
    files.shards.reverse()
    labels = files.fit(processes=2)
    assert "fit: 3/3" in capfd.readouterr().err
    assert labels["frame"].values.tolist() == [0, 1, 2]
    assert labels["split"].values.tolist() == SPLITS.tolist()
    assert labels.attrs["coefficient_convention"] == "densnet"
    assert labels["element"].values.tolist() == [1, 8]
    assert labels["atomic_energy"].values.tolist() == [-13.0, -2000.0]
    basis = Basis.from_json(labels.attrs["fit_basis"])
    assert basis == Basis.from_name("def2-SVP-JKFIT", [1, 8])
    assert Basis.from_json(labels.attrs["orbital_basis"]) == frames[0].orbital_basis
    prior = Density(basis, files.numbers, labels["positions"].values[0], labels["prior"].values)
    assert prior.n_electrons == pytest.approx(10.0, abs=1e-9)
    for t, frame in enumerate(frames):
        np.testing.assert_allclose(labels["orbitals"].values[t], frame.orbitals, atol=1e-12)
        density = Density(basis, files.numbers, labels["positions"].values[t], labels["coefficients"].values[t])
        assert density.n_electrons == pytest.approx(10.0, abs=1e-9)
        np.testing.assert_allclose(density.dipole(), labels["dipole"].values[t], atol=1e-8)
    assert (labels["floor_nmae"] < 1.5).all() and (labels["floor_nmae"] > 0.3).all()
    assert (labels["prior_nmae"] > 5).all() and (labels["prior_nmae"] < 30).all()
    assert (labels["floor_self_energy"] > 0).all() and (labels["floor_self_energy"] < 1).all()
    assert (labels["floor_dipole_error"] > 1e-4).all() and (labels["floor_dipole_error"] < 0.1).all()


def test_number_of_processes_changes_nothing(files: Files) -> None:
    natural = {"fit_basis": "natural", "natural_share": 0.99}
    xr.testing.assert_identical(files.fit(processes=1, **natural), files.fit(processes=3, **natural))


def test_number_of_cores_changes_nothing(files: Files) -> None:
    fits = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            fits.append(files.fit(fit_basis="natural", natural_share=0.9997))
    xr.testing.assert_identical(*fits)


def test_a_natural_basis_is_made_from_the_training_frames(files: Files, capfd: pytest.CaptureFixture) -> None:
    natural = files.fit(fit_basis="natural", natural_share=0.999)
    said_of_it = capfd.readouterr().err
    basis = Basis.from_json(natural.attrs["fit_basis"])
    assert f"{basis.n_functions(files.numbers)} functions" in said_of_it
    usual = files.fit()
    # fewer functions, made from the first frame alone, hold the other two better than the library's
    assert natural.sizes["k"] < usual.sizes["k"]
    assert (natural["floor_nmae"] < 0.75 * usual["floor_nmae"]).all()
    files.shards[0] = files.write_shard(0, status="psi4: gave up")
    assert "natural needs training frames" in said(files, fit_basis="natural", max_failed_share=0.5)


def test_programs_are_not_mixed(files: Files) -> None:
    """Shards and atoms of earlier versions do not name their program: it was Psi4."""
    whole = files.fit()
    assert "program" not in whole.attrs
    files.attributes |= {"program": "PySCF 2.14.0", "psi4_version": "not used: labels by PySCF 2.14.0"}
    files.write_shard(1)
    with pytest.raises(DensnetError, match=r"shard1.nc: labelled by PySCF 2.14.0, .*shard0.nc by Psi4 1.9; make "):
        files.fit()
    for index in (0, 2):
        files.write_shard(index)
    files.write_atoms(program="Psi4 1.9")
    with pytest.raises(DensnetError, match=r"free atoms by Psi4 1.9 beside labels by PySCF 2.14.0; make all of a run"):
        files.fit()
    files.write_atoms()
    again = files.fit()
    assert again.attrs["program"] == "PySCF 2.14.0"
    np.testing.assert_array_equal(again["coefficients"], whole["coefficients"])


def test_a_fit_that_was_cut_short_goes_on(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    settings = FitSettings(fit_basis="natural", natural_share=0.99)
    inputs = (files.shards, files.geometries, files.atoms, settings)
    whole = fit_labels(*inputs, processes=1)
    fit_frame, calls = fitted_labels.fit_frame, []

    def killed(*given: object, **named: object) -> fitted_labels.FittedFrame:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit_frame(*given, **named)

    monkeypatch.setattr(fitted_labels, "fit_frame", killed)
    output = tmp_path / "labels.nc"
    with pytest.raises(KeyboardInterrupt):
        fit_labels(*inputs, processes=1, parts=fit_parts(*inputs, {}, output))
    monkeypatch.setattr(fitted_labels, "natural_fit_bases", None)  # the basis was made before, too
    resumed = fit_labels(*inputs, processes=1, parts=fit_parts(*inputs, {}, output))
    assert "2 of 3 frames were done before" in capfd.readouterr().err
    assert len(calls) == 4
    xr.testing.assert_identical(whole, resumed)
    other = fit_parts(*inputs[:3], FitSettings(fit_basis="natural", natural_share=0.98), {}, output)
    assert other.read("basis") is None, "parts of another fit are not used"


def test_bases_side_by_side(files: Files, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    labels, made, table = (tmp_path / name for name in ("labels.nc", "made.json", "table.nc"))
    write_dataset(files.fit(), labels, stage="fit", method_version=1, settings={})
    given = ["--labels", str(labels), "--atoms", str(files.atoms)]
    app(["basis", "natural", *given, "--share", "0.99", "--output", str(made)], result_action="return_value")
    names = ["def2-SVP-JKFIT", "cc-pVTZ-JKFIT", str(made)]
    words = ["basis", *given, "--fit-basis", *names, "--natural-share", "0.99", "--frames", "1", "--output", str(table)]
    app(words, result_action="return_value")
    printed = capfd.readouterr().out
    assert all(name in printed for name in [*names, "natural 0.99"])
    found = read_dataset(table, stage="basis", variables=tuple(MEASURES))
    assert found.attrs["molecule"] == "H2O"
    assert found["n_functions"].values[:2].tolist() == [113, 139]
    by_file, by_share = found.isel(basis=2), found.isel(basis=3)
    for measure in set(MEASURES) - {"wall_time"}:
        np.testing.assert_allclose(by_file[measure], by_share[measure], rtol=1e-6)
    # what the stage fit says of the same frame, without a ridge's share
    again = files.fit(fit_basis="cc-pVTZ-JKFIT")
    np.testing.assert_allclose(found["floor_nmae"][1], again["floor_nmae"][2:], rtol=1e-9)
    np.testing.assert_allclose(found["self_energy"][1], again["floor_self_energy"][2:], rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["basis"], "expected one of --labels, --smiles and --xyz"),
        (["basis", "--smiles", "O", "--xyz", "a.xyz"], "expected one of"),
        (["basis", "--labels", "a.nc"], "give --atoms"),
        (["basis", "--labels", "a.nc", "--atoms", "b.nc"], "a.nc: no such file"),
        (["basis", "--smiles", "O", "--frames", "0"], "frames: expected at least 1"),
        (["basis", "natural", "--labels", "a", "--atoms", "b", "--output", "c.txt"], "ends in .json"),
    ],
)
def test_impossible_comparisons(words: list[str], says: str) -> None:
    with pytest.raises(DensnetError, match=says):
        app(words, result_action="return_value")


def test_failed_frames_are_left_out_with_a_warning(files: Files, capfd: pytest.CaptureFixture) -> None:
    files.write_shard(1, status="Psi4: Could not converge SCF iterations in 100 iterations.")
    labels = files.fit(max_failed_share=0.4, self_energy=False)
    assert np.isnan(labels["floor_self_energy"]).all() and np.isfinite(labels["floor_nmae"]).all()
    assert labels["frame"].values.tolist() == [0, 2]
    assert labels["split"].values.tolist() == ["train", "test"]
    np.testing.assert_allclose(labels["orbitals"].values[1], files.frames[2].orbitals, atol=1e-12)
    assert json.loads(labels.attrs["failed_frames"]) == {
        "1": "Psi4: Could not converge SCF iterations in 100 iterations."
    }
    assert "1 of 3 frames failed" in capfd.readouterr().err
    with pytest.raises(DensnetError, match=r"1 of 3 frames failed, the first is frame 1 \(Psi4: Could not") as error:
        files.fit(max_failed_share=0.3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ao_convention": "pyscf"}, "not orthonormal"),
        ({"dipole": np.array([[0.1, 0.2, 0.3]])}, "dipole by"),
        ({"energy": np.array([-1.0]), "orbitals": np.full((1, 24, 5), np.nan)}, "NaN"),
    ],
)
def test_labels_that_contradict_themselves_fail(files: Files, changes: dict, reason: str) -> None:
    """Wrong order of functions, a dipole of another geometry, NaN in a frame that says ok."""
    files.shards = [files.write_shard(index, **changes) for index in range(3)]
    with pytest.raises(DensnetError, match=f"3 of 3 frames failed, the first is frame 0 .fit: .*{reason}"):
        files.fit(max_failed_share=0.9)


def said(files: Files, **settings: object) -> str:
    with pytest.raises(DensnetError) as error:
        files.fit(**settings)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_truncated_shard_is_named(files: Files) -> None:
    content = files.shards[1].read_bytes()
    files.shards[1].write_bytes(content[: len(content) // 2])
    assert "shard1.nc: not a readable netCDF file" in said(files)


def test_shards_must_hold_every_frame_once(files: Files) -> None:
    whole = files.shards
    files.shards = whole[:2]
    assert "1 of the 3 frames of" in said(files) and "the first is 2" in said(files)
    files.shards = [*whole, whole[0]]
    assert "frame 0 comes more than once" in said(files)
    files.shards = []
    assert "at least one file" in said(files)


def test_shards_must_belong_together(files: Files) -> None:
    files.write_shard(2, functional="PBE")
    assert "shard2.nc: functional differs" in said(files)
    files.write_shard(2, positions=files.frames[2].positions[None] + 0.1)
    assert "their geometries are not those of" in said(files)


def test_only_closed_all_electron_shells_are_fitted(files: Files) -> None:
    files.shards = [files.write_shard(index, multiplicity=3) for index in range(3)]
    assert "multiplicity is 3" in said(files)
    files.shards = [files.write_shard(index, charge=2) for index in range(3)]
    assert "expected 4 doubly occupied orbitals for 8 electrons, got 5" in said(files)


def test_atoms_must_be_at_the_labels_level(files: Files) -> None:
    files.write_atoms(functional="PBE")
    assert "atoms.nc: made at another level of theory" in said(files)
    files.write_atoms(orbital_basis=Basis.from_name("def2-TZVP", [1, 8]).to_json())
    assert "atoms.nc: its orbital basis is not that of the labels" in said(files)
    files.atoms = files.shards[0]
    assert "expected the output of 'densnet atoms'" in said(files)


def test_settings_are_checked(files: Files) -> None:
    assert "nearest names: def2-svp-jkfit" in said(files, fit_basis="def2-SVP-JKFT")
    assert "processes: expected at least 1" in said(files, processes=0)
    for wrong in (
        {"max_failed_share": 1.0},
        {"grid_level": 10},
        {"eigenvalue_cutoff": 0.0},
        {"ridge": -1.0},
        {"natural_share": 1.0},
    ):
        with pytest.raises(DensnetError, match=f"{next(iter(wrong))}: expected"):
            FitSettings(**wrong)


def test_command_line(files: Files, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "densnet.cli.main", "fit", "--shards", *map(str, files.shards)]
    command += [
        "--geometries",
        str(files.geometries),
        "--atoms",
        str(files.atoms),
        "--output",
        str(tmp_path / "labels.nc"),
    ]
    settings = ["--grid-level", "0", "--fit-basis", "def2-SVP-JKFIT"]
    result = subprocess.run([*command, *settings], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    labels = read_dataset(tmp_path / "labels.nc", stage="fit", variables=("coefficients", "prior"))
    assert json.loads(labels.attrs["settings"])["fit_basis"] == "def2-SVP-JKFIT"
    assert labels["split"].values.tolist() == SPLITS.tolist()
    before = (tmp_path / "labels.nc").read_bytes()
    result = subprocess.run([*command, "--fit-basis", "nonsense"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.strip().startswith("densnet: error: basis 'nonsense'") and "Traceback" not in result.stderr
    assert (tmp_path / "labels.nc").read_bytes() == before


PARENT = """
import sys, time
from densnet.processes.pool import map_in_processes
import pool_example
if __name__ == "__main__":
    list(map_in_processes(pool_example.sleep, [sys.argv[1]] * 2, processes=2))
"""
CHILD = """
import os, pathlib, time
def sleep(folder):
    (pathlib.Path(folder) / f"{os.getpid()}.pid").touch()
    time.sleep(120)
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path: Path, end: signal.Signals) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "pool_example.py").write_text(CHILD)
    parent = subprocess.Popen([sys.executable, "parent.py", str(tmp_path)], cwd=tmp_path, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(children := list(tmp_path.glob("*.pid"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(children) == 2
    parent.send_signal(end)
    parent.wait(30)
    deadline = time.monotonic() + 30
    alive = [int(path.stem) for path in children]
    while alive and time.monotonic() < deadline:
        alive = [pid for pid in alive if _runs(pid)]
        time.sleep(0.1)
    assert not alive


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def test_canonical_orbitals_are_those_of_the_shards_basis(frames: list[Molecule]) -> None:
    """The unsorted shell order of these tests is one that a mistake in sorting would break."""
    frame = frames[0]
    S = integrals.overlap(frame.orbital_basis, frame.numbers, frame.positions)
    order, sign = from_canonical("psi4", SHELLS)
    scrambled = frame.orbitals[order] * sign[:, None]
    np.testing.assert_allclose(frame.orbitals.T @ S @ frame.orbitals, np.eye(5), atol=1e-10)
    assert np.abs(scrambled.T @ S @ scrambled - np.eye(5)).max() > 0.1
