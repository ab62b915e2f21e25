"""The real pipeline, Psi4 included, at its smallest: from SMILES to report; killed, gone on with, remade in part."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import xarray as xr

from densnet.report.job_costs import HEADS, where_it_ran

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.psi4,
    # the run that the tests look at is stopped and begun again several times
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not (os.environ.get("CI") or os.environ.get("DENSNET_PSI4") or shutil.which("psi4")), reason="needs Psi4"
    ),
]
METRICS = {
    "density_nmae_percent",
    "density_nmae_true_percent",
    "density_floor_percent",
    "density_prior_percent",
    "density_coulomb_error_mha",
    "dipole_mae_debye",
    "charge_max_error_e",
    "energy_mae_mev_per_atom",
    "force_mae_mev_per_angstrom",
    "nve_drift_mev_per_atom_per_ps",
    "md_ps_total",
    "md_ms_per_step_per_replica",
    "spectrum_pearson_gfn2-xtb",
    "n_train",
    "n_test",
    "seed",
}
PATIENCE_SECONDS = 900.0


class Run:
    """A clone in which the toy configuration is run through the launcher, as ``make demo`` does.

    Its path and the name of the configuration have all that a shell or Snakemake might stumble over.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a b'c ü"
        self.results = self.folder / "results" / "toy" / "water"
        for part in ("workflow", "profiles", "envs", "densnet"):
            shutil.copytree(ROOT / part, self.folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tests" / "workflow" / "toy.yaml", self.folder / "my toy.yaml")

    def start(self, *targets: str) -> subprocess.Popen[str]:
        """Start the launcher; one thread a job, for the jobs are tiny."""
        command = [sys.executable, "workflow/launch.py", *targets, "--max-threads", "1"]
        command += ["--workflow-profile", "profiles/local", "--configfile", "my toy.yaml"]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
        )

    def finish(self, *targets: str) -> str:
        """Run to the end and return what was printed."""
        process = self.start(*targets)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, output
        return output

    def kill_when(self, condition: Callable[[], bool], *, launcher_too: bool) -> None:
        """Start, wait for a moment in the middle, and SIGKILL Snakemake: its jobs are left running."""
        process = self.start()
        launcher = psutil.Process(process.pid)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "the moment to kill never came"
            time.sleep(0.02)
        snakemake = [child for child in launcher.children() if "snakemake" in child.cmdline()]
        assert len(snakemake) == 1
        if launcher_too:
            launcher.kill()
        snakemake[0].send_signal(signal.SIGKILL)
        assert process.wait(30) != 0

    def log(self, rule: str) -> str:
        """Return what a job has logged so far."""
        path = self.results / "logs" / f"{rule}.log"
        return path.read_text() if path.exists() else ""

    def modified(self) -> dict[str, int]:
        """Return the time of modification of every result."""
        files = (self.folder / "results").rglob("*")
        return {
            str(path.relative_to(self.results.parent)): path.stat().st_mtime_ns
            for path in files
            if path.suffix in {".nc", ".pt", ".json", ".html", ".csv", ".png"}
        }


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was killed while labelling and while training, and then finished."""
    run = Run(tmp_path_factory.mktemp("disturbed"))
    run.kill_when(lambda: "2/" in run.log("label_shard/0"), launcher_too=False)
    assert not (run.results / "labels.nc").exists()
    run.kill_when(lambda: "step 50/" in run.log("density_model"), launcher_too=True)
    assert not (run.results / "model.pt").exists()
    run.finish()
    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same without a kill, up to the model."""
    run = Run(tmp_path_factory.mktemp("undisturbed"))
    run.finish("results/toy/water/model.pt")
    return run


def test_every_file_of_the_contract_is_there(disturbed: Run) -> None:
    for name in ("labels.nc", "density.pt", "energy.pt", "model.pt", "trajectory.nc", "spectrum.nc", "metrics.json"):
        assert (disturbed.results / name).stat().st_size > 0
    assert len(list((disturbed.results / "figures").glob("*.png"))) == 12
    page = (disturbed.results.parent / "report.html").read_text()
    assert "water" in page
    assert 'src="http' not in page
    assert "Is the energy conserved?" in page


def test_every_job_says_where_it_ran(disturbed: Run) -> None:
    rows = [dict(zip(HEADS, row, strict=True)) for row in where_it_ran(disturbed.results.parent)]
    assert {row["host"] for row in rows} == {socket.gethostname()}
    assert {row["rule"]: row["jobs"] for row in rows}["label shard"] == "2"
    assert len(rows) == 22
    page = (disturbed.results.parent / "report.html").read_text()
    assert socket.gethostname() in page.partition("Where it ran")[2]


def test_metrics_have_the_keys_of_the_contract(disturbed: Run) -> None:
    metrics = json.loads((disturbed.results / "metrics.json").read_text())
    assert set(metrics) >= METRICS
    # so short a spectrum has not settled
    assert {key for key, value in metrics.items() if value is None} <= {"spectrum_converged_ps"}
    assert all(np.isfinite(value) for value in metrics.values() if value is not None)
    assert metrics["charge_max_error_e"] < 1e-5
    assert (metrics["n_train"], metrics["n_test"]) == (6, 2)


