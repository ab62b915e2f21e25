"""MACE as a peer: what it is given, what comes back, and a short training of the real one where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
import xarray as xr

from densnet.cli.peer import table
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.peers import mace_program
from densnet.peers.labelled_frames import labelled_frames, write_frames
from densnet.peers.mace import SIZES, train_mace
from densnet.peers.settings import MaceSettings
from densnet.report.peer_table import LABELS, peer_cells, read_table

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


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="MACE is not installed: run 'envs/setup.sh mace'")
def test_mace_itself_learns(water_labels: Path, tmp_path: Path) -> None:
    output = tmp_path / "mace.nc"
    train_mace(water_labels, MaceSettings(minutes=5, epochs=8), output=output)
    found = read_dataset(output, stage="peer")
    error = np.abs(found["forces_predicted"] - found["forces_reference"]).mean()
    # Sixteen steps take a good part of the forces; a sign, a unit or an order of atoms gone wrong would take none.
    assert float(error) < 0.7 * float(np.abs(found["forces_reference"]).mean())
    np.testing.assert_allclose(found["forces_predicted"].sum("atom"), 0.0, atol=1e-4)
    assert found.attrs["mace_torch_version"]
    assert found.attrs["epochs"] == 8
