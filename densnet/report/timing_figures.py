"""What each stage cost, from the benchmark files that Snakemake writes."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densnet.errors import DensnetError
from densnet.report.captions import CAPTIONS, TITLES
from densnet.report.style import MODEL, PRIOR, Picture, new_figure, panel_letter, picture


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
    """Read ``folder``/rule.tsv and ``folder``/rule/job.tsv, in the order in which the rules ended.

    Raises:
        DensnetError: no such folder, no TSV file in it, or one without the column "s".
    """
    folder = Path(folder)
    found = sorted(folder.glob("*.tsv")) + sorted(folder.glob("*/**/*.tsv"))
    if not found:
        raise DensnetError(f"benchmarks: no .tsv file in {folder}; run the workflow, or leave --benchmarks out")
    seconds: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    ended: dict[str, float] = {}
    for path in found:
        parts = path.relative_to(folder).parts
        rule = parts[0].removesuffix(".tsv")
        with path.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened, delimiter="\t"))
        try:
            seconds.setdefault(rule, []).extend(float(row["s"]) for row in rows)
        except (KeyError, TypeError, ValueError) as error:
            raise DensnetError(
                f"{path}: expected a benchmark file with a column 's'; delete it and run again"
            ) from error
        memory.setdefault(rule, []).extend(_number(row.get("max_rss")) for row in rows)
        ended[rule] = max(ended.get(rule, 0.0), path.stat().st_mtime)
    order = sorted(seconds, key=lambda rule: (ended[rule], rule))
    return [StageCost(rule, tuple(seconds[rule]), _largest(memory[rule])) for rule in order if seconds[rule]]


def _number(text: str | None) -> float:
    """Return a cell's number; Snakemake writes "-" or "NA" for jobs too short to be sampled."""
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _largest(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return max(known) if known else float("nan")


def duration(seconds: float) -> str:
    """Return 0.42 s, 12 s, 3.5 min or 2.1 h."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def timings(system: str, costs: list[StageCost]) -> Picture:
    """Draw wall time and memory of every rule."""
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
    return picture(figure, "timings", TITLES["timings"], CAPTIONS["timings"].format(system=system))
