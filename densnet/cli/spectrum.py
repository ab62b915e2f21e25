"""densnet spectrum: infrared absorption from the dipoles of a trajectory."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.netcdf import read_dataset, write_dataset
from densnet.spectra.infrared import METHOD_VERSION, spectrum_of_trajectory
from densnet.spectra.settings import SpectrumSettings

_DEFAULTS = SpectrumSettings()


def spectrum(
    *, trajectory: Path, output: Path, settings: Annotated[SpectrumSettings, Parameter(name="*")] = _DEFAULTS
) -> None:
    """Make the infrared spectrum of the replicas of a trajectory, with its error band.

    Parameters
    ----------
    trajectory
        Output of 'densnet md'.
    output
        The spectrum, a netCDF file.
    """
    replicas = read_dataset(trajectory, stage="md", variables=("time", "dipole"))
    result = spectrum_of_trajectory(replicas, settings)
    write_dataset(
        result, output, stage="spectrum", method_version=METHOD_VERSION, settings=dataclasses.asdict(settings)
    )
    strongest = ", ".join(f"{x:.0f}" for x in result["line_wavenumber"].values[:6])
    lines = f"strongest lines {strongest} 1/cm" if result.attrs["infrared_active"] else "no infrared activity"
    print(
        f"spectrum of {result.attrs['potential']}: {result.attrs['n_replicas']} replicas of "
        f"{result.attrs['ps_per_replica']:.2f} ps; {lines}",
        file=sys.stderr,
    )
