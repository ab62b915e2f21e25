"""The line that says where a job ran: written by a verb, of a GPU that is pretended, and read again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from densnet.errors import DensnetError
from densnet.io import job_record
from densnet.io.job_record import JobRecord, read_records, record_here


def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "densnet.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | more)


def test_a_verb_that_is_asked_says_at_its_end_where_it_ran(water_run: Path, tmp_path: Path) -> None:
    asked = ["basis", "extract", "--labels", str(water_run / "labels.nc"), "--output", str(tmp_path / "basis.json")]
    done = run(*asked, DENSNET_RECORD_JOB="1")
    assert done.returncode == 0, done.stderr
    (tmp_path / "log").write_text(f"something else\n{done.stderr}")
    assert read_records(tmp_path / "log") == [JobRecord(socket.gethostname(), job_record.processor())]
    assert done.stderr.splitlines()[-1].startswith(job_record.MARK)
    assert job_record.MARK not in run(*asked).stderr, "nobody asked"


def test_a_verb_that_failed_leaves_its_one_line_and_no_record(tmp_path: Path) -> None:
    missing = ["basis", "extract", "--labels", str(tmp_path / "none.nc"), "--output", str(tmp_path / "basis.json")]
    done = run(*missing, DENSNET_RECORD_JOB="1")
    assert done.returncode == 1
    assert done.stderr.startswith("densnet: error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two cards of which the second is used, and a driver."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda n: n * 300 * 2**20)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: f"Card {n}")
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 550.54\necho 550.54\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


@pytest.mark.usefixtures("gpus")
def test_of_gpus_those_that_were_used_are_named() -> None:
    assert record_here() == JobRecord(socket.gethostname(), "Card 1", "550.54", "12.4", 300.0)


@pytest.mark.usefixtures("gpus")
def test_a_driver_that_cannot_be_asked_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert record_here().driver == ""


def test_a_damaged_record_names_its_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(JobRecord("here", "a card").line()[:-5] + "\n")
    with pytest.raises(DensnetError, match=r"log: expected a record .*delete the log"):
        read_records(tmp_path / "log")
    assert read_records(tmp_path / "no log") == []