def test_every_netcdf_file_says_how_it_was_made(disturbed: Run) -> None:
    files = sorted(disturbed.results.rglob("*.nc"))
    assert len(files) == 15
    for path in files:
        with xr.open_dataset(path) as dataset:
            assert {"densnet_stage", "densnet_version", "method_version", "settings"} <= set(dataset.attrs), path
            for name, variable in dataset.data_vars.items():
                assert {"units", "long_name"} <= set(variable.attrs), (path, name)
    with xr.open_dataset(disturbed.results / "labels.nc") as labels:
        assert (labels.attrs["functional"], labels.attrs["basis"]) == ("HF", "6-31G")


def test_a_killed_run_ends_at_the_results_of_an_undisturbed_one(disturbed: Run, undisturbed: Run) -> None:
    with (
        xr.open_dataset(disturbed.results / "labels.nc") as ours,
        xr.open_dataset(undisturbed.results / "labels.nc") as theirs,
    ):
        timings = ["wall_time"]
        xr.testing.assert_equal(ours.drop_vars(timings), theirs.drop_vars(timings))
    ours_state, theirs_state = (
        dict(tensors(torch.load(run.results / "model.pt", weights_only=True))) for run in (disturbed, undisturbed)
    )
    assert len(ours_state) > 5
    assert ours_state.keys() == theirs_state.keys()
    for name, tensor in ours_state.items():
        assert torch.equal(tensor, theirs_state[name]), name


def tensors(content: object, name: str = "") -> list[tuple[str, torch.Tensor]]:
    """Return every tensor in nested dictionaries, by path."""
    if isinstance(content, torch.Tensor):
        return [(name, content)]
    if isinstance(content, dict):
        return [pair for key, value in content.items() for pair in tensors(value, f"{name}/{key}")]
    return []


def test_a_second_run_does_nothing_and_says_so(disturbed: Run) -> None:
    before = disturbed.modified()
    output = disturbed.finish()
    assert "Nothing to be done" in output
    assert "report.html" in output.splitlines()[-1]
    assert disturbed.modified() == before


def test_an_output_that_was_cut_short_is_remade_with_what_depends_on_it(disturbed: Run) -> None:
    before = disturbed.modified()
    spectrum = disturbed.results / "spectrum.nc"
    os.truncate(spectrum, spectrum.stat().st_size // 2)
    assert "spectrum.nc is cut short; set aside as spectrum.nc.damaged" in disturbed.finish()
    (disturbed.results / "spectrum.nc.damaged").unlink()
    after = disturbed.modified()
    remade = {name for name in after if after[name] != before[name]}
    figures = {name for name in after if name.startswith("water/figures/")}
    results = {f"water/{name}" for name in ("spectrum.nc", "comparison.nc", "assignment.nc", "metrics.json")}
    assert remade == {"report.html", "report.json"} | results | figures
    assert after.keys() == before.keys()


def command_line(process: psutil.Process) -> list[str]:
    """Return a process's words, none if it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_ctrl_c_ends_the_jobs_and_the_same_command_goes_on(undisturbed: Run) -> None:
    shards = [undisturbed.results / "shards" / f"{number}.nc" for number in (0, 1)]
    targets = [str(path.relative_to(undisturbed.folder)) for path in shards]
    with xr.open_dataset(shards[0]) as before:
        energies = before["energy"].values
    shutil.rmtree(shards[0].parent)
    shutil.rmtree(undisturbed.results / "logs" / "label_shard")
    process = undisturbed.start(*targets)
    deadline = time.monotonic() + PATIENCE_SECONDS
    # as soon as Psi4 starts, for water's few labels are done in seconds
    jobs: list[psutil.Process] = []
    while not any("psi4_worker" in word for job in jobs for word in command_line(job)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
        jobs = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert psutil.wait_procs(jobs, timeout=10)[1] == []
    assert not any(path.exists() for path in shards)
    undisturbed.finish(*targets)
    with xr.open_dataset(shards[0]) as after:
        np.testing.assert_array_equal(after["energy"].values, energies)


def test_two_runs_at_once_are_refused(undisturbed: Run) -> None:
    (undisturbed.results / "atoms.nc").unlink()
    first = undisturbed.start("results/toy/water/atoms.nc")
    while "starting" not in (first.stdout.readline() if first.stdout else "starting"):
        assert first.poll() is None
    # or it might be over before the second one, on a busy machine, has looked
    first.send_signal(signal.SIGSTOP)
    second = undisturbed.start("results/toy/water/atoms.nc")
    output, _ = second.communicate(timeout=PATIENCE_SECONDS)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert f"process {first.pid} is running here already" in output
    first.communicate(timeout=PATIENCE_SECONDS)
    assert (undisturbed.results / "atoms.nc").exists()


def test_a_round_of_active_learning_is_labelled_and_learned_from(undisturbed: Run, tmp_path: Path) -> None:
    run = Run(tmp_path)
    shutil.copytree(undisturbed.folder, run.folder, dirs_exist_ok=True)
    toy = (run.folder / "my toy.yaml").read_text()
    active = "{rounds: 1, frames: 3, members: 2, temperatures: [300], picoseconds: 0.05, expected_error: 0.01}"
    (run.folder / "my toy.yaml").write_text(f"{toy}active: {active}\n")
    run.finish("results/toy/water/rounds.csv")
    first, final = (run.results / "rounds.csv").read_text().splitlines()[1:]
    assert first.startswith("1,6,")
    assert first.endswith(",3")
    # of three frames one is for validation
    assert final.startswith("2,8,")
    with xr.open_dataset(run.results / "rounds" / "1" / "labels.nc") as found:
        assert found.sizes["frame"] == 3
        assert np.isfinite(found["coefficients"]).all()
    assert (run.results / "figures" / "rounds.png").stat().st_size > 0
