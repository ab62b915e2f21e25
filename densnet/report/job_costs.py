"""What each job cost and where it ran, from the files that it left: Snakemake's benchmark, and its log."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from densnet.errors import DensnetError
from densnet.io.job_record import JobRecord, read_records

HEADS = ("system", "rule", "jobs", "host", "device", "driver", "wall [s]", "CPU [s]", "memory [MB]", "GPU memory [MB]")
NUMBERS = ("jobs", "wall [s]", "CPU [s]", "memory [MB]", "GPU memory [MB]")
"""Columns that are laid to the right."""


@dataclass(frozen=True)
class JobCost:
    """Cost of one job; NaN where it was too short to be measured.

    Attributes:
        rule: what it was a job of.
        seconds: wall time.
        cpu_seconds: processor time of it and all that it started.
        max_rss_mb: largest resident memory, MB.
        ended: when the file was written, s since 1970.
        name: path of the file below the folder of benchmarks, without its ending.
    """

    rule: str
    seconds: float
    cpu_seconds: float
    max_rss_mb: float
    ended: float
    name: str


def read_job_costs(folder: Path) -> list[JobCost]:
    """Read ``folder``/rule.tsv and ``folder``/rule/job.tsv.

    Raises:
        DensnetError: a TSV file without the column "s".
    """
    costs = []
    for path in sorted(folder.glob("*.tsv")) + sorted(folder.glob("*/**/*.tsv")):
        name = path.relative_to(folder).with_suffix("")
        with path.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened, delimiter="\t"))
        try:
            costs += [
                JobCost(
                    name.parts[0],
                    float(row["s"]),
                    _number(row.get("cpu_time")),
                    _number(row.get("max_rss")),
                    path.stat().st_mtime,
                    str(name),
                )
                for row in rows
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise DensnetError(
                f"{path}: expected a benchmark file with a column 's'; delete it and run again"
            ) from error
    return costs


def _number(text: str | None) -> float:
    """Return a cell's number; Snakemake writes "-" or "NA" for jobs too short to be sampled."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def where_it_ran(run: Path) -> list[list[str]]:
    """Return a row for each system and rule of a run, in the order of :data:`HEADS`; a dash is what nobody knows.

    Times are summed over the jobs, memory is the largest job's. Variants of a sweep count as their system's. A job that
    was tried several times is shown as it ended.

    Args:
        run: a folder with ``benchmarks`` and ``logs`` of the same names, at any depth.

    Raises:
        DensnetError: a file cannot be read.
    """
    jobs: dict[tuple[str, str], list[tuple[JobCost, list[JobRecord]]]] = {}
    for folder in sorted(run.glob("**/benchmarks")):
        system = folder.parent.relative_to(run).as_posix().split("/variants/")[0].removeprefix(".")
        for cost in read_job_costs(folder):
            records = _that_computed(read_records(folder.parent / "logs" / f"{cost.name}.log"))
            jobs.setdefault((system, cost.rule), []).append((cost, records))
    ended = {key: max(cost.ended for cost, _ in of_rule) for key, of_rule in jobs.items()}
    order = sorted(jobs, key=lambda key: (key[0], ended[key], key[1]))
    return [_row(*key, jobs[key]) for key in order]


def _row(system: str, rule: str, jobs: Sequence[tuple[JobCost, Sequence[JobRecord]]]) -> list[str]:
    costs, records = [cost for cost, _ in jobs], [record for _, left in jobs for record in left]
    drivers = [f"{record.driver or '?'} (CUDA {record.cuda})" for record in records if record.cuda]
    return [
        system or "all",
        rule.replace("_", " "),
        str(len(costs)),
        _different(record.host for record in records),
        _different(record.device for record in records),
        _different(drivers),
        _shown(sum(cost.seconds for cost in costs)),
        _shown(over_known(sum, (cost.cpu_seconds for cost in costs))),
        _shown(over_known(max, (cost.max_rss_mb for cost in costs))),
        _shown(over_known(max, (_gpu_memory(left) for _, left in jobs))),
    ]


def _that_computed(records: list[JobRecord]) -> list[JobRecord]:
    """Return those of a job's processes that had GPUs, if any had: the others only wait for them."""
    return [record for record in records if record.cuda] or records


def _gpu_memory(records: Sequence[JobRecord]) -> float:
    held = [record.gpu_memory_mb for record in records if record.cuda]
    return sum(held) if held else math.nan


def _different(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))) or "–"


def over_known(combine: Callable[[list[float]], float], values: Iterable[float]) -> float:
    """Return the sum, the largest ... of the values that are known; NaN if none is."""
    known = [value for value in values if not math.isnan(value)]
    return combine(known) if known else math.nan


def _shown(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}" if value < 10 else f"{value:.0f}"
