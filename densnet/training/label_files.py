"""Label files that one model learns from: one molecule, or several of any sizes at one level and in one basis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from densnet.errors import DensnetError
from densnet.models.whitened_basis import WhitenedBasis
from densnet.molecule import formula
from densnet.training.frames import Labels, load_labels

LEVEL_ATTRIBUTES = ("functional", "basis", "dispersion", "psi4_version", "charge", "multiplicity")
"""Attributes of a label file that name the level of theory."""

LabelPaths = Path | Sequence[Path]
"""One label file, or several."""


def paths_of(labels: LabelPaths) -> list[Path]:
    """Return one path, or several, as a list."""
    return [Path(labels)] if isinstance(labels, str | Path) else [Path(path) for path in labels]


def load_label_files(labels: LabelPaths, *, max_units: int | None, n_train: int | None) -> list[Labels]:
    """Read label files that belong together.

    Args:
        labels: one file or several.
        max_units: leave out chains of more units.
        n_train: wanted training frames; of several files each takes part whole.

    Raises:
        DensnetError: a file is unusable; files differ in fit basis, elements, level of theory or free atoms; the same
            molecule twice; ``max_units`` of what is no chain, or too few for any; ``n_train`` with several files.
    """
    paths = paths_of(labels)
    loaded = [load_labels(path) for path in paths]
    if not loaded:
        raise DensnetError("labels: expected at least one file of 'densnet fit', got none")
    for path, other in zip(paths, loaded, strict=True):
        _check_alike(paths[0], loaded[0], path, other)
    if max_units is not None:
        loaded = _of_at_most(max_units, paths, loaded)
    if n_train is not None and len(loaded) > 1:
        raise DensnetError(
            f"n_train: expected none with {len(loaded)} label files, got {n_train}; label fewer, or set max_units"
        )
    return loaded


def units_of(labels: Labels) -> int | None:
    """Return how many units a chain has; None if the molecule is none."""
    return int(labels.dataset["unit"].max()) + 1 if "unit" in labels.dataset else None


def described(labels: Sequence[Labels], n_train: Sequence[int]) -> list[dict[str, Any]]:
    """Return what a model file says of the molecules that it learned from."""
    return [
        {"formula": formula(one.numbers), "units": units_of(one), "n_train": int(count)}
        for one, count in zip(labels, n_train, strict=True)
    ]


def free_atoms(labels: Labels, whitened: WhitenedBasis) -> torch.Tensor:
    """Return the prior's s coefficients of each element (z, n) from a label file."""
    layout, prior = labels.basis.layout(labels.numbers), labels.dataset["prior"].values
    table = torch.zeros(len(whitened.elements), whitened.n_max, dtype=torch.float64)
    for z, number in enumerate(whitened.elements):
        atom = int(np.flatnonzero(labels.numbers == number)[0])
        values = prior[(layout.atom == atom) & (layout.l == 0)]
        table[z, : len(values)] = torch.as_tensor(values)
    return table


def by_file(rows: torch.Tensor, counts: Sequence[int]) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield each file that rows of all frames fall into, and the rows within it.

    Args:
        rows: into the frames of all files, one file after the other.
        counts: frames of each file.
    """
    if len(counts) == 1:
        yield 0, rows
        return
    start = 0
    for number, count in enumerate(counts):
        own = rows[(rows >= start) & (rows < start + count)] - start
        if len(own):
            yield number, own
        start += count


@dataclass(frozen=True)
class Share:
    """Which share some rows have in a batch; a mean over the rows, times the share, is theirs in the batch's mean."""

    frames: float = 1.0
    atoms: float = 1.0


def share_of(rows: torch.Tensor, batch: torch.Tensor, counts: Sequence[int], n_atoms: Sequence[int]) -> Share:
    """Return the share of rows of a batch.

    Args:
        rows: into the frames of all files, as in :func:`by_file`; at least one.
        batch: likewise, the rows among them.
        counts: frames of each file.
        n_atoms: of a frame of each file.
    """
    ours, whole = (sum(len(own) * n_atoms[n] for n, own in by_file(some, counts)) for some in (rows, batch))
    return Share(frames=len(rows) / len(batch), atoms=ours / whole)


def _check_alike(first_path: Path, first: Labels, path: Path, other: Labels) -> None:
    def refuse(what: str) -> DensnetError:
        return DensnetError(f"{path}: expected the {what} of {first_path}, found another; one model needs them alike")

    if other.basis != first.basis or other.elements != first.elements:
        raise refuse("fit basis and elements")
    for name in LEVEL_ATTRIBUTES:
        if str(other.dataset.attrs.get(name)) != str(first.dataset.attrs.get(name)):
            raise refuse(name)
    whitened = WhitenedBasis(first.basis, first.elements)
    energies, theirs = (one.dataset["atomic_energy"].values for one in (first, other))
    same = np.allclose(energies, theirs)
    if not (same and torch.allclose(free_atoms(first, whitened), free_atoms(other, whitened))):
        raise refuse("free atoms")


def _of_at_most(max_units: int, paths: Sequence[Path], labels: Sequence[Labels]) -> list[Labels]:
    units = [units_of(one) for one in labels]
    for path, count in zip(paths, units, strict=True):
        if count is None:
            raise DensnetError(f"max_units: {path} holds no chain; leave max_units out")
    kept = [one for one, count in zip(labels, units, strict=True) if count is not None and count <= max_units]
    if not kept:
        shortest = min(count for count in units if count is not None)
        raise DensnetError(f"max_units: expected at least {shortest}, the shortest chain, found {max_units}")
    return kept
