"""Print what a run would cost, for each rule and system, before anything is submitted: ``make plan``."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps import system_of

from operations.costs import Law, Measurement, Work, earlier, laws
from operations.critical_path import timed, undelayed_seconds
from operations.planned_jobs import MANY, PlannedJob, planned

UNKNOWN = Law((), math.nan)
"""Of a rule that was never measured: what it costs to start."""


@dataclass
class Row:
    """Jobs of one rule and system: how many, what they cost, and by what factor that may be off."""

    jobs: int = 0
    core_hours: float = 0.0
    gpu_hours: float = 0.0
    error: float = 1.0


def rows(jobs: Iterable[PlannedJob], known: Mapping[tuple[str, bool], Law]) -> dict[tuple[str, str], Row]:
    """Return a row for each rule and system. Jobs on GPUs cost as on a CPU until one has been measured."""
    table: dict[tuple[str, str], Row] = defaultdict(Row)
    for job in jobs:
        row = table[job.rule, system_of(job.wildcards.get("system", ""))]
        row.jobs += 1
        law = _law(job, known)
        hours = law.core_seconds(_work(job)) / 3600
        row.core_hours += hours
        row.gpu_hours += hours * _gpus(job)
        row.error = law.error
    return table


def seconds(job: PlannedJob, known: Mapping[tuple[str, bool], Law]) -> float:
    """Return how long a job is expected to run, its threads sharing the work; of GPUs it is the time that counts."""
    return _law(job, known).core_seconds(_work(job)) / (1 if _gpus(job) else job.threads)


def _law(job: PlannedJob, known: Mapping[tuple[str, bool], Law]) -> Law:
    return known.get((job.rule, _gpus(job) > 0)) or known.get((job.rule, False), UNKNOWN)


def _work(job: PlannedJob) -> Work:
    return Work(int(job.resources.get("amount", 1)), int(job.resources.get("size", 1)))


def _gpus(job: PlannedJob) -> int:
    return int(job.resources.get("gpu", 1 if job.resources.get("gpu_model") else 0))


def wall_time(jobs: Sequence[PlannedJob], known: Mapping[tuple[str, bool], Law], cores: int) -> str:
    """Return how long a run takes on so many cores, in words."""
    expected = [seconds(job, known) for job in jobs]
    wall = spoken(undelayed_seconds(timed(jobs, expected), cores))
    return f"{wall} where no job waits in a queue" if cores >= MANY else f"{wall} on {cores} cores"


def spoken(duration: float) -> str:
    """Return a duration in s as one reads it: ``12 s``, ``3 min 20 s``, ``1 h 05 min``."""
    whole = round(duration)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def as_text(table: Mapping[tuple[str, str], Row]) -> str:
    """Return the table with its sums."""
    width = max(len(name) for key in table for name in key)
    head = f"{'rule':<{width}}  {'system':<{width}}  {'jobs':>5}  {'core-hours':>10}  {'error':>6}  {'GPU-hours':>9}"
    lines = [head, "-" * len(head)]
    for (rule, system), row in table.items():
        error = "?" if math.isnan(row.error) else f"x{row.error:.2f}"
        gpu = f"{row.gpu_hours:9.2f}" if row.gpu_hours else f"{'':9}"
        line = f"{rule:<{width}}  {system:<{width}}  {row.jobs:5}  {row.core_hours:10.2f}  {error:>6}  {gpu}"
        lines.append(line.rstrip())
    sums = [sum(getattr(row, name) for row in table.values()) for name in ("jobs", "core_hours", "gpu_hours")]
    total = f"{'together':<{width}}  {'':<{width}}  {sums[0]:5}  {sums[1]:10.2f}  {'':6}  {sums[2]:9.2f}"
    lines += ["-" * len(head), total]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Print the table.

    Raises:
        ConfigurationError: Snakemake refuses to plan.
    """
    plan = planned(arguments)
    own: list[Measurement] = list(earlier(Path("results")))
    known = laws(own)
    table = rows(plan.jobs, known)
    if not table:
        print("nothing to be done")
        return
    print(as_text(table))
    print(f"wall time: {wall_time(plan.jobs, known, plan.cores)}")
    print(
        "\nerror: the usual factor between cost and prediction, each measurement predicted from the others.\n"
        f"Measured: {len(own)} earlier jobs in this folder; what they say nothing of, elsewhere "
        "(workflow/operations/costs.csv). GPU-hours as on a CPU until a job has run on a GPU."
    )
