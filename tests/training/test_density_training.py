"""The density model learns real labels, in the Coulomb metric, resumes exactly and refuses bad labels."""

from __future__ import annotations

import csv
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from tensorboardX.proto import event_pb2

from densnet.basis.integrals import charges
from densnet.density.error import DensityGrid, coulomb_self_energy
from densnet.errors import DensnetError, Stopped
from densnet.io.netcdf import read_dataset, settings_of, write_dataset
from densnet.models.checkpoint import load_model
from densnet.models.settings import DensityModelSettings
from densnet.models.whitened_basis import WhitenedBasis
from densnet.training import loop
from densnet.training.density import train_density
from densnet.training.density_targets import density_targets
from densnet.training.labels import load_labels
from densnet.training.settings import DensityTrainingSettings
from densnet.units import BOHR_IN_ANGSTROM

SMALL = DensityModelSettings(channels=8, edge_channels=4, l_max=4, cutoff=3.0)
SHORT = DensityTrainingSettings(steps=60, batch_size=4, validate_every=20, checkpoint_seconds=0.0)


def relabelled(labels: Path, path: Path, change: dict[str, object]) -> Path:
    data = read_dataset(labels, stage="fit").assign(change)
    write_dataset(data, path, stage="fit", method_version=1, settings=settings_of(data))
    return path


def test_loss_is_the_self_energy_and_the_square_of_the_density_error(water_labels: Path, tmp_path: Path) -> None:
    labels = load_labels(water_labels)
    whitened = WhitenedBasis(labels.basis, labels.elements)
    rows = np.array([0, 3])
    targets = density_targets(
        labels, whitened, rows, "delta", cutoff=5.0, overlap_weight=7.0, folder=tmp_path, memory_gib=1.0
    )
    data = labels.dataset.isel(frame=rows)
    for index in range(2):
        delta_c = data["coefficients"].values[index] - data["prior"].values
        bohr = data["positions"].values[index] / BOHR_IN_ANGSTROM
        expected = coulomb_self_energy(labels.basis, labels.numbers, bohr, delta_c)
        grid = DensityGrid.around(labels.numbers, bohr, level=3)
        expected += 7.0 * grid.weights @ grid.fitted(labels.basis, delta_c) ** 2
        x = targets.x[index]
        assert float(x @ targets.metric[index].double() @ x) == pytest.approx(expected, rel=1e-5)
        assert float(charges(labels.basis, labels.numbers) @ delta_c) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("target", ["delta", "direct"])
def test_training_learns_and_keeps_the_charge(water_labels: Path, tmp_path: Path, target: str) -> None:
    model = train_density(
        water_labels,
        replace(SMALL, target=target),
        replace(SHORT, steps=300),
        output=tmp_path / "density.pt",
        log=tmp_path / "density.csv",
    )
    labels = load_labels(water_labels)
    rows = labels.frames("test")
    positions = labels.dataset["positions"].values[rows]
    errors, spread = [], []
    mean = labels.dataset["coefficients"].values[labels.frames("train")].mean(0)
    for c, row, r in zip(model.coefficients(labels.numbers, positions), rows, positions, strict=True):
        reference = labels.dataset["coefficients"].values[row]
        bohr = r / BOHR_IN_ANGSTROM
        errors.append(coulomb_self_energy(labels.basis, labels.numbers, bohr, c - reference))
        spread.append(coulomb_self_energy(labels.basis, labels.numbers, bohr, mean - reference))
        assert abs(charges(labels.basis, labels.numbers) @ c - 10) < 1e-8
    # ten frames are few, but most of what the geometry does to the density must be learned: the mean coefficients of
    # the training set put on the unseen molecules' atoms are what a model blind to the geometry would say. Those that
    # must learn the atoms too get less far in as many steps
    assert np.mean(errors) < {"delta": 0.3, "direct": 0.5}[target] * np.mean(spread)


