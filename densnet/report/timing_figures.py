"""What each stage cost, from the benchmark files that Snakemake writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densnet.errors import DensnetError
from densnet.report.job_costs import JobCost, over_known, read_job_costs
from densnet.report.sources import Sources
from densnet.report.style import MODEL, PRIOR, Drawn, drawing, new_figure, panel_letter


@dataclass(frozen=True)
class StageCost:
    """Cost of one rule over all its jobs.

    Attributes:
        rule: its name.
        seconds: wall time of each job.
        max_rss_mb: largest resident memory of a job, MB; NaN where a job was too short to be measured.
    """

    rule: str
    seconds: tuple[float, ...]
    max_rss_mb: float


def read_benchmarks(folder: Path) -> list[StageCost]:
    """Return the cost of each rule with a file in the folder, in the order in which the rules ended.

    Raises:
        DensnetError: no such folder, no TSV file in it, or one without the column "s".
    """
    jobs: dict[str, list[JobCost]] = {}
    for cost in read_job_costs(Path(folder)):
        jobs.setdefault(cost.rule, []).append(cost)
    if not jobs:
        raise DensnetError(f"benchmarks: no .tsv file in {folder}; run the workflow, or leave --benchmarks out")
    order = sorted(jobs, key=lambda rule: (max(cost.ended for cost in jobs[rule]), rule))
    return [
        StageCost(
            rule,
            tuple(cost.seconds for cost in jobs[rule]),
            over_known(max, (cost.max_rss_mb for cost in jobs[rule])),
        )
        for rule in order
    ]


def duration(seconds: float) -> str:
    """Return 0.42 s, 12 s, 3.5 min or 2.1 h."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@drawing(
    11,
    "Time and memory of every stage",
    "{system}: (a) wall time of every rule, summed over its jobs (how many, and the longest, in brackets); (b)"
    " largest resident memory of a job. From the benchmark files of the workflow.",
    of="benchmarks",
)
def timings(sources: Sources) -> Drawn:
    """Draw wall time and memory of every rule.

    Raises:
        ValueError: the sources have no benchmarks.
    """
    if sources.benchmarks is None:
        raise ValueError("timings: no benchmarks")
    costs = read_benchmarks(sources.benchmarks)
    figure = new_figure(9.0, 0.9 + 0.3 * len(costs))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.0, 1.0])
    places = np.arange(len(costs))
    totals = np.array([sum(cost.seconds) for cost in costs])
    left.barh(places, totals, color=MODEL, height=0.65)
    for place, cost, total in zip(places, costs, totals, strict=True):
        jobs = f" ({len(cost.seconds)} jobs, longest {duration(max(cost.seconds))})" if len(cost.seconds) > 1 else ""
        left.text(total, place, f" {duration(float(total))}{jobs}", va="center", fontsize=7.5)
    left.set_xlim(0, 1.6 * totals.max())
    left.set_yticks(places, [cost.rule.replace("_", " ") for cost in costs])
    left.invert_yaxis()
    left.set_xlabel("wall time, all jobs [s]")
    panel_letter(left, "a")
    memory = np.array([cost.max_rss_mb for cost in costs])
    right.barh(places, np.nan_to_num(memory), color=PRIOR, height=0.65)
    for place, value in zip(places, memory, strict=True):
        right.text(
            np.nan_to_num(value), place, f" {value:.0f}" if np.isfinite(value) else " –", va="center", fontsize=7.5
        )
    right.set_xlim(0, max(1.25 * float(np.nan_to_num(memory).max()), 1.0))
    right.set_xlabel("resident memory [MB]")
    panel_letter(right, "b")
    return figure, sources.words
