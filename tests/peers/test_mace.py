"""MACE as a peer: what it is given, what comes back, and a short training of the real one where it is installed."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import torch
import xarray as xr

from densnet.cli.peer import table
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.molecule import Molecule
from densnet.peers import mace, mace_program
from densnet.peers.labelled_frames import labelled_frames, write_frames
from densnet.peers.mace import SIZES, train_mace
from densnet.peers.settings import MaceSettings
from densnet.potentials.choice import Chosen
from densnet.report.peer_table import LABELS, peer_cells, read_table
from densnet.validation.crystal_dynamics import check_periodic

ROOT = Path(__file__).parents[2]
FAKE = {"DENSNET_MACE": sys.executable, "PATH": "/usr/bin:/bin"}
REAL = ROOT / mace_program.PYTHON


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which the worker is a stand-in."""
    monkeypatch.setattr(mace_program, "WORKER", Path(__file__).parent / "fake_mace_worker.py")
    return dict(FAKE)


@pytest.fixture
def changed_labels(water_labels: Path, tmp_path: Path) -> Callable[[Callable[[xr.Dataset], xr.Dataset]], Path]:
    """Labels with a fault."""

    def change(fault: Callable[[xr.Dataset], xr.Dataset]) -> Path:
        path = tmp_path / "faulty.nc"
        write_dataset(fault(xr.load_dataset(water_labels)), path, stage="fit", method_version=1, settings={})
        return path

    return change


def test_frames_survive_extended_xyz(water_labels: Path, tmp_path: Path) -> None:
    frames = labelled_frames(water_labels, n_train=8)
    data = frames.dataset
    for split, count in (("train", 8), ("validation", 3)):
        write_frames(frames, split, tmp_path / "frames.xyz")
        images = ase.io.read(tmp_path / "frames.xyz", ":")
        assert len(images) == count
        for row, atoms in zip(frames.rows[split], images, strict=True):
            assert data["split"].values[row] == split
            # Extended XYZ keeps eight decimals of arrays and all digits of a number.
            np.testing.assert_allclose(atoms.positions, data["positions"].values[row], atol=1e-8)
            np.testing.assert_allclose(atoms.arrays["REF_forces"], data["forces"].values[row], atol=1e-8)
            assert atoms.info["REF_energy"] == pytest.approx(float(data["energy"].values[row]), abs=1e-8)
    energies = dict(zip(data["element"].values.tolist(), data["atomic_energy"].values.tolist(), strict=True))
    assert frames.e0s == energies


def test_the_test_frames_are_given_without_their_labels(water_labels: Path, tmp_path: Path) -> None:
    write_frames(labelled_frames(water_labels), "test", tmp_path / "test.xyz")
    for atoms in ase.io.read(tmp_path / "test.xyz", ":"):
        assert atoms.calc is None
        assert set(atoms.arrays) == {"numbers", "positions"}
        assert not atoms.info


def test_what_the_worker_says_is_written(
    water_labels: Path, tmp_path: Path, fake: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mace.nc"
    train_mace(water_labels, MaceSettings(minutes=1), output=output, environment=fake)
    found, labels = read_dataset(output, stage="peer"), xr.load_dataset(water_labels)
    split, energy = labels["split"].values, labels["energy"].values
    np.testing.assert_array_equal(found["energy_reference"], energy[split == "test"])
    np.testing.assert_allclose(found["energy_predicted"], energy[split == "train"].mean(), atol=1e-8)
    assert found.attrs["ms_per_evaluation"] == 3.0
    assert (found.attrs["n_train"], found.attrs["n_parameters"], found.attrs["train_seconds"]) == (10, 7, 4.0)
    assert "force_mae_mev_per_angstrom 100" in capfd.readouterr().err
    assert not output.with_name("mace.nc.parts").exists()


def foundation_in(folder: Path) -> Path:
    """A file that has the looks of a model of MACE."""
    path = folder / "of others.model"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"cmace.modules.models\nScaleShiftMACE\n.")
    return path


def test_a_foundation_goes_to_the_worker_and_the_model_comes_back(
    water_labels: Path, tmp_path: Path, fake: dict[str, str]
) -> None:
    foundation, output, model = foundation_in(tmp_path), tmp_path / "mace.nc", tmp_path / "fine.model"
    settings = MaceSettings(foundation=str(foundation))
    train_mace(water_labels, settings, output=output, model_output=model, environment=fake)
    found = read_dataset(output, stage="peer")
    assert (found.attrs["size"], found.attrs["hidden_irreps"]) == ("fine-tuned from of others.model", "8x0e")
    assert model.read_text() == f"trained from {foundation}"


