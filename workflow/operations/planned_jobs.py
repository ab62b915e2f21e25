"""What Snakemake would run for some arguments, job by job, without running anything.

As a program, ``python -m operations.planned_jobs FILE ARGUMENTS ...`` writes it as JSON: Snakemake changes the process
that it is called in, so that it is called in one of its own.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from configuration import ConfigurationError

MANY = 4096


@dataclass(frozen=True)
class PlannedJob:
    """One job: its rule, wildcards, threads and resources as the profile sets them; its files, and its priority."""

    rule: str
    wildcards: dict[str, str]
    threads: int
    resources: dict[str, Any]
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    benchmark: str = ""
    priority: int = 0


@dataclass(frozen=True)
class Planned:
    """The jobs of a run, without ``all`` that gathers them, and the cores of the profile; a cluster has many."""

    jobs: list[PlannedJob]
    cores: int


def planned(arguments: Sequence[str]) -> Planned:
    """Return what Snakemake would run now.

    Raises:
        ConfigurationError: Snakemake refuses; what it said is the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.json"
        done = subprocess.run(
            [sys.executable, "-m", "operations.planned_jobs", path, *arguments],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
        )
        if done.returncode or not path.exists():
            # a dry run tells of its errors on standard output
            lines = (done.stderr + done.stdout).splitlines()
            said = [line for line in lines if line and not line.startswith(("Using ", "WorkflowError in", "  File "))]
            raise ConfigurationError("\n".join(said) or "Snakemake refuses to plan")
        content = json.loads(path.read_text())
    return Planned([PlannedJob(**job) for job in content["jobs"] if job["rule"] != "all"], content["cores"])


class _Collector(logging.Handler):
    """Keeps the events that loggers of Snakemake's are told of each job (snakemake-interface-logger-plugins)."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[int, PlannedJob] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) != "job_info":
            return
        seen = vars(record)
        resources = {name: value for name, value in seen["resources"].items() if isinstance(value, int | float | str)}
        self.jobs[seen["jobid"]] = PlannedJob(
            seen["rule_name"],
            dict(seen["wildcards"] or {}),
            int(seen["threads"]),
            resources,
            list(seen["input"]),
            list(seen["output"]),
            str(seen["benchmark"] or ""),
            int(seen["priority"]),
        )


def _main(path: str, *arguments: str) -> int:
    # here alone: it takes a second, and the executor looks for its scheduler
    from snakemake.cli import args_to_api, parse_args, parse_cores

    collector = _Collector()
    # Snakemake clears the handlers of its own logger, not those of the one above
    logging.getLogger("snakemake").addHandler(collector)
    parser, settings = parse_args([*arguments, "--dry-run"])
    # a dry run would squeeze a cluster's jobs into the cores of this machine
    settings.cores = parse_cores(settings.cores or MANY)
    if not args_to_api(settings, parser):
        return 1
    Path(path).write_text(
        json.dumps({"cores": settings.cores, "jobs": [asdict(job) for job in collector.jobs.values()]})
    )
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
