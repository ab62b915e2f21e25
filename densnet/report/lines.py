"""The strongest lines of a spectrum and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.spectra.assignment import PARTS, line_shares

Array = NDArray[np.float64]

DISTANCE = 45.0
"""Lines closer than this to a stronger one are neither numbered nor told, 1/cm."""
WORTH_A_WORD = 0.2
"""A kind with a smaller share of a line is left out of its phrase."""
N_RAMAN = 8
"""Raman lines that are listed."""
WORTH_NAMING = 0.25
"""Bonds and angles with a smaller share of their kind are left out of it."""


def phrases(assignment: xr.Dataset, lines: Array) -> list[str]:
    """Return what lines (n,) in 1/cm are made of, kinds of motion with the bonds that move, the largest first.

    "C-O/C-C stretch 71 %, C-O-H bend 24 %": of a kind the names that have :data:`WORTH_NAMING` of it.
    """
    kinds = line_shares(assignment, lines)
    names = assignment["name"].values.astype(str)
    by_name = line_shares(assignment, lines, of="kinetic_energy_by_name")
    return [_phrase(*shares, names) for shares in zip(kinds, by_name, strict=True)]


def _phrase(kinds: Array, by_name: Array, names: NDArray[np.str_]) -> str:
    told = []
    for k in np.argsort(-kinds):
        if kinds[k] < WORTH_A_WORD:
            continue
        alike = np.flatnonzero([name.split()[-1] == PARTS[k] for name in names])
        most = [n for n in alike[np.argsort(-by_name[alike])] if by_name[n] >= WORTH_NAMING * by_name[alike].sum()]
        bonds = "/".join(names[n].split()[0] for n in most)
        told.append(f"{bonds} {PARTS[k]} {100 * kinds[k]:.0f} %".strip())
    return ", ".join(told)


def lines_apart(wavenumber: Array, count: int, distance: float = DISTANCE) -> list[int]:
    """Return which lines (n,), the strongest first, keep a distance from stronger ones: so many at most."""
    apart: list[int] = []
    for n, line in enumerate(wavenumber):
        if len(apart) < count and (np.abs(line - wavenumber[apart]) >= distance).all():
            apart.append(n)
    return apart


def told_lines(spectrum: xr.Dataset, assignment: xr.Dataset, count: int) -> list[tuple[float, str]]:
    """Return the strongest lines of a spectrum that keep their distance from stronger ones, each with its phrase."""
    lines = spectrum["line_wavenumber"].values
    lines = lines[lines_apart(lines, count)]
    return list(zip(lines.tolist(), phrases(assignment, lines), strict=True))


def line_rows(comparison: xr.Dataset, assignment: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the strongest lines: what moves, nearest fundamental, shares of kinds and units."""
    lines = comparison["line_wavenumber"].values
    columns = {"line [1/cm]": [f"{line:.0f}" for line in lines], "motion": phrases(assignment, lines)}
    if "line_experiment" in comparison:
        nearest, names = comparison["line_experiment"].values, comparison["line_description"].values
        columns["nearest fundamental"] = [f"{x:.0f} {name}" for x, name in zip(nearest, names, strict=True)]
    kinds = zip(PARTS, line_shares(assignment, lines).T, strict=True)
    columns |= {f"{kind} [%]": _percent(shares) for kind, shares in kinds}
    if assignment.sizes.get("unit", 1) > 1:
        by_unit = line_shares(assignment, lines, of="kinetic_energy_by_unit")
        columns["of it in each unit [%]"] = [" ".join(_percent(shares)) for shares in by_unit]
    return [*columns], [list(row) for row in zip(*columns.values(), strict=True)]


def raman_rows(raman: xr.Dataset, assignment: xr.Dataset | None) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the strongest Raman lines: depolarisation ratio with its interval, and what moves."""
    lines = raman["line_wavenumber"].values
    apart = lines_apart(lines, N_RAMAN)
    at = raman["depolarisation_quantiles"].sel(wavenumber=lines[apart], method="nearest")
    ends = at.transpose("wavenumber", "quantile").values[:, [0, -1]]
    ratios = zip(raman["line_depolarisation"].values[apart], ends, strict=True)
    columns = {
        "Raman line [1/cm]": [f"{line:.0f}" for line in lines[apart]],
        "depolarisation ratio": [
            f"{ratio:.2f}" + ("" if np.isnan(low) else f" ({low:.2f}–{high:.2f})") for ratio, (low, high) in ratios
        ],
    }
    if assignment is not None:
        columns["motion"] = phrases(assignment, lines[apart])
    return [*columns], [list(row) for row in zip(*columns.values(), strict=True)]


def _percent(shares: Sequence[float] | Array) -> list[str]:
    return [f"{100 * share:.0f}" for share in shares]