def test_what_is_no_foundation_is_one_line_before_any_work(
    water_labels: Path, tmp_path: Path, fake: dict[str, str]
) -> None:
    other = tmp_path / "model.pt"
    other.write_bytes(b"no archive")
    with zipfile.ZipFile(tmp_path / "ours.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"collections")
    for path, said in (
        (tmp_path / "gone.model", r"^foundation: expected a model file of MACE, .*gone\.model is not there"),
        (other, r"^foundation: expected a model file of MACE, as torch\.save writes it, found .*model\.pt"),
        (tmp_path / "ours.pt", r"found .*ours\.pt"),
    ):
        with pytest.raises(DensnetError, match=said):
            train_mace(water_labels, MaceSettings(foundation=str(path)), output=tmp_path / "mace.nc", environment=fake)
    assert not (tmp_path / "mace.nc.parts").exists()
    with pytest.raises(DensnetError, match="size: a foundation has its own, found large beside it"):
        MaceSettings(size="large", foundation="of others.model")


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [("refuses", "^mace: the loss became nan at step 3"), ("dies", r"exit status 1: the last words.*worker\.log")],
)
def test_a_worker_that_ends_badly(
    water_labels: Path, tmp_path: Path, fake: dict[str, str], behaviour: str, said: str
) -> None:
    with pytest.raises(DensnetError, match=said):
        train_mace(
            water_labels, MaceSettings(), output=tmp_path / "mace.nc", environment=fake | {"FAKE_MACE": behaviour}
        )


def test_no_environment(water_labels: Path, tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match=r"^mace: DENSNET_MACE='/absent' .*run 'envs/setup\.sh mace'"):
        train_mace(water_labels, MaceSettings(), output=tmp_path / "x.nc", environment={"DENSNET_MACE": "/absent"})
    assert not list(tmp_path.iterdir())


def without_forces(labels: xr.Dataset) -> xr.Dataset:
    labels["forces"][4] = np.nan
    return labels


def without_oxygen(labels: xr.Dataset) -> xr.Dataset:
    return labels.sel(element=labels["element"] == 1)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (without_forces, r"forces missing in frame\(s\) \[4\]; a peer learns energies and forces"),
        (lambda labels: labels.drop_vars("forces"), "there are no forces in these labels"),
        (without_oxygen, "atomic_energy is missing for O; run 'densnet fit' again"),
        (lambda labels: labels.isel(frame=slice(0, 10)), "found none of validation, test"),
    ],
)
def test_labels_that_cannot_be_learned(
    changed_labels: Callable[..., Path], fault: Callable[[xr.Dataset], xr.Dataset], said: str
) -> None:
    with pytest.raises(DensnetError, match=said):
        labelled_frames(changed_labels(fault))


def test_impossible_settings(water_labels: Path) -> None:
    for wrong, said in (
        ({"size": "huge"}, "size: expected one of small, large, found 'huge'"),
        ({"minutes": 0.0}, "minutes: expected a number of more than 0"),
        ({"epochs": 0}, "epochs: expected a whole number of at least 1"),
    ):
        with pytest.raises(DensnetError, match=said):
            MaceSettings(**wrong)
    with pytest.raises(DensnetError, match=r"n_train: expected 1 to 10, .* found 11"):
        labelled_frames(water_labels, n_train=11)


def written_evaluation(labels: Path, folder: Path) -> Path:
    """An evaluation in which every energy is 2 meV off and every force 3 meV/Å."""
    data = xr.load_dataset(labels)
    test = data.isel(frame=data["split"].values == "test")
    xyz = ("frame", "atom", "x")
    energy, forces = test["energy"].values, test["forces"].values
    dataset = xr.Dataset(
        {
            "energy_reference": variable(("frame",), energy, "eV", "energy"),
            "energy_predicted": variable(("frame",), energy + 0.002, "eV", "energy"),
            "forces_reference": variable(xyz, forces, "eV/angstrom", "forces"),
            "forces_predicted": variable(xyz, forces - 0.003, "eV/angstrom", "forces"),
        },
        coords={"frame": variable(("frame",), test["frame"].values, "1", "frame")},
        attrs={"n_train": 10},
    )
    write_dataset(dataset, folder / "evaluation.nc", stage="evaluate", method_version=1, settings={})
    return folder / "evaluation.nc"


