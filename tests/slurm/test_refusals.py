"""What a cluster would refuse is one line before anything is submitted, here from the cluster's own words."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster import Cluster, cluster, missing

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(missing()) and not os.environ.get("CI"), reason=f"needs Slurm: {missing()}"),
]


@pytest.fixture(scope="module")
def on() -> Iterator[Cluster]:
    """A cluster of its own."""
    with cluster() as running:
        yield running


def launch(folder: Path, on: Cluster, change: dict[str, object]) -> str:
    """Start a run with a changed profile of the test cluster, and return what is said when it is refused."""
    profile = yaml.safe_load((ROOT / "profiles" / "slurm-ci" / "config.yaml").read_text()) | change
    (folder / "profile").mkdir()
    (folder / "profile" / "config.yaml").write_text(yaml.safe_dump(profile))
    shutil.copy(ROOT / "tests" / "workflow" / "toy.yaml", folder / "config.yaml")
    command = [sys.executable, ROOT / "workflow" / "launch.py", "--snakefile", ROOT / "workflow" / "Snakefile"]
    command += ["--profile", ROOT / "profiles" / "slurm", "--workflow-profile", folder / "profile"]
    done = subprocess.run(command, cwd=folder, env=on.environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert not (folder / "results").exists()
    assert not on.jobs()
    return done.stderr


def test_a_partition_that_does_not_exist(tmp_path: Path, on: Cluster) -> None:
    said = launch(tmp_path, on, {"default-resources": {"slurm_partition": "'CPU_PARTITION'"}})
    assert said.count("densnet: error:") == 1
    assert "invalid partition specified: CPU_PARTITION" in said
    assert "marked block of profiles/slurm/config.yaml" in said


def test_a_partition_that_demands_an_account(tmp_path: Path, on: Cluster) -> None:
    said = launch(tmp_path, on, {"default-resources": {"slurm_partition": "'billed'"}})
    assert said.count("densnet: error:") == 1
    assert "name an account" in said
    assert "set slurm_account" in said


def test_gpus_memory_and_time_that_no_node_has(tmp_path: Path, on: Cluster) -> None:
    asked = {
        "density_model": {"slurm_partition": "'bare'", "gpu": 1, "mem_mb": 1000, "runtime": 10},
        "energy_model": {"slurm_partition": "'gpu'", "gpu": 1, "gpu_model": "'a100'"},
        "label_shard": {"mem_mb": 900000},
        "trajectory": {"slurm_partition": "'short'", "runtime": 600},
        # such a node could take it, but is down: no reason to refuse
        "report": {"slurm_partition": "'bare'", "mem_mb": 1000, "runtime": 10},
    }
    said = launch(tmp_path, on, {"set-resources": asked})
    lines = [line.removeprefix("densnet: error: slurm: ") for line in said.splitlines() if "densnet: error:" in line]
    assert [line.split(", found")[0] for line in sorted(lines)] == [
        "density_model: gpu: expected GPUs that partition bare has (none)",
        "energy_model: gpu: expected GPUs that partition gpu has (gpu:fake:2)",
        "label_shard: mem_mb: expected at most 64000, the largest node of partition cpu",
        "trajectory: runtime: expected at most 5 minutes, the limit of partition short",
    ]


def test_a_scheduler_that_does_not_answer(tmp_path: Path, on: Cluster) -> None:
    away = Cluster(on.folder)
    away.environment = on.environment | {"SLURM_CONF": str(tmp_path / "slurm.conf")}
    settings = Path(on.environment["SLURM_CONF"]).read_text()
    # where nobody listens
    (tmp_path / "slurm.conf").write_text(re.sub(r"(?m)^SlurmctldPort=.*$", "SlurmctldPort=1", settings))
    said = launch(tmp_path, away, {})
    assert said.count("densnet: error: slurm: sinfo: ") == 1
    assert "see whether the scheduler is up" in said
