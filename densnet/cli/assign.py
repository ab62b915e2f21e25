"""``densnet assign``: which motions the bands of a trajectory belong to."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.netcdf import read_dataset, write_dataset
from densnet.report.lines import phrases
from densnet.report.table import plain_table
from densnet.spectra.assignment import METHOD_VERSION, PARTS, assign, line_shares
from densnet.spectra.settings import SpectrumSettings

N_LINES = 12
"""Strongest lines that are printed."""


def assign_motions(
    *,
    trajectory: Path,
    output: Path,
    spectrum: Path | None = None,
    geometries: Path | None = None,
    settings: Annotated[SpectrumSettings, Parameter(name="*")] = SpectrumSettings(),
) -> None:
    """Write the kinetic energy of stretches, bends and torsions, and of a chain's units, by wavenumber.

    Args:
        trajectory: output of 'densnet md'.
        output: netCDF file to write.
        spectrum: output of 'densnet spectrum' of the same trajectory, whose strongest lines are then assigned.
        geometries: output of 'densnet sample' that the dynamics started from: it knows the units of a chain.
        settings: as for 'densnet spectrum'.
    """
    moved = read_dataset(trajectory, stage="md", variables=("positions", "velocities", "masses"))
    sampled = None if geometries is None else read_dataset(geometries, stage="sample", variables=("numbers",))
    unit = sampled["unit"].values if sampled is not None and "unit" in sampled else None
    assignment = assign(moved, settings, unit)
    write_dataset(assignment, output, stage="assign", method_version=METHOD_VERSION, settings=asdict(settings))
    if spectrum is None:
        return
    lines = read_dataset(spectrum, stage="spectrum", variables=("line_wavenumber",))["line_wavenumber"].values[:N_LINES]
    rows = [
        [f"{line:.0f}", *(f"{100 * share:.0f} %" for share in shares), motion]
        for line, shares, motion in zip(lines, line_shares(assignment, lines), phrases(assignment, lines), strict=True)
    ]
    print(plain_table(["line, 1/cm", *PARTS, "motion"], rows), file=sys.stderr)
