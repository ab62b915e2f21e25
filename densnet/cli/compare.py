"""densnet compare: a spectrum beside experiment and beside other potentials."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import xarray as xr
from cyclopts import Parameter

from densnet.io.netcdf import read_dataset, write_dataset
from densnet.report.table import plain_table, score_rows
from densnet.spectra.compare import METHOD_VERSION, compare_spectra
from densnet.spectra.experiment import fundamentals as fundamentals_named
from densnet.spectra.harmonic import harmonic_spectrum
from densnet.spectra.jcamp_dx import read_jcamp_dx
from densnet.spectra.kinds import SAID, kind_of
from densnet.spectra.raman_modes import raman_harmonic_spectrum
from densnet.spectra.settings import ComparisonSettings

_DEFAULTS = ComparisonSettings()
_NEEDED = ("intensity", "intensity_by_replica", "line_wavenumber", "line_intensity")


def compare(
    *,
    spectrum: Path,
    output: Path,
    peer: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    fundamentals: str | None = None,
    jcamp: Path | None = None,
    harmonic: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    settings: Annotated[ComparisonSettings, Parameter(name="*")] = _DEFAULTS,
) -> None:
    """Compare a model's spectrum with experimental line positions, a measured spectrum and other potentials'.

    All are infrared spectra, or all are Raman spectra, as that of the model is.

    Parameters
    ----------
    spectrum
        Output of 'densnet spectrum' for the model.
    output
        The comparison, a netCDF file.
    peer
        Outputs of 'densnet spectrum' for other potentials.
    fundamentals
        Name of a table of experimental fundamentals (ethanol, methanethiol, thiophene, water, or one of the molecules
        of densnet/spectra/shimanouchi.csv such as Acetone) or a CSV file.
    jcamp
        A measured spectrum, JCAMP-DX.
    harmonic
        Outputs of 'densnet harmonic', compared as peers, with lines as wide as the resolution of the spectrum; beside
        a Raman spectrum those of 'densnet harmonic --raman'.
    """
    model = read_dataset(spectrum, stage="spectrum", variables=_NEEDED)
    peer_spectra = [read_dataset(path, stage="spectrum", variables=_NEEDED) for path in peer or []]
    peer_spectra += [
        _of_lines(read_dataset(path, stage="harmonic", variables=("wavenumber", "intensity")), model)
        for path in harmonic or []
    ]
    kind = kind_of(model)
    table = None if fundamentals is None else fundamentals_named(fundamentals, kind)
    experiment = None if jcamp is None else read_jcamp_dx(jcamp, kind)
    for note in () if experiment is None else experiment.notes:
        print(f"{jcamp}: {note}", file=sys.stderr)
    result = compare_spectra(model, settings, peers=peer_spectra, table=table, experiment=experiment)
    write_dataset(result, output, stage="compare", method_version=METHOD_VERSION, settings=dataclasses.asdict(settings))
    for name in result.attrs["inactive"].split():
        print(f"{name}: no {SAID[kind]} activity, so nothing is scored against it", file=sys.stderr)
    header, rows = score_rows(result)
    if rows:
        print(plain_table(header, rows), file=sys.stderr)


def _of_lines(modes: xr.Dataset, model: xr.Dataset) -> xr.Dataset:
    """Return the spectrum of harmonic lines that a spectrum of dynamics is laid beside."""
    x, width = model["wavenumber"].values, float(model.attrs["resolution_wavenumber"])
    if kind_of(model) == "infrared":
        return harmonic_spectrum(modes, x, width)
    warm = bool(model.attrs["temperature_factor"])
    temperature = float(model.attrs["temperature_k"]) if warm else None
    return raman_harmonic_spectrum(modes, x, width, float(model.attrs["laser_nm"]), temperature)
