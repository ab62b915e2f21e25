"""What each stage cost, from the benchmark files that Snakemake writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from densnet.errors import DensnetError
from densnet.report.job_costs import read_job_costs
from densnet.report.palette import MODEL, PRIOR
from densnet.report.sources import Sources
from densnet.report.style import Drawn, drawing, lettered_panels


def read_benchmarks(folder: Path) -> pd.DataFrame:
    """Return the cost of each rule with a file in the folder, in the order in which the rules ended.

    Columns are ``rule``, ``seconds`` (wall time of each job) and ``max_rss_mb`` (of the largest job, NaN where all were
    too short to be measured).
    """
    jobs = read_job_costs(Path(folder))
    if jobs.empty:
        raise DensnetError(f"benchmarks: no .tsv file in {folder}; run the workflow, or leave --benchmarks out")
    of_rule = jobs.groupby("rule", as_index=False)
    costs = of_rule.agg(seconds=("s", list), max_rss_mb=("max_rss", "max"), ended=("ended", "max"))
    return costs.sort_values(["ended", "rule"], ignore_index=True)


def duration(seconds: float) -> str:
    """Return 0.42 s, 12 s, 3.5 min or 2.1 h."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _note(seconds: list[float]) -> str:
    longest = f" ({len(seconds)} jobs, longest {duration(max(seconds))})" if len(seconds) > 1 else ""
    return f" {duration(sum(seconds))}{longest}"


@drawing(
    11,
    "Time and memory of every stage",
    "{system}: (a) wall time of every rule, summed over its jobs (how many, and the longest, in brackets); (b)"
    " largest resident memory of a job. From the benchmark files of the workflow.",
    of="benchmarks",
)
def timings(sources: Sources) -> Drawn:
    """Draw wall time and memory of every rule."""
    if sources.benchmarks is None:
        raise ValueError("timings: no benchmarks")
    costs = read_benchmarks(sources.benchmarks)
    figure, (left, right) = lettered_panels(9.0, 0.9 + 0.3 * len(costs), 1, 2, sharey=True, width_ratios=[2.0, 1.0])
    totals = costs["seconds"].map(sum)
    bars = left.barh(costs.index, totals, color=MODEL, height=0.65)
    left.bar_label(bars, costs["seconds"].map(_note), fontsize=7.5)
    left.set(xlim=(0, 1.6 * totals.max()), xlabel="wall time, all jobs [s]")
    left.set_yticks(costs.index, costs["rule"].str.replace("_", " "))
    left.invert_yaxis()
    memory = costs["max_rss_mb"].fillna(0.0)
    bars = right.barh(costs.index, memory, color=PRIOR, height=0.65)
    right.bar_label(bars, [f" {mb:.0f}" if np.isfinite(mb) else " –" for mb in costs["max_rss_mb"]], fontsize=7.5)
    right.set(xlim=(0, max(1.25 * memory.max(), 1.0)), xlabel="resident memory [MB]")
    return figure, sources.words
