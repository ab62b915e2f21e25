"""What a run is doing: on a terminal a living line for each running job and a line for each finished stage.

Without a terminal it is a line for each job's start and end. Snakemake tells by its logger (workflow/logger) what
happens to jobs, and each job by its log how far it is: so it is the same wherever jobs run. The time left is that of
``make plan``, corrected by what this run's jobs took so far.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from operations.costs import Law
from operations.critical_path import timed, undelayed_seconds
from operations.plan import seconds, spoken
from operations.planned_jobs import Planned, PlannedJob

TICK_SECONDS = 0.25
ESTIMATE_SECONDS = 5.0
TAIL_BYTES = 4096
COUNTED = re.compile(r"(\d+)/(\d+)")
LEFT = re.compile(r"(\d+) s left")
LAST_LINES = 15
"""Of Snakemake's log, where it failed without a failed job."""


@dataclass(frozen=True)
class Running:
    """A job that was started: which of the planned ones, what it says of itself, its log, and when it began."""

    number: int
    message: str
    log: Path
    began: float


class Progress:
    """What is known of a run's jobs, and what is to be shown of them.

    Args:
        planned: the jobs of the run.
        known: what the jobs of each rule cost.
        console: what is written to.
    """

    def __init__(self, planned: Planned, known: Mapping[tuple[str, bool], Law], console: Console) -> None:
        self.planned = planned
        self.console = console
        self.expected = [seconds(job, known) for job in planned.jobs]
        self.jobs = timed(planned.jobs, self.expected)
        self.numbers = {_key(job.rule, job.outputs): number for number, job in enumerate(planned.jobs)}
        self.running: dict[int, Running] = {}
        self.taken: dict[int, float] = {}
        self.began: dict[tuple[str, str], float] = {}
        self.n_failed = 0
        self.estimate = -1, 0.0, 0.0

    def tell(self, event: Mapping[str, Any]) -> None:
        """Take in an event of the logger, and say what is to be said of it."""
        jobid = int(event["job_id"] if "job_id" in event else event["jobid"])
        if event["event"] == "job_info":
            number = self.numbers.get(_key(event["rule_name"], event["output"]))
            if number is not None:
                message = str(event["rule_msg"] or event["rule_name"]).strip()
                log = Path(event["log"][0]) if event["log"] else Path()
                self.running[jobid] = Running(number, message, log, event["time"])
                self.began.setdefault(_stage(self.planned.jobs[number]), event["time"])
                if not self.console.is_terminal:
                    self._say(f"starting  {message}")
        elif jobid in self.running:
            job = self.running.pop(jobid)
            if event["event"] == "job_error":
                self._fail(job, [job.log, *map(Path, event["log"])])
            else:
                self._finish(job, event["time"])

    def _finish(self, job: Running, now: float) -> None:
        self.taken[job.number] = now - job.began
        mine = _stage(self.planned.jobs[job.number])
        alike = [number for number, other in enumerate(self.planned.jobs) if _stage(other) == mine]
        if not self.console.is_terminal:
            self._say(f"done      {job.message}: {spoken(now - job.began)} ({self.together(now)})")
        elif all(number in self.taken for number in alike):
            several = f" ({len(alike)} jobs)" if len(alike) > 1 else ""
            message = job.message.rpartition(", ")[0] if several and ", " in job.message else job.message
            self._say(f"✓ {message}{several}: {spoken(now - self.began[mine])}")

    def _fail(self, job: Running, logs: list[Path]) -> None:
        self.n_failed += 1
        log = next((path for path in logs if path.is_file() and path.stat().st_size), None)
        if log is None:
            self._say(f"failed    {job.message}: it left no log")
            return
        lines = [line for line in _tail(log) if "error" in line.lower()] or _tail(log)
        self._say(f"failed    {job.message}: {lines[-1]}; its log: {log}")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def together(self, now: float) -> str:
        """Return how many jobs are done and how long the others will take together."""
        done = f"{len(self.taken)} of {len(self.planned.jobs)} jobs"
        if len(self.taken) == len(self.planned.jobs):
            return done
        # a sweep has hundreds of jobs
        if len(self.taken) != self.estimate[0] or now - self.estimate[1] > ESTIMATE_SECONDS:
            self.estimate = len(self.taken), now, self.seconds_left(now)
        return f"{done}, {spoken(max(self.estimate[2] - (now - self.estimate[1]), 0.0))} left"

    def seconds_left(self, now: float) -> float:
        """Return how long the jobs that are not done will take together."""
        left = {job.number: self._left(job, now) for job in self.running.values()}
        place = {number: n for n, number in enumerate(set(range(len(self.jobs))) - self.taken.keys())}
        rest = [
            replace(
                self.jobs[number],
                seconds=left.get(number, self._corrected(number)),
                after=tuple(place[other] for other in self.jobs[number].after if other in place),
                # those that run hold their cores now
                priority=math.inf if number in left else self.jobs[number].priority,
            )
            for number in place
        ]
        return undelayed_seconds(rest, self.planned.cores)

    def _left(self, job: Running, now: float) -> float:
        """Return how long a running job will take: as its log says, or else as expected."""
        said = LEFT.findall(" ".join(self._log(job)[-1:]))
        return float(said[-1]) if said else max(self._corrected(job.number) - (now - job.began), 0.0)

    def _corrected(self, number: int) -> float:
        """Return how long a job is expected to take on this machine, as this run's jobs have shown it."""
        rule = self.planned.jobs[number].rule
        alike = [taken / self.expected[n] for n, taken in self.taken.items() if self.planned.jobs[n].rule == rule]
        if not alike and (expected := sum(self.expected[n] for n in self.taken)):
            alike = [sum(self.taken.values()) / expected]
        return self.expected[number] * (statistics.median(alike) if alike else 1.0)

    def _log(self, job: Running) -> list[str]:
        """Return the last lines of a job's log, none if an earlier attempt wrote it."""
        return _tail(job.log) if job.log.is_file() and job.log.stat().st_mtime >= job.began else []

    def lines(self, now: float) -> Table:
        """Return the living lines: each running job, how far it is, how long it has run and will run; all together."""
        table = Table.grid(padding=(0, 2))
        for job in self.running.values():
            counted = COUNTED.findall(" ".join(self._log(job)[-1:]))
            left = self._left(job, now)
            table.add_row(
                f"  {job.message}",
                "/".join(counted[-1]) if counted else "",
                spoken(now - job.began),
                f"{spoken(left)} left" if left else "",
            )
        table.add_row(self.together(now))
        return table


