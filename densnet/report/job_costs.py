"""What each job cost and where it ran, from the files that it left: Snakemake's benchmark, and its log."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from densnet.errors import DensnetError
from densnet.io.job_record import JobRecord, read_records

HEADS = ("system", "rule", "jobs", "host", "device", "driver", "wall [s]", "CPU [s]", "memory [MB]", "GPU memory [MB]")
NUMBERS = ("jobs", "wall [s]", "CPU [s]", "memory [MB]", "GPU memory [MB]")
"""Columns that are laid to the right."""
MEASURED = ["s", "cpu_time", "max_rss"]
"""Columns of Snakemake's files that are read."""


def read_job_costs(folder: Path) -> pd.DataFrame:
    """Read ``folder``/rule.tsv and ``folder``/rule/job.tsv, a row a job.

    Columns are ``rule``, ``name`` (path of the file below the folder, without its ending), ``ended`` (when it was
    written, s since 1970), and of the job and all that it started wall time ``s``, processor time ``cpu_time``, both in
    s, and largest resident memory ``max_rss`` in MB; NaN where it was too short to be measured.

    Raises:
        DensnetError: a TSV file without the column "s".
    """
    jobs: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.tsv")) + sorted(folder.glob("*/**/*.tsv")):
        name = path.relative_to(folder).with_suffix("")
        job = {"rule": name.parts[0], "name": str(name), "ended": path.stat().st_mtime}
        try:
            table = pd.read_csv(path, sep="\t", na_values="-", usecols=lambda column: column in MEASURED, dtype=float)
            jobs += [job | measured for measured in table.dropna(subset="s").to_dict("records")]
        except (KeyError, ValueError) as error:
            raise DensnetError(
                f"{path}: expected a benchmark file with a column 's'; delete it and run again"
            ) from error
    return pd.DataFrame(jobs, columns=["rule", "name", "ended", *MEASURED])


def where_it_ran(run: Path) -> list[list[str]]:
    """Return a row for each system and rule of a run, in the order of :data:`HEADS`; a dash is what nobody knows.

    Times are summed over the jobs, memory is the largest job's. Variants of a sweep count as their system's. A job that
    was tried several times is shown as it ended. A run is a folder with ``benchmarks`` and ``logs`` of the same names,
    at any depth.
    """
    jobs = []
    for folder in sorted(run.glob("**/benchmarks")):
        system = folder.parent.relative_to(run).as_posix().split("/variants/")[0].removeprefix(".")
        costs, logs = read_job_costs(folder), folder.parent / "logs"
        records = costs["name"].map(lambda name, logs=logs: _that_computed(read_records(logs / f"{name}.log")))
        jobs.append(costs.assign(system=system, records=records))
    if not jobs:
        return []
    by_rule = dict(list(pd.concat(jobs).groupby(["system", "rule"])))
    order = sorted(by_rule, key=lambda names: (names[0], by_rule[names]["ended"].max(), names[1]))
    return [_row(system, rule, by_rule[system, rule]) for system, rule in order]


def _row(system: str, rule: str, jobs: pd.DataFrame) -> list[str]:
    records = [record for of_job in jobs["records"] for record in of_job]
    return [
        system or "all",
        rule.replace("_", " "),
        str(len(jobs)),
        _different(record.host for record in records),
        _different(record.device for record in records),
        _different(f"{record.driver or '?'} (CUDA {record.cuda})" for record in records if record.cuda),
        _shown(jobs["s"].sum()),
        _shown(jobs["cpu_time"].sum(min_count=1)),
        _shown(jobs["max_rss"].max()),
        _shown(jobs["records"].map(_gpu_memory).max()),
    ]


def _that_computed(records: list[JobRecord]) -> list[JobRecord]:
    """Return those of a job's processes that had GPUs, if any had: the others only wait for them."""
    return [record for record in records if record.cuda] or records


def _gpu_memory(records: list[JobRecord]) -> float:
    held = [record.gpu_memory_mb for record in records if record.cuda]
    return sum(held) if held else math.nan


def _different(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))) or "–"


def _shown(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}" if value < 10 else f"{value:.0f}"
