"""densnet spectrum: infrared absorption from the dipoles of a trajectory, or Raman scattering from polarizabilities."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.netcdf import read_dataset, write_dataset
from densnet.spectra.infrared import METHOD_VERSION, spectrum_of_trajectory
from densnet.spectra.kinds import SAID, kind_of
from densnet.spectra.raman import METHOD_VERSION as RAMAN_VERSION
from densnet.spectra.raman import raman_of_trajectory
from densnet.spectra.settings import SpectrumSettings

_DEFAULTS = SpectrumSettings()


def spectrum(
    *,
    trajectory: Path,
    output: Path,
    raman: bool = False,
    settings: Annotated[SpectrumSettings, Parameter(name="*")] = _DEFAULTS,
) -> None:
    """Make the infrared or the Raman spectrum of the replicas of a trajectory, with its error band.

    Parameters
    ----------
    trajectory
        Output of 'densnet md'.
    output
        The spectrum, a netCDF file.
    raman
        Make the Raman spectrum, of the polarizabilities that the trajectory has to hold, instead of the infrared one.
    """
    if raman:
        result = raman_of_trajectory(read_dataset(trajectory, stage="md", variables=("time",)), settings)
    else:
        result = spectrum_of_trajectory(read_dataset(trajectory, stage="md", variables=("time", "dipole")), settings)
    version = RAMAN_VERSION if raman else METHOD_VERSION
    write_dataset(result, output, stage="spectrum", method_version=version, settings=dataclasses.asdict(settings))
    kind = kind_of(result)
    strongest = ", ".join(f"{x:.0f}" for x in result["line_wavenumber"].values[:6])
    lines = f"strongest lines {strongest} 1/cm" if result.attrs[f"{kind}_active"] else f"no {SAID[kind]} activity"
    print(
        f"{SAID[kind]} spectrum of {result.attrs['potential']}: {result.attrs['n_replicas']} replicas of "
        f"{result.attrs['ps_per_replica']:.2f} ps; {lines}",
        file=sys.stderr,
    )
