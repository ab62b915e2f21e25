"""densnet compare: a spectrum beside experiment and beside other potentials."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.netcdf import read_dataset, write_dataset
from densnet.report.table import plain_table, score_rows
from densnet.spectra.compare import METHOD_VERSION, compare_spectra
from densnet.spectra.experiment import fundamentals as fundamentals_named
from densnet.spectra.harmonic import harmonic_spectrum
from densnet.spectra.jcamp_dx import read_jcamp_dx
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
        A measured infrared spectrum, JCAMP-DX.
    harmonic
        Outputs of 'densnet harmonic', compared as peers, with lines as wide as the resolution of the spectrum.
    """
    model = read_dataset(spectrum, stage="spectrum", variables=_NEEDED)
    peer_spectra = [read_dataset(path, stage="spectrum", variables=_NEEDED) for path in peer or []]
    width = float(model.attrs["resolution_wavenumber"])
    for path in harmonic or []:
        modes = read_dataset(path, stage="harmonic", variables=("wavenumber", "intensity"))
        peer_spectra.append(harmonic_spectrum(modes, model["wavenumber"].values, width))
    table = None if fundamentals is None else fundamentals_named(fundamentals)
    experiment = None if jcamp is None else read_jcamp_dx(jcamp)
    for note in () if experiment is None else experiment.notes:
        print(f"{jcamp}: {note}", file=sys.stderr)
    result = compare_spectra(model, settings, peers=peer_spectra, table=table, experiment=experiment)
    write_dataset(result, output, stage="compare", method_version=METHOD_VERSION, settings=dataclasses.asdict(settings))
    for name in result.attrs["without_infrared_activity"].split():
        print(f"{name}: no infrared activity, so nothing is scored against it", file=sys.stderr)
    header, rows = score_rows(result)
    if rows:
        print(plain_table(header, rows), file=sys.stderr)