def test_the_table(water_labels: Path, tmp_path: Path, fake: dict[str, str]) -> None:
    peers = [tmp_path / f"mace_{size}.nc" for size in SIZES]
    for size, path in zip(SIZES, peers, strict=True):
        train_mace(water_labels, MaceSettings(size=size), output=path, environment=fake)
    evaluation = written_evaluation(water_labels, tmp_path)
    logs = [tmp_path / "density.csv", tmp_path / "energy.csv"]
    for log, seconds in zip(logs, (30, 12), strict=True):
        log.write_text(f"step,seconds\n10,1\n20,{seconds}\n")
    table(system=["water"], evaluation=[evaluation], peer=peers, training_log=logs, output=tmp_path / "peers.csv")
    rows = read_table(tmp_path / "peers.csv")
    assert [row["model"] for row in rows] == ["densnet", *(f"MACE {size} ({irreps})" for size, irreps in SIZES.items())]
    ours = {key: float(rows[0][key]) for key in ("energy_mae_mev", "force_mae_mev_per_angstrom", "train_seconds")}
    assert ours == {"energy_mae_mev": 2.0, "force_mae_mev_per_angstrom": 3.0, "train_seconds": 42.0}
    assert float(rows[0]["energy_mae_mev_per_atom"]) == pytest.approx(2 / 3, rel=1e-3)
    assert rows[0]["ms_per_evaluation"] == ""
    heads, cells = peer_cells(rows, "water")
    assert len(cells) == 3
    assert all(len(row) == len(heads) == len(LABELS) for row in cells)
    assert peer_cells(rows, "ethanol") == (heads, [])

    other = xr.load_dataset(evaluation).assign_coords(frame=[0, 1, 2])
    other["frame"].attrs = {"units": "1", "long_name": "frame"}
    write_dataset(other, evaluation, stage="evaluate", method_version=1, settings={})
    with pytest.raises(DensnetError, match="water: evaluation and peer have different test frames"):
        table(system=["water"], evaluation=[evaluation], peer=peers, training_log=logs, output=tmp_path / "peers.csv")


def time_briefly(patch: pytest.MonkeyPatch) -> None:
    for name, number in (("BATCH", 2), ("ROUNDS", 1), ("REPETITIONS", 1)):
        patch.setattr(mace, name, number)


@pytest.fixture(scope="module")
def water_mace(water_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, Path]:
    """MACE, briefly trained on water: what it predicted, and its model file."""
    if not REAL.exists():
        pytest.skip("MACE is not installed: run 'envs/setup.sh mace'")
    folder = tmp_path_factory.mktemp("mace")
    output, model = folder / "mace.nc", folder / "water.model"
    with pytest.MonkeyPatch.context() as patch:
        time_briefly(patch)
        train_mace(water_labels, MaceSettings(minutes=5, epochs=40), output=output, model_output=model)
    return read_dataset(output, stage="peer"), model


@pytest.mark.slow
def test_mace_itself_learns(water_mace: tuple[xr.Dataset, Path]) -> None:
    found, _ = water_mace
    error = np.abs(found["forces_predicted"] - found["forces_reference"]).mean()
    # Eighty steps take a good part of the forces; a sign, a unit or an order of atoms gone wrong would take none.
    assert float(error) < 0.7 * float(np.abs(found["forces_reference"]).mean())
    np.testing.assert_allclose(found["forces_predicted"].sum("atom"), 0.0, atol=1e-4)
    assert found.attrs["mace_torch_version"]
    assert found.attrs["epochs"] == 40


