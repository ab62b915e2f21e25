"""Bounds on a run's wall time: the longest chain, the work, and a schedule without delay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from configuration import ConfigurationError
from operations import critical_path
from operations.critical_path import LoggedRun, Timed
from operations.planned_jobs import PlannedJob

# two short ones before a long one, a wide one beside them, and one that closes
JOBS = [
    Timed("a", 2.0, 1, ()),
    Timed("b", 3.0, 1, ()),
    Timed("long", 10.0, 1, (0, 1)),
    Timed("wide", 4.0, 4, (0,)),
    Timed("last", 1.0, 1, (2, 3)),
]


def test_the_longest_chain_is_found() -> None:
    assert [job.name for job in critical_path.critical_path(JOBS)] == ["b", "long", "last"]


@pytest.mark.parametrize(
    ("cores", "work", "undelayed"),
    # on two cores a and b run at once; the wide one takes both, at 3 or at 13 s, by its priority
    [(1, 20.0, 20.0), (2, 12.0, 18.0), (8, 4.0, 14.0)],
)
def test_cores_limit_what_runs_at_once(cores: int, work: float, undelayed: float) -> None:
    assert critical_path.work_seconds(JOBS, cores) == pytest.approx(work)
    assert critical_path.undelayed_seconds(JOBS, cores) == pytest.approx(undelayed)


def test_priority_decides_who_waits() -> None:
    first = [Timed("short", 1.0, 1, (), 0), Timed("chain", 5.0, 1, (), 9), Timed("end", 5.0, 1, (1,), 9)]
    assert critical_path.undelayed_seconds(first, 1) == 11.0
    two = [*first, Timed("other", 9.0, 1, (), 5)]
    assert critical_path.undelayed_seconds(two, 2) == 10.0


def write_log(folder: Path, n_jobs: int, elapsed: str) -> None:
    folder.mkdir()
    text = f"Provided cores: 2 (use --cores ...)\n{n_jobs} of {n_jobs} steps (100%) done\nElapsed time: {elapsed}\n"
    (folder / "2026-01-01T000000.000000.snakemake.log").write_text(text)


def test_a_log_says_how_long_it_took(tmp_path: Path) -> None:
    write_log(tmp_path / "log", 3, "1 day, 1:02:03.5")
    found = critical_path.logged_run(tmp_path / "log", 3)
    assert (found.seconds, found.cores) == (86400 + 3600 + 123.5, 2)
    with pytest.raises(ConfigurationError, match="expected the log of a run of all 4 jobs in one go"):
        critical_path.logged_run(tmp_path / "log", 4)


def test_jobs_wait_for_the_makers_of_their_inputs(tmp_path: Path) -> None:
    benchmark = tmp_path / "labels.tsv"
    benchmark.write_text("s\th:m:s\n2.5\t0:00:02\n")
    jobs = [
        PlannedJob("report", {}, 1, {}, inputs=["labels.nc", "config.yaml"]),
        PlannedJob("labels", {"system": "water"}, 2, {}, [], ["labels.nc"], str(benchmark), 70),
    ]
    run = LoggedRun(3.0, 2, 2, benchmark.stat().st_mtime - 1)
    seconds = [critical_path.measured_seconds(job, run) for job in jobs]
    assert critical_path.timed(jobs, seconds) == [Timed("report", 0.0, 1, (1,)), Timed("labels water", 2.5, 2, (), 70)]
    os.utime(benchmark, (run.began - 9, run.began - 9))
    with pytest.raises(ConfigurationError, match=r"labels\.tsv: expected the benchmark of a job of the run"):
        critical_path.measured_seconds(jobs[1], run)
