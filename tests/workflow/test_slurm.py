"""A cluster that is not there, and what sinfo prints of one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from operations import slurm

ROOT = Path(__file__).parents[2]


def launch(folder: Path, profile: str, path: str) -> str:
    """Start a run that is refused, and return what is said."""
    (folder / "config.yaml").write_bytes((ROOT / "tests" / "workflow" / "toy.yaml").read_bytes())
    command = [sys.executable, ROOT / "workflow" / "launch.py", "--snakefile", ROOT / "workflow" / "Snakefile"]
    command += ["--workflow-profile", profile]
    done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 1
    assert not (folder / "results").exists()
    return done.stderr


def test_without_slurm_the_remedy_is_named(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").symlink_to(shutil.which("bash") or "/bin/bash")
    said = launch(tmp_path, str(ROOT / "profiles" / "slurm"), path=str(tmp_path / "bin"))
    assert said.startswith("densnet: error: slurm: expected the commands of Slurm on the PATH, found no sbatch, ")
    assert "PROFILE=profiles/local" in said
    assert len(said.splitlines()) == 1


def test_a_profile_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """Snakemake would go on without it."""
    said = launch(tmp_path, "profiles/slrum", path=os.environ["PATH"])
    assert "profile: expected one of profiles/local, profiles/slurm, profiles/slurm-ci, found 'profiles/slrum'" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("resources", "model", "number", "has"),
    [
        ("gpu:a100:4(S:0-1)", "a100", 4, True),
        ("gpu:a100:4(S:0-1)", "a100", 5, False),
        ("gpu:a100:4", "h100", 1, False),
        ("shard:8,gpu:2", "", 2, True),
        ("gpu:2", "a100", 1, False),
        ("(null)", "", 1, False),
    ],
)
def test_gpus_of_a_node(resources: str, model: str, number: int, has: bool) -> None:
    assert slurm._has(resources, model, number) is has


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("infinite", float("inf")), ("1-12:30:00", 2190), ("2:00:00", 120), ("30:00", 30), ("0:30", 0.5)],
)
def test_limits_of_time(limit: str, minutes: float) -> None:
    assert slurm._minutes(limit) == minutes
