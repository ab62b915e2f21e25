"""What a test of robustness prints: scans of pairs, curves of others, hot dynamics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from densnet.report.table import plain_table
from densnet.units import EV_IN_MEV, PS_IN_FS
from densnet.validation.curves import BELOW, EnergyCurve
from densnet.validation.findings import Finding
from densnet.validation.pair_scan import Scan, ScanSummary
from densnet.validation.settings import FailureSettings
from densnet.validation.time_to_failure import Failures

SHOWN = 10
"""Holes that are named."""


def scan_text(findings: Sequence[Finding], scan: Scan, summary: ScanSummary, points: Sequence[tuple[str, int]]) -> str:
    """Return the table of a scan's findings and that of its remarkable points."""
    rows = [
        [finding.what, f"{finding.value:d}" if finding.unit == "1" else f"{_short(finding.value, 3)} {finding.unit}"]
        for finding in findings
    ]
    parts = [plain_table(["scan of pairs", ""], rows)]
    holes = len(summary.holes)
    named = [
        [f"{kind}: {scan.points.name(point)}", _short(scan.tested[point], 2), _short(scan.reference[point], 2)]
        for kind, point in [*points[: min(SHOWN, holes)], *points[holes:]]
    ]
    if named:
        parts.append("\n" + plain_table(["eV above the minimum", "tested", "reference"], named))
    if holes > SHOWN:
        parts.append(f"and {holes - SHOWN} more holes")
    return "\n".join(parts)


def failures_text(failures: Sequence[Failures], settings: FailureSettings) -> str:
    """Return the table of replicas that failed at each temperature, and why each did."""
    rows = [[f"{hot.temperature:g} K", f"{len(hot.failed)} of {settings.replicas}", _times(hot)] for hot in failures]
    head = f"dynamics of {settings.replicas} replicas, {settings.picoseconds:g} ps, {settings.timestep_fs:g} fs a step"
    lines = [head, "", plain_table(["temperature", "failed", "after [ps]"], rows)]
    lines += [
        f"  {hot.temperature:g} K, replica {replica + 1}, after {hot.time[replica] / PS_IN_FS:.4f} ps: "
        f"{hot.reasons[replica]}"
        for hot in failures
        for replica in hot.failed
    ]
    return "\n".join(lines)


def curves_text(curves: Sequence[tuple[EnergyCurve, Mapping[float, float]]]) -> str:
    """Return the table of the errors along curves."""
    header = ["largest error [meV] of a curve", "points", *(f"below {bound:g} eV" for bound in BELOW)]
    rows = [
        [curve.name, str(len(curve.energy)), *(_short(EV_IN_MEV * errors[bound], 1) for bound in BELOW)]
        for curve, errors in curves
    ]
    return plain_table(header, rows)


def _times(failures: Failures) -> str:
    return " ".join(f"{failures.time[replica] / PS_IN_FS:.3f}" for replica in failures.failed) or "–"


def _short(value: float, decimals: int) -> str:
    """Return a number as a text that stays short where a potential has no bottom."""
    return f"{value:.{decimals}f}" if abs(value) < 1e5 else f"{value:.1e}"
