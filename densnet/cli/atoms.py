"""``densnet atoms``: free atoms at the level of theory of the labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from ase.data import atomic_numbers
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.reference.atoms import METHOD_VERSION, free_atoms
from densnet.reference.level import LevelOfTheory
from densnet.reference.programs import described, settled

DEFAULT = LevelOfTheory()


def atoms(
    *,
    output: Path,
    geometries: Path | None = None,
    elements: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    level: Annotated[LevelOfTheory, Parameter(name="*")] = DEFAULT,
) -> None:
    """Compute the spherical density of the free atom of every element that occurs.

    Args:
        output: netCDF file to write.
        geometries: output of ``densnet sample``; only its elements matter ...
        elements: ... or the elements' symbols (one of the two).
        level: level of theory, the same as for the labels.
    """
    level = settled(level)
    print(f"densnet atoms: {described(level)}", file=sys.stderr)
    dataset, parts = free_atoms(_numbers(geometries, elements), level, output=output)
    write_dataset(dataset, output, stage="atoms", method_version=METHOD_VERSION, settings=level.decisive())
    parts.remove()


def _numbers(geometries: Path | None, elements: list[str] | None) -> list[int]:
    if (geometries is None) == (elements is None):
        raise DensnetError("atoms: expected either --geometries or --elements, got both or neither")
    if geometries is not None:
        sampled = read_dataset(geometries, stage="sample", variables=("numbers",))
        return [int(number) for number in sampled["numbers"].values]
    unknown = [symbol for symbol in elements or () if symbol not in atomic_numbers]
    if unknown:
        raise DensnetError(f"elements: {unknown[0]!r} is no element's symbol; write them as H C O")
    return [atomic_numbers[symbol] for symbol in elements or ()]
