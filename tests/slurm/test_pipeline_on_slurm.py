"""The real pipeline on a real Slurm, Psi4 included: a run to which everything happens ends as an undisturbed one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch
import xarray as xr
import yaml
from cluster import Cluster, cluster, missing, wait_for

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 900.0
OUTAGE_SECONDS = 20.0
OVER = {"COMPLETED", "CANCELLED", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
"""States that last. A job that is being warned is SIGNALING for a moment, which is neither."""
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(bool(missing()) and not os.environ.get("CI"), reason=f"needs Slurm: {missing()}"),
]


class Run:
    """A folder in which the toy configuration is run through the launcher on a cluster."""

    def __init__(self, folder: Path, on: Cluster) -> None:
        self.folder, self.cluster = folder, on
        self.hold = folder / "hold"
        self.output = folder / "launcher.txt"
        self.results = folder / "results" / "toy" / "water"
        self.hold.mkdir()
        shutil.copy(ROOT / "tests" / "workflow" / "toy.yaml", folder / "config.yaml")
        shell = f'densnet() {{ "{sys.executable}" "{ROOT}/tests/slurm/held.py" "$@"; }}\n'
        (folder / "held.sh").write_text(shell)
        self._write_profile()

    def _write_profile(self) -> None:
        """The test cluster's profile, but first attempts fail: two minutes to train densities, 300 MB energies."""
        profile = yaml.safe_load((ROOT / "profiles" / "slurm-ci" / "config.yaml").read_text())
        profile["set-resources"]["density_model"]["runtime"] = "2 * attempt**2"
        profile["set-resources"]["energy_model"]["mem_mb"] = "300 * attempt**3"
        (self.folder / "profile").mkdir()
        (self.folder / "profile" / "config.yaml").write_text(yaml.safe_dump(profile))

    def start(self, *targets: str) -> subprocess.Popen[bytes]:
        """Start the launcher."""
        command = [sys.executable, ROOT / "workflow" / "launch.py", *targets]
        command += ["--snakefile", ROOT / "workflow" / "Snakefile"]
        command += ["--profile", ROOT / "profiles" / "slurm", "--workflow-profile", self.folder / "profile"]
        held = {"BASH_ENV": str(self.folder / "held.sh"), "DENSNET_TEST_HOLD": str(self.hold)}
        with self.output.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self.cluster.environment, **held},
                process_group=0,
            )

    def hold_at(self, *points: str) -> None:
        """Let jobs wait at these points from now on."""
        for point in points:
            (self.hold / point).touch()

    def release(self, *points: str) -> None:
        """Let them go on."""
        for point in points:
            (self.hold / point).unlink()

    def job_at(self, point: str, *, other_than: str = "") -> str:
        """Wait until a job is at a point and return its number."""
        path = self.hold / f"{point}.reached"
        wait_for(
            f"a job at {point}",
            lambda: path.exists() and path.read_text() not in {"", other_than},
            seconds=PATIENCE_SECONDS,
        )
        return path.read_text()

    def first_job(self, rule: str) -> str:
        """Wait until a rule has a job and return the number of its first."""

        def found() -> list[int]:
            jobs = self.cluster.jobs().items()
            return sorted(int(number) for number, job in jobs if job["comment"].startswith(f"rule_{rule}_"))

        wait_for(f"a job of {rule}", lambda: bool(found()), seconds=PATIENCE_SECONDS)
        return str(found()[0])

    def state(self, job: str) -> str:
        """Return the state of a job as squeue names it."""
        return self.cluster.jobs().get(job, {}).get("state", "")

    def ended(self, job: str) -> str:
        """Wait until a job has left the node and return its state."""
        wait_for(f"job {job} is over", lambda: self.state(job) in OVER, seconds=PATIENCE_SECONDS)
        return self.state(job)

    def kill(self, launcher: subprocess.Popen[bytes]) -> None:
        """KILL Snakemake and its launcher at once; their jobs stay in the queue."""
        processes = [psutil.Process(launcher.pid), *psutil.Process(launcher.pid).children(recursive=True)]
        for process in processes:
            process.kill()
        launcher.wait(60)
        psutil.wait_procs(processes[1:], timeout=60)

    def log(self, rule: str) -> str:
        """Return what the last attempt at a job has logged."""
        path = self.results / "logs" / f"{rule}.log"
        return path.read_text() if path.exists() else ""

    def everything(self) -> str:
        """Return all that helps to understand a failure."""
        texts = [f"---- jobs\n{yaml.safe_dump(self.cluster.jobs())}", self.cluster.logs()]
        logs = [self.output, *self.results.rglob("logs/**/*.log"), *self.folder.glob(".snakemake/slurm_logs/**/*.log")]
        texts += [f"---- {path}\n{path.read_text(errors='replace')[-6000:]}" for path in logs if path.exists()]
        return "\n".join(texts)


