"""``densnet pack``: a folder of labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.netcdf import read_dataset
from densnet.reference.packing import pack_labels, split_sizes, write_folder


def pack(
    *,
    shards: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    geometries: Path,
    atoms: Path,
    output: Path,
    double_precision: bool = False,
) -> None:
    """Write labels as a folder that others fit and train on without Psi4: labels: FOLDER in config.yaml.

    Labelling need not be finished: frames without a label are left out.

    Args:
        shards: files of ``densnet label``, all or those that there are.
        geometries: file of ``densnet sample`` that was labelled.
        atoms: file of ``densnet atoms`` at the same level of theory.
        output: folder to write geometries.nc, orbitals.nc and atoms.nc to.
        double_precision: keep orbitals in double precision, at twice the size.
    """
    packed = pack_labels(shards, geometries, atoms, double_precision=double_precision)
    sampled = split_sizes(read_dataset(geometries, stage="sample", variables=("split",))["split"].values)
    packed_sizes = split_sizes(packed[0]["split"].values)
    write_folder(output, *packed)
    counts = ", ".join(f"{packed_sizes[name]} of {sampled[name]} {name}" for name in packed_sizes)
    size = sum(path.stat().st_size for path in Path(output).glob("*.nc")) / 1e6
    print(f"densnet pack: {output}: {counts} frames, {size:.1f} MB", file=sys.stderr)
