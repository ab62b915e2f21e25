"""Labels of geometries that somebody else chose, in one process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from densnet.io.netcdf import variable
from densnet.io.parts import Parts
from densnet.molecule import Molecule
from densnet.potential import Array
from densnet.reference.labels import label_shard
from densnet.reference.level import LevelOfTheory


def label_geometries(
    molecule: Molecule, positions: Array, level: LevelOfTheory, output: Path
) -> tuple[xr.Dataset, Parts]:
    """Return the labels of geometries (t, i, x) of a molecule in Angstrom, with the wall time of each.

    Args:
        molecule: its elements, charge and multiplicity; its positions do not matter.
        output: beside it finished geometries are kept, so that a restart goes on from there.

    Returns:
        The labels, and what is kept, to be removed.

    Raises:
        DensnetError: no such program, or an impossible level.
    """
    geometries = xr.Dataset(
        {
            "numbers": variable(("atom",), molecule.numbers, "1", "atomic numbers"),
            "positions": variable(("frame", "atom", "x"), positions, "angstrom", "positions"),
            "split": variable(("frame",), np.full(len(positions), "test"), "1", "split"),
        },
        attrs={"charge": molecule.charge, "multiplicity": molecule.multiplicity},
    )
    return label_shard(geometries, level, shard=0, shards=1, output=output)
