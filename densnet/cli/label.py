"""``densnet label``: energies, forces, dipoles and orbitals from Psi4 or PySCF."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.netcdf import read_dataset, write_dataset
from densnet.reference.labels import METHOD_VERSION, label_shard
from densnet.reference.level import LevelOfTheory
from densnet.reference.programs import described, settled

DEFAULT = LevelOfTheory()


def label(
    *,
    geometries: Path,
    output: Path,
    shard: int = 0,
    shards: int = 1,
    level: Annotated[LevelOfTheory, Parameter(name="*")] = DEFAULT,
) -> None:
    """Label one shard of the geometries, one thread; the same command resumes after any interruption.

    Args:
        geometries: output of ``densnet sample``.
        output: netCDF file to write; finished frames are kept in OUTPUT.parts until it is whole.
        shard: which shard, 0 to shards - 1; it has the frames i with i mod shards = shard.
        shards: into how many shards the frames are dealt.
        level: level of theory.
    """
    level = settled(level)
    print(f"densnet label: {described(level)}", file=sys.stderr)
    sampled = read_dataset(geometries, stage="sample", variables=("positions", "numbers", "split"))
    dataset, parts = label_shard(sampled, level, shard=shard, shards=shards, output=output)
    settings = {**level.decisive(), "shard": shard, "shards": shards}
    write_dataset(dataset, output, stage="label", method_version=METHOD_VERSION, settings=settings)
    parts.remove()
