"""``densnet sample``: geometries of a molecule from GFN2-xTB dynamics."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import variable, write_dataset
from densnet.molecule import Molecule, conformers, from_xyz
from densnet.oligomer import Oligomer, oligomer
from densnet.potentials import named
from densnet.reference.sampling import METHOD_VERSION, sample_geometries
from densnet.reference.settings import SamplingSettings

DEFAULT = SamplingSettings()


def sample(
    *,
    output: Path,
    smiles: str | None = None,
    xyz: Path | None = None,
    repeat_unit: Annotated[str | None, Parameter(name="--oligomer")] = None,
    units: int | None = None,
    charge: int | None = None,
    multiplicity: int = 1,
    settings: Annotated[SamplingSettings, Parameter(name="*")] = DEFAULT,
    processes: int = 1,
) -> None:
    """Sample training, validation and test geometries; the same command resumes after any interruption.

    Args:
        output: netCDF file to write; finished trajectories are kept in OUTPUT.parts until it is whole.
        smiles: the molecule as SMILES ...
        xyz: ... or as an xyz file ...
        repeat_unit: ... or as a chain of thiophene, or of a SMILES with two attachment points, such as ``*CC*``.
        units: length of the chain.
        charge: total charge; by default the SMILES' formal charge, or what the xyz file says (charge=1), or 0.
        multiplicity: spin multiplicity; only 1 is supported.
        settings: how to sample.
        processes: trajectories that run at a time, one thread each.
    """
    if processes < 1:
        raise DensnetError(f"processes: expected an integer >= 1, got {processes}")
    chain = _chain(repeat_unit, units, settings)
    starts = list(chain.molecules) if chain else _starts(smiles, xyz, charge, multiplicity, settings)
    if chain and (smiles or xyz or multiplicity != 1 or charge not in (None, starts[0].charge)):
        raise DensnetError("oligomer: expected no smiles or xyz beside it, and charge and multiplicity of its own")
    dataset, parts = sample_geometries(starts, settings, named("gfn2-xtb"), processes=processes, output=output)
    dataset = dataset.assign_attrs(smiles=smiles or (chain.smiles if chain else ""))
    if chain:
        dataset = dataset.assign(_chain_variables(chain)).assign_attrs(oligomer=repeat_unit, units=units)
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
        return [from_xyz(xyz, charge=charge, multiplicity=multiplicity)]
    how_many = "both" if smiles else "neither"
    raise DensnetError(f"molecule: expected either --smiles or --xyz or --oligomer, got {how_many}")


def _chain(repeat_unit: str | None, units: int | None, settings: SamplingSettings) -> Oligomer | None:
    if (repeat_unit is None) != (units is None):
        raise DensnetError("oligomer: expected both --oligomer and --units, got one of them; give the other too")
    if repeat_unit is None or units is None:
        return None
    return oligomer(repeat_unit, units, count=settings.n_conformers, seed=settings.seed)


def _chain_variables(chain: Oligomer) -> dict[str, Any]:
    """Return what a file of a chain's geometries holds besides; see densnet.oligomer.VARIABLES."""
    unit = variable(("atom",), chain.unit, "1", "unit of the chain that the atom belongs to, 0 at its head")
    if not len(chain.torsions):
        return {"unit": unit}
    corners = variable(("link", "corner"), chain.torsions, "1", "atoms a-b-c-d of the torsion at each link b-c")
    return {"unit": unit, "torsion": corners}
