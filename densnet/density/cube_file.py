"""Gaussian cube files: values on a regular grid around the nuclei, as VMD, Avogadro and ASE read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.cube import write_cube
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically

Array = NDArray[np.float64]

LARGEST_CUBE = 500_000_000
"""Most points of a cube file (4 GB in memory)."""


def write(
    path: str | Path,
    values_at: Callable[[Array], Array],
    atoms: Atoms,
    *,
    spacing: float,
    margin: float,
    comment: str,
) -> None:
    """Write ``values_at`` (points (g, 3) in Å to (g,)) on a grid around the atoms, atomically; z runs fastest.

    Raises:
        DensnetError: spacing or margin not positive, too many points, or the file cannot be written.
    """
    for name, value in (("spacing", spacing), ("margin", margin)):
        if not (np.isfinite(value) and value > 0):
            raise DensnetError(f"{name}: expected a positive length in Å, got {value}")
    if Path(path).is_dir():
        raise DensnetError(f"{path}: cannot be written, it is a folder; name a file")
    origin = atoms.positions.min(axis=0) - margin
    counts = np.ceil((atoms.positions.max(axis=0) + margin - origin) / spacing) + 1
    if counts.prod() > LARGEST_CUBE:
        raise DensnetError(
            f"spacing: {spacing} Å makes a cube of {counts.prod():.1e} points, more than {LARGEST_CUBE:.0e}; "
            "choose a wider spacing or a smaller margin"
        )
    x, y, z = (origin[axis] + spacing * np.arange(int(counts[axis])) for axis in range(3))
    plane = np.stack(np.meshgrid(y, z, indexing="ij"), axis=-1).reshape(-1, 2)
    boxed = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=spacing * counts)

    def write_values(temporary: Path) -> None:
        values = np.stack([values_at(np.insert(plane, 0, at, axis=1)).reshape(len(y), len(z)) for at in x])
        with temporary.open("w") as opened:
            write_cube(opened, boxed, data=values, origin=origin, comment=comment)

    # The file is opened first: a place that cannot be written is found before an hour of work, not after.
    write_atomically(Path(path), write_values)