@pytest.mark.parametrize("optimizer", ["soap", "adam"])
def test_resumed_training_equals_an_undisturbed_one(
    water_labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    def run(folder: Path) -> dict[str, torch.Tensor]:
        training = replace(SHORT, optimizer=optimizer)
        train_density(water_labels, SMALL, training, output=folder / "density.pt", log=folder / "density.csv")
        return load_model(folder / "density.pt").density.state_dict()

    undisturbed = run(tmp_path / "a")
    step, calls = loop.TrainingRun._one_step, []

    def killed(self: loop.TrainingRun, *args: object) -> float:
        calls.append(self.step)
        if len(calls) == 47:
            raise KeyboardInterrupt
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.TrainingRun, "_one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b")
    whole = torch.load(tmp_path / "b" / "density.pt.checkpoint", weights_only=True)
    for damage in ({"average": {"w": torch.zeros(3)}}, {"model": {}}, {"step": None, "optimizer": 7}):
        torch.save(whole | damage, tmp_path / "b" / "density.pt.checkpoint")
        with pytest.raises(DensnetError, match=r"checkpoint: does not hold the weights of this training .*; delete it"):
            run(tmp_path / "b")
    torch.save(whole, tmp_path / "b" / "density.pt.checkpoint")
    resumed = run(tmp_path / "b")
    assert calls[47] == 46, "it should go on from the last step"
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)
    assert not (tmp_path / "b" / "density.pt.checkpoint").exists()
    logs = [(tmp_path / f / "density.csv").read_text().splitlines() for f in "ab"]
    kept = [[row.split(",")[:1] + row.split(",")[2:] for row in log] for log in logs]
    assert kept[0] == kept[1], "all but the seconds are equal"


def test_bad_labels_are_refused(water_labels: Path, tmp_path: Path) -> None:
    data = read_dataset(water_labels, stage="fit")
    dipole = data["dipole"].copy(deep=True)
    dipole[2, 1] = np.nan
    bad = {
        r"dipole is not finite in frame\(s\) \[2\]": {"dipole": dipole},
        "forces: expected dimensions ending in atom, x, found frame, x, atom": {
            "forces": data["forces"].transpose("frame", "x", "atom")
        },
        "split 'validation', found none": {"split": data["split"].where(data["split"] != "validation", "train")},
    }
    for index, (message, change) in enumerate(bad.items()):
        path = relabelled(water_labels, tmp_path / f"{index}.nc", change)
        with pytest.raises(DensnetError, match=message):
            train_density(path, SMALL, SHORT, output=tmp_path / "d.pt", log=tmp_path / "d.csv")
    with pytest.raises(DensnetError, match="at most the 10 train frames"):
        train_density(water_labels, SMALL, replace(SHORT, n_train=11), output=tmp_path / "d.pt", log=tmp_path / "d.csv")
    half = tmp_path / "half.nc"
    half.write_bytes(water_labels.read_bytes()[: water_labels.stat().st_size // 2])
    with pytest.raises(DensnetError, match="not a readable netCDF file"):
        load_labels(half)
    foreign = tmp_path / "foreign.nc"
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(foreign)
    with pytest.raises(DensnetError, match="expected the output of 'densnet fit'"):
        load_labels(foreign)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1])
def test_a_training_that_is_asked_to_stop_keeps_every_step(
    water_labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals
) -> None:
    def run(folder: Path) -> tuple[dict[str, torch.Tensor], list[list[str]]]:
        # without checkpoints of its own accord
        settings = replace(SHORT, checkpoint_seconds=1e6)
        train_density(water_labels, SMALL, settings, output=folder / "density.pt", log=folder / "density.csv")
        rows = [line.split(",") for line in (folder / "density.csv").read_text().splitlines()]
        return load_model(folder / "density.pt").density.state_dict(), [[row[0], *row[2:]] for row in rows]

    undisturbed, rows = run(tmp_path / "a")
    step, calls = loop.TrainingRun._one_step, []

    def warned(self: loop.TrainingRun, *args: object) -> float:
        calls.append(self.step)
        if len(calls) == 48:
            signal.raise_signal(signum)
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.TrainingRun, "_one_step", warned)
    before = signal.getsignal(signum)
    with pytest.raises(Stopped, match=rf"stopped by {signum.name}; step 48/60 is kept in .*density.pt.checkpoint; the"):
        run(tmp_path / "b")
    assert signal.getsignal(signum) is before
    resumed, rows_of_two = run(tmp_path / "b")
    assert calls[48] == 48
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)
    # the mean loss too, which had been summed over eight steps when the signal came
    assert rows_of_two == rows