def watch(process: subprocess.Popen[bytes], progress: Progress, events: Path, stopped: Sequence[int]) -> int:
    """Show what a run of Snakemake does until it ends; return its exit status.

    Args:
        stopped: the signals that ended it, if any came: what its jobs then say is no failure.
    """
    console = progress.console
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    with events.open() as told, live or nullcontext():
        over = False
        while not over:
            over = process.poll() is not None
            for event in _new(told):
                if not (stopped and event["event"] == "job_error"):
                    progress.tell(event)
            if live is not None:
                live.update(progress.lines(time.time()), refresh=True)
            if not over:
                time.sleep(TICK_SECONDS)
    return process.wait()


def _new(told: Any) -> Iterator[dict[str, Any]]:
    """Yield the events since the last call; a line that is not yet whole waits."""
    while True:
        place = told.tell()
        line = told.readline()
        if not line.endswith("\n"):
            told.seek(place)
            return
        yield json.loads(line)


def say_how_it_ended(progress: Progress, status: int, *, stopped: bool, log: Path) -> None:
    """Say of a run that did not come to its end why, and how to go on."""
    if not status:
        return
    done = f"{len(progress.taken)} of {len(progress.planned.jobs)} jobs are done"
    if stopped:
        print(f"densnet: stopped; {done}, and the same command goes on from there", file=sys.stderr)
        return
    if not progress.n_failed:
        print("\n".join(_tail(log)[-LAST_LINES:]), file=sys.stderr)
    print(f"densnet: failed; {done}, and the same command goes on from there; Snakemake's log: {log}", file=sys.stderr)


def _tail(path: Path) -> list[str]:
    """Return the last lines of a file that say something."""
    with path.open("rb") as opened:
        opened.seek(max(path.stat().st_size - TAIL_BYTES, 0))
        text = opened.read().decode(errors="replace")
    return [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def _key(rule: str, outputs: Any) -> tuple[str, ...]:
    return (rule, *outputs)


def _stage(job: PlannedJob) -> tuple[str, str]:
    return job.rule, job.wildcards.get("system", "")