@pytest.mark.slow
def test_a_model_file_says_what_its_training_predicted(water_mace: tuple[xr.Dataset, Path], water_labels: Path) -> None:
    found, model = water_mace
    labels = xr.load_dataset(water_labels)
    positions = labels["positions"].values[labels["split"].values == "test"]
    water = Molecule(labels["numbers"].values, positions[0])
    potential = Chosen(model, None)(water)
    answer = potential(positions)
    # single precision of a few eV and eV/Å
    np.testing.assert_allclose(answer["energy"], found["energy_predicted"], atol=1e-5)
    np.testing.assert_allclose(answer["forces"], found["forces_predicted"], atol=1e-4)
    double = Chosen(model, None)(water, double=True)
    step = np.zeros_like(positions[0])
    step[1, 0] = 1e-4
    up, down = (float(double((positions[0] + sign * step)[None])["energy"][0]) for sign in (1, -1))
    # central differences of 1e-4 Å: its square
    assert -(up - down) / 2e-4 == pytest.approx(float(double(positions[:1])["forces"][0, 1, 0]), abs=1e-6)
    with pytest.raises(DensnetError, match=r"water\.model: does not know S; choose another potential"):
        Chosen(model, None)(Molecule(np.array([16, 1, 1]), positions[0]))
    with pytest.raises(DensnetError, match="a position is not a finite number"):
        potential(np.full_like(positions, np.nan))


@pytest.mark.slow
def test_a_model_file_knows_of_the_cell(water_mace: tuple[xr.Dataset, Path]) -> None:
    _, model = water_mace
    ice = ase.Atoms("OH2", [[0, 0, 0], [0.76, 0, 0.59], [-0.76, 0, 0.59]], cell=[3.0, 3.2, 3.4], pbc=True)
    in_cell = Chosen(model, None).of_crystal(ice, double=True)
    check_periodic(in_cell, ice.positions, ice.cell.array)
    alone = Chosen(model, None)(Molecule(ice.numbers, ice.positions), double=True)
    assert abs(float(in_cell(ice.positions[None])["energy"][0] - alone(ice.positions[None])["energy"][0])) > 1e-3


@pytest.mark.slow
def test_what_a_foundation_knows_helps(
    water_mace: tuple[xr.Dataset, Path],
    water_labels: Path,
    tmp_path: Path,
    changed_labels: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time_briefly(monkeypatch)
    _, model = water_mace
    settings = MaceSettings(minutes=5, epochs=8, foundation=str(model), learning_rate=0.002)
    scratch = train_mace(water_labels, MaceSettings(minutes=5, epochs=8), output=tmp_path / "scratch.nc")
    tuned = train_mace(water_labels, settings, output=tmp_path / "tuned.nc")
    errors = [float(np.abs(each["forces_predicted"] - each["forces_reference"]).mean()) for each in (scratch, tuned)]
    # eight passes go on where forty passes ended
    assert errors[1] < 0.85 * errors[0]

    def with_sulfur(labels: xr.Dataset) -> xr.Dataset:
        sulfur = {"numbers": labels["numbers"].copy(data=[16, 1, 1])}
        return labels.assign(sulfur).assign_coords(
            element=labels["element"].copy(data=np.where(labels["element"] == 8, 16, 1))
        )

    with pytest.raises(DensnetError, match=r"^foundation: .*water\.model does not know S; choose a model"):
        train_mace(changed_labels(with_sulfur), settings, output=tmp_path / "sulfur.nc")


class Hostile:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch unpickled  # mace.modules",)


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


THROUGH_A_MODULE = (
    b"\x80\x04"
    + _text("mace.modules")
    + b"0"
    + (_text("torch.nn.modules.module") + _text("torch.hub.zipfile.ZipFile") + b"\x93")
    + (b"(" + _text("unpickled") + _text("w") + b"tR.")
)
"""A pickle that calls a class of another package, by the name of a module that has imported it."""


@pytest.mark.slow
def test_what_is_hidden_in_a_model_file_is_not_run(
    water_mace: tuple[xr.Dataset, Path], water_labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, through_a_module = tmp_path / "plain.model", tmp_path / "through_a_module.model"
    torch.save(Hostile(), plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(through_a_module, "w") as changed:
        for name in source.namelist():
            changed.writestr(name, THROUGH_A_MODULE if name.endswith("/data.pkl") else source.read(name))
    monkeypatch.chdir(tmp_path)
    for path, held in (
        (plain, r"\w+\.system"),
        (through_a_module, r"torch\.nn\.modules\.module\.torch\.hub\.zipfile\.ZipFile"),
    ):
        with pytest.raises(DensnetError, match=rf"{path.name}: expected a model file of MACE, but it holds {held}"):
            train_mace(water_labels, MaceSettings(foundation=str(path)), output=tmp_path / "mace.nc")
        assert not list(tmp_path.rglob("unpickled"))
        torch.load(path, weights_only=False)
        (tmp_path / "unpickled").unlink()
