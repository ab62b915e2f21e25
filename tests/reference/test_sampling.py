"""Sampling: same seed same geometries, independent test frames, resuming, molecules that fall apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from densnet.bonds import bonded
from densnet.cli.main import app
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.molecule import Molecule, from_smiles
from densnet.potentials import named
from densnet.reference.sampling import plan_trajectories, sample_geometries
from densnet.reference.settings import SamplingSettings
from densnet.reference.trajectories import BondWindow, run_trajectory

GFN2 = named("gfn2-xtb")
SMALL = SamplingSettings(
    n_train=6,
    n_validation=2,
    n_test=3,
    temperatures=(300.0, 600.0),
    seed=5,
    strained_share=0.0,
    n_trajectories=1,
    n_test_trajectories=1,
    equilibration_fs=5.0,
    interval_fs=3.0,
    test_interval_fs=4.0,
)


@pytest.fixture(scope="module")
def water() -> Molecule:
    return from_smiles("O")


@pytest.fixture(scope="module")
def sampled(water: Molecule, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return sample_geometries([water], SMALL, GFN2, processes=1, output=tmp_path_factory.mktemp("sample") / "g.nc")[0]


def test_splits_temperatures_and_distances(sampled: xr.Dataset) -> None:
    split = sampled["split"].values
    assert [int((split == name).sum()) for name in ("train", "validation", "test")] == [6, 2, 3]
    assert set(sampled["temperature"].values) == {300.0, 600.0}
    distance = sampled["distance_to_train"].values
    assert np.isnan(distance[split == "train"]).all()
    assert (distance[split != "train"] > 0).all()
    bonds = np.linalg.norm(sampled["positions"].values[:, 1:] - sampled["positions"].values[:, :1], axis=-1)
    assert ((bonds > 0.8) & (bonds < 1.3)).all()


def test_test_frames_come_from_trajectories_of_their_own(sampled: xr.Dataset) -> None:
    testing = sampled["split"].values == "test"
    assert not set(sampled["trajectory"].values[testing]) & set(sampled["trajectory"].values[~testing])
    starts = [from_smiles("CCO", seed=seed) for seed in (0, 1)]
    plans = plan_trajectories(starts, SMALL)
    seeds = [plan.seed for plan in plans]
    assert len(set(seeds)) == len(seeds)
    learning = [plan for plan in plans if plan.seed[1] == 0]
    testing_plans = [plan for plan in plans if plan.seed[1] == 1]
    assert learning[0].molecule is starts[0]
    assert testing_plans[0].molecule is starts[1]


def test_test_frames_may_be_hotter_than_those_learned_from(water: Molecule) -> None:
    plans = plan_trajectories([water], replace(SMALL, n_test=8, test_temperatures=(500.0, 800.0)))
    temperatures = {kind: {plan.temperature: plan.frames for plan in plans if plan.seed[1] == kind} for kind in (0, 1)}
    assert set(temperatures[0]) == {300.0, 600.0}
    assert temperatures[1] == {500.0: 4, 800.0: 4}


def test_result_depends_on_the_seed_and_not_on_the_number_of_processes(
    water: Molecule, sampled: xr.Dataset, tmp_path: Path
) -> None:
    again, _ = sample_geometries([water], SMALL, GFN2, processes=2, output=tmp_path / "again.nc")
    xr.testing.assert_identical(again, sampled)
    other, _ = sample_geometries([water], replace(SMALL, seed=6), GFN2, processes=2, output=tmp_path / "other.nc")
    assert not np.array_equal(other["positions"].values, sampled["positions"].values)


def test_finished_trajectories_are_kept_and_truncated_ones_redone(
    water: Molecule, sampled: xr.Dataset, tmp_path: Path
) -> None:
    _, parts = sample_geometries([water], SMALL, GFN2, processes=2, output=tmp_path / "g.nc")
    kept, cut, lost = (parts.folder / f"trajectory-{index:04d}.npz" for index in (0, 1, 2))
    before = kept.stat().st_mtime_ns
    cut.write_bytes(cut.read_bytes()[:-200])
    lost.unlink()
    again, _ = sample_geometries([water], SMALL, GFN2, processes=2, output=tmp_path / "g.nc")
    xr.testing.assert_identical(again, sampled)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.slow
def test_kill_leaves_nothing_running_and_the_restart_ends_at_the_same(tmp_path: Path) -> None:
    def command(output: Path) -> list[str]:
        options = "--n-train 8 --n-validation 2 --n-test 40 --n-trajectories 1 --n-test-trajectories 1 --interval-fs 2"
        verb = [sys.executable, "-m", "densnet.cli.main", "sample", "--smiles", "O", "--output", str(output)]
        return [*verb, *options.split(), "--equilibration-fs", "2"]

    output = tmp_path / "killed.nc"
    running = subprocess.Popen(command(output), stderr=subprocess.DEVNULL)
    first = output.with_name("killed.nc.parts") / "trajectory-0000.npz"
    _wait_for(lambda: first.exists())
    running.send_signal(signal.SIGKILL)
    running.wait()
    _wait_for(lambda: not _processes_with_parent(running.pid))
    assert not output.exists()
    resumed = subprocess.Popen(command(output), stderr=subprocess.PIPE, text=True)
    log = resumed.communicate()[1]
    assert resumed.returncode == 0, log
    assert "trajectory 2 of" in log
    assert "trajectory 1 of" not in log
    assert not first.parent.exists()
    undisturbed = tmp_path / "undisturbed.nc"
    subprocess.run(command(undisturbed), check=True, stderr=subprocess.DEVNULL)
    xr.testing.assert_equal(read_dataset(output, stage="sample"), read_dataset(undisturbed, stage="sample"))


def _wait_for(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def _processes_with_parent(parent: int) -> list[str]:
    """Processes that the killed one started and that still run: their command lines name its process id."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"parent_pid={parent}," in line and int(folder.name) != os.getpid():
            found.append(line)
    return found


