"""The short table that closes a run: a column a system."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from densnet.report.metrics import Metrics, explanation, formatted
from densnet.spectra.compare import peers_of

N_LINES = 5

Row = tuple[str, list[str]]

_ROWS = (
    "density_nmae_percent",
    "density_nmae_true_percent",
    "density_floor_percent",
    "density_prior_percent",
    "density_coulomb_error_mha",
    "dipole_mae_debye",
    "potential_rms_error_mv",
    "potential_rms_error_true_mv",
    "potential_floor_mv",
    "potential_prior_mv",
    "charge_max_error_e",
    "energy_mae_mev_per_atom",
    "force_mae_mev_per_angstrom",
    "n_members",
    "density_spread_percent",
    "dipole_spread_debye",
    "energy_spread_mev_per_atom",
    "force_spread_mev_per_angstrom",
    "nve_drift_mev_per_atom_per_ps",
    "md_ps_total",
    "md_ms_per_step_per_replica",
)


def metric_rows(metrics: Sequence[Metrics]) -> list[Row]:
    """Return (label with unit, a value for each system)."""
    scores = sorted({key for one in metrics for key in one if key.startswith("spectrum_")})
    rows = []
    for key in (*_ROWS, *scores, "n_train", "n_test", "test_distance_to_train_angstrom"):
        if not any(key in one for one in metrics):
            continue
        shown = explanation(key)
        label = f"{shown.label} [{shown.unit}]" if shown.unit else shown.label
        rows.append((label, [formatted(key, one[key]) if key in one else "–" for one in metrics]))
    return rows


def line_texts(comparison: xr.Dataset) -> list[str]:
    """Return the strongest lines, each beside the experimental fundamental nearest to it, in 1/cm."""
    positions = comparison["line_wavenumber"].values[:N_LINES]
    if "line_experiment" not in comparison:
        return [f"{x:.0f}" for x in positions]
    nearest = comparison["line_experiment"].values[:N_LINES]
    names = comparison["line_description"].values[:N_LINES]
    return [f"{x:.0f} ({e:.0f} {name})" for x, e, name in zip(positions, nearest, names, strict=True)]


def region_table(comparison: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return heads (region, experimental fundamentals, then measured, model and peers, as there are) and rows in 1/cm,
    high wavenumbers first."""
    if "region" not in comparison.variables:
        return [], []
    curves = {"jcamp": "measured", "model": "model"} | {label: name for name, label in peers_of(comparison).items()}
    peaks = {head: comparison.get(f"region_{label}_peak") for label, head in curves.items()}
    shown = {head: values for head, values in peaks.items() if values is not None and bool(values.notnull().any())}
    rows = []
    for index in np.argsort(-comparison["region_experiment"].values):
        low = float(comparison["region_experiment_low"][index])
        high = float(comparison["region_experiment_high"][index])
        row = [str(comparison["region"].values[index]), f"{low:.0f}" if low == high else f"{low:.0f}–{high:.0f}"]
        row += ["–" if np.isnan(peak[index]) else f"{float(peak[index]):.0f}" for peak in shown.values()]
        rows.append(row)
    return ["region", "fundamentals", *shown], rows


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of text, first column to the left, the others to the right."""
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = []
    for row in table:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines)


def summary_text(names: Sequence[str], metrics: Sequence[Metrics], comparisons: Sequence[xr.Dataset]) -> str:
    """Return the closing table: errors, speed, scores, then each system's bands beside experiment."""
    parts = [plain_table(["", *names], [[label, *values] for label, values in metric_rows(metrics)])]
    for name, comparison in zip(names, comparisons, strict=True):
        parts.append(f"{name}: strongest lines, 1/cm (nearest experimental fundamental)")
        parts.append("  " + "\n  ".join(line_texts(comparison)))
        heads, regions = region_table(comparison)
        if regions:
            parts.append(plain_table([f"{name}: bands, 1/cm", *heads[1:]], regions))
    return "\n\n".join(parts)
