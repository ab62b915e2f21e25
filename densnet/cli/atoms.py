"""``densnet atoms``: free atoms at the level of theory of the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.netcdf import read_dataset, write_dataset
from densnet.reference.atoms import METHOD_VERSION, free_atoms
from densnet.reference.level import LevelOfTheory

DEFAULT = LevelOfTheory()


def atoms(*, geometries: Path, output: Path, level: Annotated[LevelOfTheory, Parameter(name="*")] = DEFAULT) -> None:
    """Compute the spherical density of the free atom of every element that occurs.

    Args:
        geometries: output of ``densnet sample``; only its elements matter.
        output: netCDF file to write.
        level: level of theory, the same as for the labels.
    """
    sampled = read_dataset(geometries, stage="sample", variables=("numbers",))
    dataset, parts = free_atoms([int(number) for number in sampled["numbers"].values], level, output=output)
    write_dataset(dataset, output, stage="atoms", method_version=METHOD_VERSION, settings=level.decisive())
    parts.remove()
