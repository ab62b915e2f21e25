"""Labels of a run, finished or not, as three small files that anyone can fit and train on without Psi4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import SPLITS, merge_shards, read_atoms
from densnet.io.netcdf import read_dataset, settings_of, variable, write_dataset
from densnet.molecule import sorted_distances
from densnet.reference.selection import distance_to_nearest

METHOD_VERSION: int = 1

GEOMETRIES, ORBITALS, ATOMS = "geometries.nc", "orbitals.nc", "atoms.nc"
"""Names of the files in a folder of labels."""


def pack_labels(
    shards: Sequence[Path], geometries: Path, atoms: Path, *, double_precision: bool = False
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return geometries, labels and free atoms of all frames that have been labelled.

    Frames that no shard holds, or whose label failed, are left out of both, and the others numbered anew; what a
    frame's number was is kept as ``sampled_frame``. Distances to the training frames are measured again if some of
    these are left out. Energies, forces and dipoles stay in double precision.

    Args:
        shards: files of ``densnet label``, some or all of those of ``geometries``.
        geometries: file of ``densnet sample``.
        atoms: file of ``densnet atoms`` at the shards' level of theory.
        double_precision: keep the orbitals in double precision.

    Raises:
        DensnetError: files are truncated, foreign or do not belong together; no frame, or a split without any.
    """
    sampled, whole = merge_shards(shards, geometries)
    whole = whole.isel(frame=np.flatnonzero(whole["status"].values == "ok"))
    frames = whole["frame"].values.astype(np.int64)
    split = sampled["split"].values[frames]
    for name in SPLITS:
        if (sampled["split"].values == name).any() and not (split == name).any():
            raise DensnetError(f"shards: no {name} frame among them; name more shards of {geometries}")
    free = read_dataset(atoms, stage="atoms")
    read_atoms(atoms, whole["numbers"].values, Basis.from_json(whole.attrs["orbital_basis"]), whole.attrs)
    before = sampled["sampled_frame"].values[frames] if "sampled_frame" in sampled else frames
    numbered = variable(("frame",), before, "1", "number of the frame among all that were sampled")
    chosen = sampled.isel(frame=frames).assign(sampled_frame=numbered)
    if (split == "train").sum() < (sampled["split"].values == "train").sum():
        chosen = chosen.assign(distance_to_train=chosen["distance_to_train"].copy(data=_distances(chosen)))
    index = variable(("frame",), np.arange(len(frames)), "1", "index into the geometries")
    labels = whole.assign_coords(frame=index)
    if not double_precision:
        labels = labels.assign(orbitals=labels["orbitals"].astype(np.float32, keep_attrs=True))
    return chosen, labels, free


def _distances(geometries: xr.Dataset) -> NDArray[np.float64]:
    """Return the distance of each frame to the nearest training frame, NaN for these, as ``densnet sample`` does."""
    descriptors = sorted_distances(geometries["numbers"].values, geometries["positions"].values)
    train = geometries["split"].values == "train"
    distance = np.full(len(train), np.nan)
    distance[~train] = distance_to_nearest(descriptors[~train], descriptors[train])
    return distance


def write_folder(folder: Path, geometries: xr.Dataset, labels: xr.Dataset, atoms: xr.Dataset) -> None:
    """Write the outcome of :func:`pack_labels`; each file says of itself what the file that it comes from said.

    Raises:
        DensnetError: a file cannot be written.
    """
    packed = {"packed": {"method_version": METHOD_VERSION, "frames": geometries.sizes["frame"]}}
    files: tuple[tuple[str, str, xr.Dataset, dict[str, Any]], ...] = (
        (GEOMETRIES, "sample", geometries, packed),
        (ORBITALS, "label", labels, packed | {"shard": 0, "shards": 1}),
        (ATOMS, "atoms", atoms, {}),
    )
    for name, stage, dataset, added in files:
        version = int(dataset.attrs["method_version"])
        write_dataset(
            dataset, Path(folder) / name, stage=stage, method_version=version, settings=settings_of(dataset) | added
        )


def split_sizes(split: NDArray[np.str_]) -> dict[str, int]:
    """Return how many frames each split has."""
    return {name: int((split == name).sum()) for name in SPLITS}
