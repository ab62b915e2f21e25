"""How much longer a run took than its jobs had to: wall time against what no scheduler can do better.

``python workflow/launch.py --critical-path --workflow-profile profiles/local --configfile config.yaml``, in the folder
of a run that was made in one go, with the arguments that it was made with. A run cannot be shorter than

* the critical path: the longest chain of jobs of which each waits for the one before it;
* its work: core-seconds (threads times seconds, summed over the jobs) over the number of cores;
* and hardly shorter than the same jobs in the same order, started without delay on as many cores: when a core is free,
  the job of highest priority that is ready and fits takes it.

Seconds of a job are those of its benchmark file, so that what Snakemake does before, between and after the jobs is the
difference.
"""

from __future__ import annotations

import csv
import heapq
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from configuration import ConfigurationError

from operations.planned_jobs import PlannedJob, planned

LOGS = Path(".snakemake/log")
ELAPSED = re.compile(r"^Elapsed time: (?:(\d+) days?, )?(\d+):(\d+):([\d.]+)$", re.MULTILINE)
CORES = re.compile(r"^Provided cores: (\d+)", re.MULTILINE)
DONE = re.compile(r"^(\d+) of (\d+) steps \(100%\) done$", re.MULTILINE)


@dataclass(frozen=True)
class Timed:
    """A job that ran: its seconds, its cores, the numbers of the jobs that it waited for, and its priority."""

    name: str
    seconds: float
    threads: int
    after: tuple[int, ...]
    priority: float = 0


@dataclass(frozen=True)
class LoggedRun:
    """What Snakemake's log says of a run: its wall time in seconds, cores, jobs, and when it began (s since 1970)."""

    seconds: float
    cores: int
    n_jobs: int
    began: float


def critical_path(jobs: Sequence[Timed]) -> list[Timed]:
    """Return the longest chain of jobs, first to last."""
    chains: dict[int, tuple[float, list[int]]] = {}

    def chain(number: int) -> tuple[float, list[int]]:
        if number not in chains:
            seconds, before = max((chain(other) for other in jobs[number].after), default=(0.0, []))
            chains[number] = seconds + jobs[number].seconds, [*before, number]
        return chains[number]

    return [jobs[number] for number in max(map(chain, range(len(jobs))), default=(0.0, []))[1]]


def work_seconds(jobs: Sequence[Timed], cores: int) -> float:
    """Return core-seconds over cores."""
    return sum(job.seconds * min(job.threads, cores) for job in jobs) / cores


def undelayed_seconds(jobs: Sequence[Timed], cores: int) -> float:
    """Return how long the jobs take if each starts the moment that cores are free for it, highest priority first."""
    waiting = {number: set(job.after) for number, job in enumerate(jobs)}
    running: list[tuple[float, int]] = []
    now, free = 0.0, cores
    while waiting or running:
        ready = sorted((n for n, after in waiting.items() if not after), key=lambda n: (-jobs[n].priority, n))
        for number in ready:
            if min(jobs[number].threads, cores) <= free:
                free -= min(jobs[number].threads, cores)
                heapq.heappush(running, (now + jobs[number].seconds, number))
                del waiting[number]
        now, ended = heapq.heappop(running)
        free += min(jobs[ended].threads, cores)
        for after in waiting.values():
            after.discard(ended)
    return now


def timed(jobs: Sequence[PlannedJob], seconds: Sequence[float]) -> list[Timed]:
    """Return the jobs as what takes so many seconds each and waits for those whose files it takes."""
    made_by: Mapping[str, int] = {path: number for number, job in enumerate(jobs) for path in job.outputs}
    return [
        Timed(
            " ".join([job.rule, *job.wildcards.values()]),
            taken,
            job.threads,
            tuple(sorted({made_by[path] for path in job.inputs if path in made_by})),
            job.priority,
        )
        for job, taken in zip(jobs, seconds, strict=True)
    ]


def measured_seconds(job: PlannedJob, run: LoggedRun) -> float:
    """Return the seconds of a job's benchmark file; a job without one does nothing.

    Raises:
        ConfigurationError: the job has not been run, or not in this run.
    """
    if not job.benchmark:
        return 0.0
    benchmark = Path(job.benchmark)
    if not benchmark.exists() or benchmark.stat().st_mtime < run.began:
        raise ConfigurationError(
            f"{benchmark}: expected the benchmark of a job of the run that began last; make the whole run in one go, "
            "in an empty folder"
        )
    with benchmark.open(newline="") as opened:
        return sum(float(row["s"]) for row in csv.DictReader(opened, delimiter="\t"))


def logged_run(folder: Path, n_jobs: int) -> LoggedRun:
    """Return what the newest log of a run of so many jobs says.

    Raises:
        ConfigurationError: there is none.
    """
    for path in sorted(folder.glob("*.snakemake.log"), reverse=True):
        text = path.read_text(errors="replace")
        done, cores, elapsed = DONE.findall(text), CORES.search(text), ELAPSED.search(text)
        if done and cores and elapsed and int(done[-1][1]) == n_jobs:
            days, hours, minutes, seconds = (float(word or 0) for word in elapsed.groups())
            wall = 86400 * days + 3600 * hours + 60 * minutes + seconds
            return LoggedRun(wall, int(cores[1]), n_jobs, path.stat().st_mtime - wall)
    raise ConfigurationError(
        f"{folder}: expected the log of a run of all {n_jobs} jobs in one go, found none; make it in an empty folder"
    )


def main(arguments: list[str]) -> None:
    """Print wall time and the three bounds.

    Raises:
        ConfigurationError: the run was not made in one go with these arguments.
    """
    jobs_of_it = planned([*arguments, "--forceall"]).jobs
    # with 'all', which gathers them
    run = logged_run(LOGS, len(jobs_of_it) + 1)
    jobs = timed(jobs_of_it, [measured_seconds(job, run) for job in jobs_of_it])
    path = critical_path(jobs)
    bounds = {
        "critical path": sum(job.seconds for job in path),
        f"work on {run.cores} cores": work_seconds(jobs, run.cores),
        "same jobs without delay": undelayed_seconds(jobs, run.cores),
    }
    print(f"{len(jobs)} jobs, wall time {run.seconds:.1f} s")
    for name, seconds in bounds.items():
        print(f"  {name:<24} {seconds:8.1f} s    wall time is {run.seconds / seconds:.3f} times that")
    print("on the critical path: " + ", ".join(f"{job.name} ({job.seconds:.1f} s)" for job in path if job.seconds))
