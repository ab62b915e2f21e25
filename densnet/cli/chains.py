"""``densnet chains``: dynamics and spectra of a family against the length of the chain."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import xarray as xr
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset, write_text
from densnet.report.chain_figures import ChainSpectrum, torsion_angles
from densnet.report.chain_figures import spectra as spectra_by_length
from densnet.report.chains import COLUMNS, METHOD_VERSION, Dynamics, chains_table, dynamics_of
from densnet.report.columns import csv_of_table, shown_table
from densnet.report.style import write_picture
from densnet.report.table import plain_table

_MANY = Parameter(consume_multiple=True, negative="")


def chains(
    *,
    name: str,
    geometries: Annotated[list[Path], _MANY],
    trajectories: Annotated[list[Path], _MANY],
    spectra: Annotated[list[Path], _MANY],
    assignments: Annotated[list[Path], _MANY],
    output: Path,
    csv: Path,
    figures: Path,
    labels: Annotated[list[Path] | None, _MANY] = None,
    harmonic: Annotated[list[Path] | None, _MANY] = None,
) -> None:
    """Gather the dynamics of chains: a table of their health, spectra against length, torsion angles.

    Args:
        name: of the family, for captions.
        geometries: outputs of 'densnet sample', a file a length.
        trajectories: outputs of 'densnet md', in the same order.
        spectra: outputs of 'densnet spectrum', in the same order.
        assignments: outputs of 'densnet assign', in the same order.
        output: netCDF file of all numbers.
        csv: the table as text.
        figures: folder for spectra.png and torsion_angles.png.
        labels: outputs of 'densnet fit' of the lengths that were trained on, for their torsion angles.
        harmonic: outputs of 'densnet harmonic' or 'densnet modes' of some of the lengths, all of the model's first.
    """
    counts = {"trajectories": len(trajectories), "spectra": len(spectra), "assignments": len(assignments)}
    wrong = [f"--{option} {count}" for option, count in counts.items() if count != len(geometries)]
    if wrong:
        raise DensnetError(f"chains: expected {len(geometries)} of each, as many as --geometries, found {wrong[0]}")
    modes = [read_dataset(path, stage="harmonic", variables=("wavenumber", "intensity")) for path in harmonic or []]
    lengths, drawn = [], []
    # one by one: the trajectory of a long chain takes hundreds of megabytes
    for paths in zip(geometries, trajectories, spectra, assignments, strict=True):
        dynamics, spectrum = _of_length(*paths, modes)
        lengths.append(dynamics)
        drawn.append(spectrum)
    variables = ("positions", "split")
    table = chains_table(lengths, [read_dataset(path, stage="fit", variables=variables) for path in labels or []])
    settings = {"trajectories": [str(path) for path in trajectories], "labels": [str(path) for path in labels or []]}
    write_dataset(table, output, stage="chains", method_version=METHOD_VERSION, settings=settings)
    write_text(csv, csv_of_table(table, COLUMNS))
    for shown in (spectra_by_length(sorted(drawn, key=lambda chain: chain.units), name), torsion_angles(table, name)):
        print(f"chains: {write_picture(shown, figures)}", file=sys.stderr)
    print(plain_table(*shown_table(table, COLUMNS)), file=sys.stderr)


def _of_length(
    geometries: Path, trajectory: Path, spectrum: Path, assignment: Path, modes: Sequence[xr.Dataset]
) -> tuple[Dynamics, ChainSpectrum]:
    moved = read_dataset(trajectory, stage="md", variables=("positions", "numbers"))
    dynamics = dynamics_of(moved, read_dataset(geometries, stage="sample", variables=("numbers",)))
    lines = tuple(harmonic for harmonic in modes if harmonic.sizes["atom"] == moved.sizes["atom"])
    return dynamics, ChainSpectrum(
        int(dynamics.row["units"]),
        read_dataset(spectrum, stage="spectrum", variables=("intensity",)),
        read_dataset(assignment, stage="assign", variables=("name",)),
        lines,
    )