@dataclass(frozen=True)
class Story:
    """What happened to the jobs of the run, by number."""

    run: Run
    cancelled: str
    lost: str
    warned: str
    orphaned: str
    too_large: str
    states: dict[str, str]


@contextmanager
def explained(run: Run, launchers: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Show every log when something fails, and leave no launcher behind."""
    try:
        yield
    except BaseException:
        print(run.everything())
        raise
    finally:
        for launcher in launchers:
            if launcher.poll() is None:
                run.kill(launcher)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One run: a scheduler that is away, a cancelled job, a dead node, no time, a dead Snakemake, no memory."""
    with cluster() as on:
        run = Run(tmp_path_factory.mktemp("slurm"), on)
        launchers: list[subprocess.Popen[bytes]] = []
        with explained(run, launchers):
            run.hold_at("label-0", "label-1", "density", "energy")
            launchers.append(run.start())
            states = {}

            cancelled, lost = run.job_at("label-0"), run.job_at("label-1")
            on.kill_controller()
            time.sleep(OUTAGE_SECONDS)
            on.start_controller()
            wait_for("the controller knows the job again", lambda: run.state(cancelled) == "RUNNING")
            on.run("scancel", cancelled)
            states[cancelled] = run.ended(cancelled)
            on.kill_node()
            states[lost] = run.ended(lost)
            on.start_node()
            run.release("label-0", "label-1")

            warned = run.job_at("density")
            states[warned] = run.ended(warned)
            orphaned = run.job_at("density", other_than=warned)
            run.kill(launchers[0])
            states[orphaned] = run.state(orphaned)
            launchers.append(run.start())
            run.ended(orphaned)
            run.release("density")

            # it may be killed before it comes to where it would wait
            too_large = run.first_job("energy_model")
            states[too_large] = run.ended(too_large)
            run.release("energy")
            wait_for("the run ends", lambda: launchers[1].poll() is not None, seconds=PATIENCE_SECONDS)
            assert launchers[1].returncode == 0
        yield Story(run, cancelled, lost, warned, orphaned, too_large, states)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the same configuration on this machine's own cores, up to the model."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(ROOT / "tests" / "workflow" / "toy.yaml", folder / "config.yaml")
    command = [sys.executable, ROOT / "workflow" / "launch.py", "results/toy/water/model.pt"]
    command += ["--snakefile", ROOT / "workflow" / "Snakefile", "--max-threads", "1"]
    command += ["--workflow-profile", ROOT / "profiles" / "local"]
    subprocess.run(command, cwd=folder, check=True, timeout=PATIENCE_SECONDS)
    return folder / "results" / "toy" / "water"


def test_each_job_met_its_fate_and_was_done_again(story: Story) -> None:
    assert story.states[story.cancelled] == "CANCELLED"
    assert story.states[story.lost] == "NODE_FAIL"
    # the scheduler's warning ended it in order, or its time was over first
    assert story.states[story.warned] in {"FAILED", "TIMEOUT"}
    assert story.states[story.orphaned] == "RUNNING"
    assert story.states[story.too_large] in {"OUT_OF_MEMORY", "FAILED", "CANCELLED"}
    jobs = story.run.cluster.jobs().values()
    done = {job["comment"] for job in jobs if job["state"] == "COMPLETED"}
    assert {job["comment"] for job in jobs} == done


def test_what_was_finished_was_not_done_again(story: Story) -> None:
    for shard in (0, 1):
        assert "of 5 frames were done before; going on" in story.run.log(f"label_shard/{shard}")
    # asked to stop as it waited before step 61, it finished that step; later attempts came further
    assert "going on from step 6" in story.run.log("density_model")
    launched = story.run.output.read_text()
    # found in the queue, or, since the node is this machine, among its processes
    assert "that a killed run left" in launched
    # energies began anew: the kernel does not warn
    assert "going on" not in story.run.log("energy_model")


def test_models_had_a_gpu_each_and_more_memory_or_time_with_each_attempt(story: Story) -> None:
    jobs = list(story.run.cluster.jobs().values())
    for rule in ("density_model", "energy_model", "evaluation", "trajectory"):
        mine = [job for job in jobs if job["comment"].startswith(f"rule_{rule}_")]
        assert mine
        assert {(job["partition"], job["gpus"]) for job in mine} == {("gpu", "gpu:fake:1")}
    memory = [job["memory"] for job in jobs if job["comment"].startswith("rule_energy_model_")]
    assert sorted(memory) == ["2400M", "300M"]
    labels = [job for job in jobs if job["comment"].startswith("rule_label_shard_")]
    assert {(job["partition"], job["gpus"]) for job in labels} == {("cpu", "")}


def test_the_results_are_those_of_an_undisturbed_run(story: Story, undisturbed: Path) -> None:
    ours = story.run.results
    with xr.open_dataset(ours / "labels.nc") as labels, xr.open_dataset(undisturbed / "labels.nc") as others:
        xr.testing.assert_equal(labels.drop_vars("wall_time"), others.drop_vars("wall_time"))
    found, expected = (torch.load(folder / "model.pt", weights_only=True) for folder in (ours, undisturbed))
    tensors = [(name, value) for name, value in leaves(expected) if isinstance(value, torch.Tensor)]
    assert len(tensors) > 5
    same = dict(leaves(found))
    for name, tensor in tensors:
        assert torch.equal(tensor, same[name]), name


def leaves(content: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield every value in nested dictionaries, with its path."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, f"{name}/{key}")
    else:
        yield name, content


def test_the_report_is_there_and_nothing_is_left_to_do(story: Story) -> None:
    assert "water" in (story.run.results.parent / "report.html").read_text()
    launcher = story.run.start()
    assert launcher.wait(PATIENCE_SECONDS) == 0
    assert "Nothing to be done" in story.run.output.read_text()
    assert not list(story.run.results.rglob("*.parts")) + list(story.run.results.rglob("*.checkpoint"))


def test_a_round_of_active_learning_runs_on_the_cluster(story: Story) -> None:
    run = story.run
    active = "{rounds: 1, frames: 2, members: 2, temperatures: [300], picoseconds: 0.02, expected_error: 0.01}"
    with (run.folder / "config.yaml").open("a") as config:
        config.write(f"active: {active}\n")
    launchers = [run.start("results/toy/water/rounds/1/labels.nc")]
    with explained(run, launchers):
        assert launchers[0].wait(PATIENCE_SECONDS) == 0
    with xr.open_dataset(run.results / "rounds" / "1" / "labels.nc") as found:
        assert found.sizes["frame"] == 2
    jobs = list(run.cluster.jobs().values())
    for rule, count in (("round_density", 2), ("round_energy", 2), ("round_geometries", 1)):
        mine = [job for job in jobs if job["comment"].startswith(f"rule_{rule}_")]
        assert [(job["partition"], job["gpus"]) for job in mine] == [("gpu", "gpu:fake:1")] * count
