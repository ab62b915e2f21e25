"""What a run shows of its jobs, from events and logs as Snakemake and the verbs write them; how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from operations.costs import START_SECONDS, Law
from operations.planned_jobs import Planned, PlannedJob
from operations.progress import Progress, say_how_it_ended, watch
from rich.console import Console

ROOT = Path(__file__).parents[2]
TEN_SECONDS = {("label_shard", False): Law(((0.0, 0.0),), 1.0)}
"""A job of an amount of 6 takes them."""


def job(shard: int) -> PlannedJob:
    """Return a shard of water's labels."""
    work = {"amount": round(10 - START_SECONDS), "size": 1}
    return PlannedJob("label_shard", {"system": "water", "shard": str(shard)}, 1, work, [], [f"{shard}.nc"])


def event(kind: str, number: int, at: float, log: Path = Path("none.log")) -> dict[str, Any]:
    """Return an event as the logger writes it."""
    said = {"event": kind, "time": at, "rule_name": "label_shard", "output": [f"{number}.nc"], "log": [str(log)]}
    message = f"water: labelling with Psi4, shard {number} of 3"
    return said | ({"job_id": number} if kind == "job_finished" else {"jobid": number, "rule_msg": message})


def progress(*, terminal: bool, cores: int = 1) -> tuple[Progress, io.StringIO]:
    """Return the display of three shards, and what it writes to."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100, color_system=None)
    return Progress(Planned([job(number) for number in range(3)], cores), TEN_SECONDS, console), written


def test_the_time_left_is_that_of_the_plan_corrected_by_what_jobs_took() -> None:
    shown, _ = progress(terminal=False)
    assert shown.seconds_left(0.0) == pytest.approx(30.0)
    shown.tell(event("job_info", 0, 100.0))
    assert shown.seconds_left(104.0) == pytest.approx(26.0)
    shown.tell(event("job_finished", 0, 120.0))
    assert shown.seconds_left(120.0) == pytest.approx(40.0), "twice as slow as planned"
    two, _ = progress(terminal=False, cores=2)
    assert two.seconds_left(0.0) == pytest.approx(20.0)


def test_without_a_terminal_there_is_a_line_for_each_start_and_end() -> None:
    shown, written = progress(terminal=False)
    shown.tell(event("job_info", 0, 100.0))
    shown.tell(event("job_finished", 0, 110.0))
    assert written.getvalue().splitlines() == [
        "starting  water: labelling with Psi4, shard 0 of 3",
        "done      water: labelling with Psi4, shard 0 of 3: 10 s (1 of 3 jobs, 20 s left)",
    ]


def test_on_a_terminal_there_is_a_line_for_a_stage_once_all_its_jobs_are_done(tmp_path: Path) -> None:
    shown, written = progress(terminal=True)
    log = tmp_path / "0.log"
    now = time.time()
    log.write_text("densnet label: 3/9 frames, 1.2 s each, 7 s left\n")
    shown.tell(event("job_info", 0, now - 3, log))
    shown.console.print(shown.lines(now))
    (running, together) = written.getvalue().splitlines()
    assert running.split(maxsplit=8)[-1].split() == ["3/9", "3", "s", "7", "s", "left"]
    assert together.strip() == "0 of 3 jobs, 27 s left"
    for number in range(3):
        assert "✓" not in written.getvalue()
        shown.tell(event("job_info", number, now))
        shown.tell(event("job_finished", number, now + 10))
    assert written.getvalue().splitlines()[-1] == "✓ water: labelling with Psi4 (3 jobs): 13 s"


def test_the_log_of_an_earlier_attempt_says_nothing_of_this_one(tmp_path: Path) -> None:
    shown, _ = progress(terminal=True)
    log = tmp_path / "0.log"
    log.write_text("densnet label: 8/9 frames, 1.2 s each, 1 s left\n")
    os.utime(log, (1.0, 1.0))
    shown.tell(event("job_info", 0, 100.0, log))
    assert shown.seconds_left(100.0) == pytest.approx(30.0)


def test_a_failed_job_is_told_of_with_its_last_error_and_its_log(tmp_path: Path) -> None:
    shown, written = progress(terminal=False)
    log = tmp_path / "0.log"
    log.write_text("densnet: error: psi4: no such basis; take another\ndensnet: where it ran: here\n")
    shown.tell(event("job_info", 0, 100.0, log))
    shown.tell(event("job_error", 0, 110.0, log))
    line = written.getvalue().splitlines()[-1]
    assert line.startswith("failed    water: labelling with Psi4, shard 0 of 3: densnet: error: psi4: no such basis;")
    assert line.endswith(f"its log: {log}")


def test_the_exit_status_is_snakemakes_and_what_it_said_last_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, _ = progress(terminal=False)
    events, log = tmp_path / "events", tmp_path / "snakemake.log"
    events.write_text(json.dumps(event("job_info", 0, 100.0)) + "\n" + '{"event": "job_fini')
    log.write_text("Building DAG of jobs...\nIncompleteFilesException\n")
    status = watch(subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]), shown, events, [])
    assert status == 3
    say_how_it_ended(shown, status, stopped=False, log=log)
    said = capsys.readouterr().err.splitlines()
    assert said[-2] == "IncompleteFilesException"
    assert said[-1].startswith("densnet: failed; 0 of 3 jobs are done, and the same command goes on from there; ")


FAILING = """
rule all:
    input: "a"
rule metrics:
    output: "a"
    log: "a.log"
    shell: "{command}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of one job that is not ours, which the launcher shows as any other."""
    (tmp_path / "config.yaml").write_bytes((ROOT / "tests" / "workflow" / "toy.yaml").read_bytes())
    return tmp_path


def launched(folder: Path, command: str) -> subprocess.Popen[str]:
    """Start the launcher with one job that runs a command."""
    (folder / "Snakefile").write_text(FAILING.replace("{command}", command))
    words = [sys.executable, str(ROOT / "workflow" / "launch.py"), "--snakefile", "Snakefile", "--cores", "1"]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_run_that_fails_says_why(folder: Path) -> None:
    process = launched(folder, "echo 'densnet: error: not today' >> {log}; exit 1")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "failed    metrics: densnet: error: not today; its log: a.log" in said
    assert said.splitlines()[-1].startswith("densnet: failed; 0 of 1 jobs are done")
    assert "Error in rule metrics" in (folder / "results" / "toy" / "logs" / "snakemake.log").read_text()


def test_without_snakemake_one_line_says_what_to_install(folder: Path) -> None:
    (folder / "snakemake.py").write_text('raise ImportError("none here", name="snakemake")')
    command = [sys.executable, str(ROOT / "workflow" / "launch.py"), "-n"]
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", str(ROOT))])
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr == "densnet: the workflow needs snakemake: pip install '.[workflow]' in the clone\n"


def test_ctrl_c_is_one_line_that_says_how_to_go_on(folder: Path) -> None:
    process = launched(folder, "touch begun; sleep 100")
    deadline = time.monotonic() + 120
    while not (folder / "begun").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode != 0
    # before it, which program computes and how many jobs there are
    assert said[2:] == [
        "starting  metrics",
        "densnet: stopped; 0 of 1 jobs are done, and the same command goes on from there",
    ]