def test_molecule_that_falls_apart_is_one_clear_line(water: Molecule) -> None:
    plan = replace(plan_trajectories([water], SMALL)[0], temperature=60000.0, frames=10, stride=5, timestep=1.0)
    with pytest.raises(DensnetError, match="lower the temperature") as error:
        run_trajectory(plan, GFN2)
    assert "\n" not in str(error.value)


def test_bond_window_sees_a_broken_bond_and_a_new_one() -> None:
    molecule = from_smiles("CCO")
    window = BondWindow.around(molecule)
    assert window.holds(molecule.positions)
    broken, closed = molecule.positions.copy(), molecule.positions.copy()
    hydroxyl = int(np.argmin(np.linalg.norm(molecule.positions[3:] - molecule.positions[2], axis=1))) + 3
    broken[hydroxyl] += 1.5 * (broken[hydroxyl] - broken[2])
    closed[hydroxyl] = closed[0] + np.array([0.0, 0.0, 1.1])
    assert not window.holds(broken)
    assert not window.holds(closed)


def test_with_reactive_sampling_a_proton_may_pass_on_but_not_leave() -> None:
    # formic acid, whose proton is put on the other oxygen
    molecule = from_smiles("OC=O")
    first, carbon, second = 0, 1, 2
    proton = int(np.flatnonzero(bonded(molecule.numbers, molecule.positions)[first] & (molecule.numbers == 1))[0])
    moved, lost = molecule.positions.copy(), molecule.positions.copy()
    outwards = moved[second] - moved[carbon]
    moved[proton] = moved[second] + 0.97 * outwards / np.linalg.norm(outwards)
    lost[proton] = moved[second] + 2.5 * outwards / np.linalg.norm(outwards)
    assert not BondWindow.around(molecule).holds(moved)
    reactive = BondWindow.around(molecule, reactive=True)
    assert reactive.holds(molecule.positions)
    assert reactive.holds(moved)
    assert not reactive.holds(lost)
    heavy = molecule.positions.copy()
    heavy[second] = heavy[carbon] + 2.0 * (heavy[second] - heavy[carbon])
    assert not reactive.holds(heavy), "bonds between other atoms still have to hold"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"n_train": 0}, "n_train: expected a whole number of at least 1"),
        ({"temperatures": (-1.0,)}, "temperatures.0: expected a number of more than 0"),
        ({"temperatures": ()}, "temperatures: expected at least one"),
        ({"timestep_fs": float("nan")}, "timestep_fs"),
        ({"candidates_per_frame": 0.5}, "candidates_per_frame"),
    ],
)
def test_impossible_settings_name_the_field(change: dict[str, object], line: str) -> None:
    with pytest.raises(DensnetError, match=line):
        replace(SMALL, **change)  # type: ignore[arg-type]


def test_single_atom_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="single atom"):
        helium = Molecule(np.array([2]), np.zeros((1, 3)))
        sample_geometries([helium], SMALL, GFN2, processes=1, output=tmp_path / "g.nc")


@pytest.mark.parametrize("option", ["--units", "--n-train"])
def test_a_fraction_of_a_unit_or_of_a_frame_is_refused_not_rounded(option: str, tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match=f"{option}: expected a whole number, got 1.5"):
        app(["sample", "--oligomer", "thiophene", option, "1.5", "--output", str(tmp_path / "g.nc")])


def test_help_shows_attachment_points(capsys: pytest.CaptureFixture[str]) -> None:
    app(["sample", "--help"], result_action="return_value")
    assert "*CC*" in capsys.readouterr().out
