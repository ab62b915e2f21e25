"""What one model learns from: a label file, or several of molecules of any sizes at one level and in one basis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.models.whitened_basis import WhitenedBasis
from densnet.molecule import formula
from densnet.training.labels import Labels, load_labels

LEVEL_ATTRIBUTES = ("functional", "basis", "dispersion", "psi4_version", "charge", "multiplicity")
"""Attributes of a label file that name the level of theory."""

LabelPaths = Path | Sequence[Path]
"""One label file, or several."""

Geometry = tuple[np.ndarray, torch.Tensor]
"""Atomic numbers (i,) of a molecule and positions (t, i, 3) of its frames in Angstrom."""


@dataclass(frozen=True)
class Share:
    """Which share some rows have in a batch; a mean over the rows, times the share, is theirs in the batch's mean."""

    frames: float = 1.0
    atoms: float = 1.0


WHOLE = Share()


@dataclass(frozen=True)
class TrainingSet:
    """Label files that belong together, and which of their frames are taken.

    Frames of all files are numbered one file after the other.

    Attributes:
        files: the labels of each molecule.
        train: rows of each file that are learned from.
        validation: rows of each file by which the best weights are chosen.
        fingerprints: of all files that were given.
    """

    files: Sequence[Labels]
    train: Sequence[np.ndarray]
    validation: Sequence[np.ndarray]
    fingerprints: Sequence[str]

    @classmethod
    def read(
        cls, labels: LabelPaths, *, max_units: int | None, n_train: int | None, densities: bool = True
    ) -> TrainingSet:
        """Read label files that belong together.

        Args:
            labels: one file or several.
            max_units: leave out chains of more units.
            n_train: wanted training frames; of several files each takes part whole.
            densities: whether the files must have them.

        Raises:
            DensnetError: a file is unusable, or lacks frames; files differ in fit basis, elements, level of theory or
                free atoms; ``max_units`` of what is no chain, or too few for any; ``n_train`` with several files.
        """
        paths = [Path(labels)] if isinstance(labels, str | Path) else [Path(path) for path in labels]
        if not paths:
            raise DensnetError("labels: expected at least one file of 'densnet fit', got none")
        paths, files = _with_frames(paths, [load_labels(path, densities=densities) for path in paths])
        for path, file in zip(paths, files, strict=True):
            _check_alike(paths[0], files[0], path, file)
        if max_units is not None:
            files = _of_at_most(max_units, paths, files)
        if n_train is not None and len(files) > 1:
            raise DensnetError(
                f"n_train: expected none with {len(files)} label files, got {n_train}; label fewer, or set max_units"
            )
        return cls(
            files=files,
            train=[file.frames("train", n_train) for file in files],
            validation=[file.frames("validation") for file in files],
            fingerprints=[fingerprint(path) for path in paths],
        )

    @property
    def n_train(self) -> list[int]:
        """Return the number of training frames of each file."""
        return [len(rows) for rows in self.train]

    def geometries(self) -> list[Geometry]:
        """Return the molecules' training frames, float32."""
        return [
            (file.numbers, torch.as_tensor(file.dataset["positions"].values[rows], dtype=torch.float32))
            for file, rows in zip(self.files, self.train, strict=True)
        ]

    def level(self) -> dict[str, Any]:
        """Return the attributes of the files that name the level of theory."""
        attributes = self.files[0].dataset.attrs
        return {name: np.asarray(attributes[name]).item() for name in LEVEL_ATTRIBUTES if name in attributes}

    def molecules(self) -> list[dict[str, Any]]:
        """Return what a model file says of the molecules that it learned from."""
        return [
            {"formula": formula(file.numbers), "units": units_of(file), "n_train": n}
            for file, n in zip(self.files, self.n_train, strict=True)
        ]

    def by_file(self, rows: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield each file that rows of all training frames fall into, and the rows within it."""
        start = 0
        for number, count in enumerate(self.n_train):
            within = rows[(rows >= start) & (rows < start + count)] - start if len(self.files) > 1 else rows
            if len(within):
                yield number, within
            start += count

    def share_of(self, rows: torch.Tensor, batch: torch.Tensor) -> Share:
        """Return the share of some rows of all training frames, at least one, in a batch of them."""
        atoms, of_batch = (
            sum(len(within) * len(self.files[number].numbers) for number, within in self.by_file(chosen))
            for chosen in (rows, batch)
        )
        return Share(frames=len(rows) / len(batch), atoms=atoms / of_batch)


def _with_frames(paths: list[Path], files: list[Labels]) -> tuple[list[Path], list[Labels]]:
    """Leave out files without any frame, such as a round of collecting has that found nothing to label."""
    taken = [number for number, file in enumerate(files) if number == 0 or file.dataset.sizes["frame"]]
    return [paths[number] for number in taken], [files[number] for number in taken]


def units_of(labels: Labels) -> int | None:
    """Return how many units a chain has; None if the molecule is none."""
    return int(labels.dataset["unit"].max()) + 1 if "unit" in labels.dataset else None


def free_atoms(labels: Labels, whitened: WhitenedBasis) -> torch.Tensor:
    """Return the prior's s coefficients of each element (z, n) from a label file."""
    layout, prior = labels.basis.layout(labels.numbers), labels.dataset["prior"].values
    table = torch.zeros(len(whitened.elements), whitened.n_max, dtype=torch.float64)
    for z, number in enumerate(whitened.elements):
        atom = int(np.flatnonzero(labels.numbers == number)[0])
        values = prior[(layout.atom == atom) & (layout.l == 0)]
        table[z, : len(values)] = torch.as_tensor(values)
    return table


def mean_neighbours(geometries: Sequence[Geometry], cutoff: float) -> float:
    """Return the mean number of neighbours of an atom within a cutoff in Angstrom, at least one."""
    near, atoms = 0.0, 0
    for _, positions in geometries:
        n_atoms = positions.shape[0] * positions.shape[1]
        near, atoms = near + float((torch.cdist(positions, positions) < cutoff).sum() - n_atoms), atoms + n_atoms
    return max(near / atoms, 1.0)


def _check_alike(first_path: Path, first: Labels, path: Path, labels: Labels) -> None:
    def refuse(field: str) -> DensnetError:
        return DensnetError(f"{path}: expected the {field} of {first_path}, found another; one model needs them alike")

    if labels.basis != first.basis or labels.elements != first.elements:
        raise refuse("fit basis and elements")
    for name in LEVEL_ATTRIBUTES:
        if str(labels.dataset.attrs.get(name)) != str(first.dataset.attrs.get(name)):
            raise refuse(name)
    whitened = WhitenedBasis(first.basis, first.elements)
    same_energies = np.allclose(first.dataset["atomic_energy"].values, labels.dataset["atomic_energy"].values)
    if not (same_energies and torch.allclose(free_atoms(first, whitened), free_atoms(labels, whitened))):
        raise refuse("free atoms")


def _of_at_most(max_units: int, paths: Sequence[Path], files: Sequence[Labels]) -> list[Labels]:
    units = [units_of(file) for file in files]
    for path, count in zip(paths, units, strict=True):
        if count is None:
            raise DensnetError(f"max_units: {path} holds no chain; leave max_units out")
    short = [file for file, count in zip(files, units, strict=True) if count is not None and count <= max_units]
    if not short:
        shortest = min(count for count in units if count is not None)
        raise DensnetError(f"max_units: expected at least {shortest}, the shortest chain, found {max_units}")
    return short
