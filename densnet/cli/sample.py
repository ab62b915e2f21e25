"""``densnet sample``: geometries of a molecule from GFN2-xTB dynamics."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import write_dataset
from densnet.molecule import Molecule, conformers, from_xyz
from densnet.reference.sampling import METHOD_VERSION, SamplingSettings, sample_geometries

DEFAULT = SamplingSettings()


def sample(
    *,
    output: Path,
    smiles: str | None = None,
    xyz: Path | None = None,
    charge: int | None = None,
    multiplicity: int = 1,
    settings: Annotated[SamplingSettings, Parameter(name="*")] = DEFAULT,
    processes: int = 1,
) -> None:
    """Sample training, validation and test geometries; the same command resumes after any interruption.

    Args:
        output: netCDF file to write; finished trajectories are kept in OUTPUT.parts until it is whole.
        smiles: the molecule as SMILES ...
        xyz: ... or as an xyz file (one of the two).
        charge: total charge; by default the SMILES' formal charge, or 0 for an xyz file.
        multiplicity: spin multiplicity; only 1 is supported.
        settings: how to sample.
        processes: trajectories that run at a time, one thread each.
    """
    if processes < 1:
        raise DensnetError(f"processes: expected an integer >= 1, got {processes}")
    starts = _starts(smiles, xyz, charge, multiplicity, settings)
    dataset, parts = sample_geometries(starts, settings, processes=processes, output=output)
    dataset = dataset.assign_attrs(smiles=smiles or "")
    write_dataset(dataset, output, stage="sample", method_version=METHOD_VERSION, settings=asdict(settings))
    parts.remove()
    distance = dataset["distance_to_train"].values[dataset["split"].values == "test"]
    if len(distance):
        text = f"median {np.median(distance):.3f}, smallest {distance.min():.3f} Angstrom"
        print(f"densnet sample: distance of the test frames to the nearest training frame: {text}", file=sys.stderr)


def _starts(
    smiles: str | None, xyz: Path | None, charge: int | None, multiplicity: int, settings: SamplingSettings
) -> list[Molecule]:
    if smiles is not None and xyz is None:
        return conformers(
            smiles, count=settings.n_conformers, charge=charge, multiplicity=multiplicity, seed=settings.seed
        )
    if xyz is not None and smiles is None:
        return [from_xyz(xyz, charge=charge or 0, multiplicity=multiplicity)]
    raise DensnetError("molecule: expected either --smiles or --xyz, got " + ("both" if smiles else "neither"))
