"""The short table that closes a run: a column a system."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from densnet.quantities import METRICS, metric_of
from densnet.report.doubts import doubts
from densnet.report.metrics import Metrics
from densnet.spectra.compare import peer_labels
from densnet.spectra.kinds import SAID, kind_of

N_LINES = 5
SHOWN = {"jcamp": "measured"}
"""What references are called where they are shown."""
SCORE_HEADS = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "overlap": "overlap",
    "scaling_factor": "best factor",
    "pearson_scaled": "Pearson with it",
}
"""Heads of the columns of :data:`densnet.spectra.scores.SCORES`."""

Row = tuple[str, list[str]]


def metric_rows(metrics: Sequence[Metrics]) -> list[Row]:
    """Return (label with unit, a value for each system), spectra sorted by what they are compared with."""
    known = sorted({key for of_system in metrics for key in of_system})
    shown = {key: metric_of(key) for brief in METRICS if brief.brief for key in known if brief.match(key)}
    return [
        (metric.title, [metric.formatted(of_system[key]) if key in of_system else "–" for of_system in metrics])
        for key, metric in shown.items()
    ]


def line_texts(comparison: xr.Dataset) -> list[str]:
    """Return the strongest lines, each beside the experimental fundamental nearest to it, in 1/cm."""
    positions = comparison["line_wavenumber"].values[:N_LINES]
    if not len(positions):
        return [f"none: no {SAID[kind_of(comparison)]} activity" if comparison.attrs.get("inactive") else "none"]
    if "line_experiment" not in comparison:
        return [f"{x:.0f}" for x in positions]
    nearest = comparison["line_experiment"].values[:N_LINES]
    names = comparison["line_description"].values[:N_LINES]
    return [f"{x:.0f} ({e:.0f} {name})" for x, e, name in zip(positions, nearest, names, strict=True)]


def band_rows(comparison: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the bands, high wavenumbers first, in 1/cm; no rows without fundamentals.

    They are the regions of the experimental table, its fundamentals, and the highest maximum there of the measured
    spectrum, the model's and the others', if they have a band in any region.
    """
    if "region" not in comparison.variables:
        return [], []
    names = {"jcamp": "measured", "peer": str(comparison.attrs.get("peer") or "peer")}
    curves = [str(name)[7:-5] for name in comparison if re.fullmatch("region_.+_peak", str(name))]
    whose = sorted(curves, key=lambda who: ("jcamp", "model", who).index(who))
    peaks = {names.get(who, who): comparison[f"region_{who}_peak"].values for who in whose}
    peaks = {name: values for name, values in peaks.items() if np.isfinite(values).any()}
    rows = []
    for index in np.argsort(-comparison["region_experiment"].values):
        low, high = (float(comparison[f"region_experiment_{end}"][index]) for end in ("low", "high"))
        row = [str(comparison["region"].values[index]), f"{low:.0f}" if low == high else f"{low:.0f}–{high:.0f}"]
        rows.append(row + ["–" if np.isnan(values[index]) else f"{values[index]:.0f}" for values in peaks.values()])
    return ["region", "fundamentals", *peaks], rows


def score_rows(comparison: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the scores, each with the ends of its interval: of the model against each other
    spectrum, and of each peer against the measured one; no rows where nothing is scored."""
    if "reference" not in comparison.variables:
        return [], []
    references = [str(name) for name in comparison["reference"].values]
    columns = [(f"model, {SHOWN.get(name, name)}", "", {"reference": n}) for n, name in enumerate(references)]
    for name, label in peer_labels(comparison.attrs["peers"].split()).items():
        if f"pearson_{label}" in comparison:
            columns.append((f"{name}, {SHOWN['jcamp']}", f"_{label}", {}))
    largest = float(comparison.attrs["largest_scaling"])
    rows = [
        [who, *(_score(comparison, kind, suffix, place, largest) for kind in SCORE_HEADS)]
        for who, suffix, place in columns
    ]
    return ["spectra", *SCORE_HEADS.values()], rows


def _score(comparison: xr.Dataset, kind: str, suffix: str, place: Mapping[str, int], largest: float) -> str:
    """Return one score in words: a factor at an end of the range searched lies there or beyond."""
    value = float(comparison[f"{kind}{suffix}"].isel(place))
    low, high = comparison[f"{kind}{suffix}_interval"].isel(place).values
    if np.isnan(value):
        return "–"
    digits, beyond = (3, abs(value - 1) > largest - 1e-9) if kind == "scaling_factor" else (2, False)
    sign = ("≥ " if value > 1 else "≤ ") if beyond and largest else ""
    interval = "" if np.isnan(low) else f" ({low:.{digits}f}–{high:.{digits}f})"
    return f"{sign}{value:.{digits}f}{interval}"


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of text, first column to the left, the others to the right."""
    table = [list(header), *rows]
    width = [max(map(len, column)) for column in zip(*table, strict=True)]
    cells = [[row[0].ljust(width[0]), *map(str.rjust, row[1:], width[1:])] for row in table]
    lines = ["  ".join(row).rstrip() for row in cells]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def summary_text(names: Sequence[str], metrics: Sequence[Metrics], comparisons: Sequence[xr.Dataset]) -> str:
    """Return the closing table: errors, speed, scores, then each system's bands beside experiment."""
    parts = [plain_table(["", *names], [[label, *values] for label, values in metric_rows(metrics)])]
    for name, of_system, comparison in zip(names, metrics, comparisons, strict=True):
        nearest = " (nearest experimental fundamental)" if "line_experiment" in comparison else ""
        parts.append(f"{name}: strongest lines, 1/cm{nearest}")
        parts.append("  " + "\n  ".join(line_texts(comparison)))
        parts += [f"{name}: {sentence}" for sentence in doubts(of_system)]
        header, bands = band_rows(comparison)
        if bands:
            parts.append(plain_table([f"{name}: bands, 1/cm", *header[1:]], bands))
    return "\n\n".join(parts)