def test_the_command_ends_with_one_line_and_the_status_of_its_signal(water_labels: Path, tmp_path: Path) -> None:
    words = ["train", "density", "--labels", str(water_labels), "--output", str(tmp_path / "density.pt")]
    words += [
        "--log",
        str(tmp_path / "density.csv"),
        "--steps",
        "1000000",
        "--batch-size",
        "4",
        "--validate-every",
        "5",
    ]
    words += ["--channels", "8", "--edge-channels", "4", "--cutoff", "3"]
    # as in a job: the shell ignores the warning and so, until it says otherwise, does what it starts
    command = ["bash", "-c", "trap '' TERM USR1; exec \"$@\"", "bash", sys.executable, "-m", "densnet.cli.main", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        if process.stderr is None:
            raise RuntimeError("no pipe")
        while not process.stderr.readline().startswith("step 5/"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        rest, status = process.communicate(timeout=120)[1], process.returncode
    finally:
        process.kill()
    assert status == 128 + signal.SIGTERM
    line = rest.splitlines()[-1]
    assert line.startswith("densnet: stopped by SIGTERM; step ")
    assert line.endswith("the same command goes on from here")
    assert (tmp_path / "density.pt.checkpoint").exists()


def test_divergence_is_named_and_keeps_the_checkpoint(water_labels: Path, tmp_path: Path) -> None:
    wild = replace(SHORT, learning_rate=1e30, validate_every=1)
    with pytest.raises(DensnetError, match=r"the loss became (nan|inf) at step \d+; lower learning_rate"):
        train_density(water_labels, SMALL, wild, output=tmp_path / "d.pt", log=tmp_path / "d.csv")
    assert not (tmp_path / "d.pt").exists()
    assert (tmp_path / "d.pt.checkpoint").exists()


def test_batches_reach_every_frame_once_an_epoch() -> None:
    epoch = torch.cat([loop.batch_rows(12, 4, seed=5, step=step) for step in range(3, 6)])
    assert sorted(epoch.tolist()) == list(range(12))
    assert torch.equal(loop.batch_rows(12, 4, 5, 4), loop.batch_rows(12, 4, 5, 4))


def test_patience_ends_a_training_that_no_longer_gets_better(
    water_labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    # so small a rate changes no weight of single precision, and the error stays as it is at first
    stubborn = replace(SHORT, steps=200, validate_every=10, patience=2, learning_rate=1e-12)
    train_density(water_labels, SMALL, stubborn, output=tmp_path / "d.pt", log=tmp_path / "d.csv")
    steps = [int(line.split(",")[0]) for line in (tmp_path / "d.csv").read_text().splitlines()[1:]]
    assert steps[-1] < 200
    assert "no better validation for 2; stopping" in capsys.readouterr().err
    with pytest.raises(DensnetError, match="patience: expected a whole number of at least 1"):
        replace(SHORT, patience=0)


def test_impossible_settings_are_refused() -> None:
    for field, value in (("overlap_weight", -1.0), ("dipole_weight", float("nan")), ("optimizer", "sgd")):
        with pytest.raises(DensnetError, match=f"{field}: expected .* found '?{value}"):
            replace(SHORT, **{field: value})


def test_events_hold_what_the_csv_holds(water_labels: Path, tmp_path: Path) -> None:
    train_density(water_labels, SMALL, SHORT, output=tmp_path / "d.pt", log=tmp_path / "d.csv")
    (file,) = (tmp_path / "tensorboard" / "d").iterdir()
    rest, found = file.read_bytes(), {}
    while rest:
        # a TFRecord: length, its checksum, the event, its checksum
        (length,) = struct.unpack("<Q", rest[:8])
        event = event_pb2.Event.FromString(rest[12 : 12 + length])
        found |= {(event.step, value.tag): value.simple_value for value in event.summary.value}
        rest = rest[16 + length :]
    with (tmp_path / "d.csv").open() as handle:
        for row in csv.DictReader(handle):
            loss = found[int(row["step"]), "train_loss"]
            assert loss == pytest.approx(float(row["train_loss"]), rel=1e-6)


def test_coulomb_matrices_in_a_file_are_those_in_memory(water_labels: Path, tmp_path: Path) -> None:
    labels = load_labels(water_labels)
    whitened = WhitenedBasis(labels.basis, labels.elements)
    rows = labels.frames("validation")
    inside, outside = (
        density_targets(
            labels, whitened, rows, "delta", cutoff=5.0, overlap_weight=0.0, folder=tmp_path, memory_gib=gib
        )
        for gib in (1.0, 0.0)
    )
    assert torch.equal(inside.metric, outside.metric)
    assert not list(tmp_path.iterdir()), "the file has no name"
    nothing = torch.zeros_like(inside.x, dtype=torch.float32)
    energies = inside.error_energy(torch.tensor([2, 0]), nothing[[2, 0]])
    assert energies.tolist() == outside.error_energy(torch.tensor([2, 0]), nothing[[2, 0]]).tolist()
    with pytest.raises(DensnetError, match="do not fit on the disk"):
        density_targets(
            labels, whitened, rows, "delta", cutoff=5.0, overlap_weight=0.0, folder=Path("/proc"), memory_gib=0.0
        )
