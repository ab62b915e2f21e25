"""The frames of a label file as other programs read them: extended XYZ, and the energies of the free atoms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import xarray as xr
from ase import Atoms
from ase.data import chemical_symbols

from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import SPLITS
from densnet.io.netcdf import read_dataset, write_atomically

ENERGY, FORCES = "REF_energy", "REF_forces"
"""Names in the files; MACE's own."""


@dataclass(frozen=True)
class LabelledFrames:
    """What a model of energies and forces learns from.

    Attributes:
        dataset: the label file.
        rows: frames of each split, as our own energy model takes them.
        e0s: energy of the free atom of each element, eV.
    """

    dataset: xr.Dataset
    rows: dict[str, np.ndarray]
    e0s: dict[int, float]

    @property
    def numbers(self) -> np.ndarray:
        """Return the atomic numbers (a,)."""
        return np.asarray(self.dataset["numbers"].values, dtype=int)


def labelled_frames(path: Path, n_train: int | None = None) -> LabelledFrames:
    """Read energies and forces of a ``labels.nc``, and check that there are any.

    Args:
        n_train: the first so many training frames; all if not given.

    Raises:
        DensnetError: not the output of "fit"; no forces; a split that is empty or too small; an element without the
            energy of its free atom.
    """
    needed = ("positions", "numbers", "split", "element", "atomic_energy")
    data = read_dataset(path, stage="fit", variables=needed)
    for name in ("energy", "forces"):
        if name not in data.variables:
            raise DensnetError(f"{path}: there are no {name} in these labels; a peer learns energies and forces")
        missing = ~np.isfinite(data[name].values.reshape(data.sizes["frame"], -1)).all(axis=1)
        if missing.any():
            frames = data["frame"].values[missing].tolist()
            raise DensnetError(f"{path}: {name} missing in frame(s) {frames}; a peer learns energies and forces")
    known = dict(zip(data["element"].values.tolist(), data["atomic_energy"].values.tolist(), strict=True))
    elements = sorted({int(z) for z in data["numbers"].values})
    without = [chemical_symbols[z] for z in elements if not np.isfinite(known.get(z, np.nan))]
    if without:
        raise DensnetError(f"{path}: atomic_energy is missing for {', '.join(without)}; run 'densnet fit' again")
    rows = {split: np.flatnonzero(data["split"].values == split) for split in SPLITS}
    empty = [split for split in SPLITS if not len(rows[split])]
    if empty:
        raise DensnetError(f"{path}: expected frames of each split, found none of {', '.join(empty)}; label some")
    if n_train is not None and not 0 < n_train <= len(rows["train"]):
        raise DensnetError(
            f"n_train: expected 1 to {len(rows['train'])}, the labelled training frames, found {n_train}"
        )
    rows["train"] = rows["train"][:n_train]
    return LabelledFrames(data, rows, {z: float(known[z]) for z in elements})


def labelled_atoms(numbers: np.ndarray, positions: np.ndarray, energy: float, forces: np.ndarray) -> Atoms:
    """Return a frame with its labels under MACE's names: eV in ``info``, eV/Å (a, x) in ``arrays``."""
    atoms = Atoms(numbers, positions, info={ENERGY: energy})
    atoms.arrays[FORCES] = np.asarray(forces, dtype=float)
    return atoms


def write_frames(frames: LabelledFrames, split: str, path: Path) -> None:
    """Write the frames of a split as extended XYZ, in eV and Å; the test frames without what is to be predicted.

    Raises:
        DensnetError: the file cannot be written.
    """
    data = frames.dataset.isel(frame=frames.rows[split])
    images = []
    for t, positions in enumerate(data["positions"].values):
        if split == "test":
            images.append(Atoms(frames.numbers, positions))
        else:
            energy, forces = float(data["energy"].values[t]), data["forces"].values[t]
            images.append(labelled_atoms(frames.numbers, positions, energy, forces))
    write_atomically(path, lambda temporary: ase.io.write(temporary, images, format="extxyz"))
