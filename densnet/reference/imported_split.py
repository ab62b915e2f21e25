"""How imported frames are dealt to training, validation and test: as given or at random, no copy to two of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import SPLITS
from densnet.molecule import sorted_distances
from densnet.reference.imported_frames import ImportedFrames
from densnet.reference.selection import distance_to_nearest
from densnet.settings import Count, Natural, Settings

Array = NDArray[np.float64]

SAME_GEOMETRY = 1e-4
"""Å; root mean square difference of sorted distances below which two frames are copies: text files have four digits."""


@dataclass(frozen=True)
class SplitSettings(Settings):
    """How frames without a split are dealt; those that nobody asks for are left out."""

    n_train: Count | None = None
    """Training frames; all that are left, if not given."""
    n_validation: Natural | None = None
    """Validation frames; a tenth of all, at least one, if not given."""
    n_test: Natural | None = None
    """Test frames; a tenth of all, at least one, if not given."""
    seed: Natural = 0
    """Of the random choice."""

    @property
    def given(self) -> bool:
        """Whether the user asked for numbers of frames."""
        return not (self.n_train is None and self.n_validation is None and self.n_test is None)


@dataclass(frozen=True)
class Selection:
    """Frames to use: their places in the file (t,), their splits (t,), and for those that are not for training the
    distance to the nearest that is (t,), Å."""

    rows: NDArray[np.int64]
    split: NDArray[np.str_]
    distance_to_train: Array


def deal(data: ImportedFrames, split: SplitSettings) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return the frames to use and the split of each, (t,): as given, or drawn at random.

    Copies are left out, so that none is learned that a model is judged by.

    Raises:
        DensnetError: more frames asked for than there are, or numbers for frames that have a split.
    """
    copies = copies_in(data)
    if data.split is not None:
        if split.given:
            raise DensnetError(f"{data.source}: its frames have a split; leave n_train, n_validation and n_test out")
        return _without_copies(data, copies)
    different = np.flatnonzero(copies == np.arange(len(copies)))
    n, left_out = len(different), len(copies) - len(different)
    copied = f" ({left_out} of its {len(copies)} frames are copies of others)" if left_out else ""
    tenth = max(1, n // 10)
    validation = tenth if split.n_validation is None else split.n_validation
    test = tenth if split.n_test is None else split.n_test
    train = n - validation - test if split.n_train is None else split.n_train
    if train < 1 or train + validation + test > n:
        raise DensnetError(
            f"{data.source}: {n} frames do not suffice for n_train {train if split.n_train else 'at least 1'}, "
            f"n_validation {validation} and n_test {test}{copied}; ask for fewer"
        )
    if left_out:
        print(
            f"densnet import: {data.source}: {left_out} of {len(copies)} frames are copies of others: left out",
            file=sys.stderr,
        )
    rows = different[np.random.default_rng(split.seed).permutation(n)[: train + validation + test]]
    return rows, np.repeat(["train", "validation", "test"], [train, validation, test])


def copies_in(data: ImportedFrames) -> NDArray[np.int64]:
    """Return for each frame the first of the same geometry, (t,): itself, where it is no copy."""
    descriptors = sorted_distances(data.numbers, data.positions)
    first = np.arange(len(descriptors))
    pairs = cKDTree(descriptors).query_pairs(SAME_GEOMETRY * max(descriptors.shape[1], 1) ** 0.5, output_type="ndarray")
    for a, b in pairs[np.lexsort(pairs.T[::-1])]:
        first[max(a, b)] = min(first[max(a, b)], first[min(a, b)])
    return first


def _without_copies(data: ImportedFrames, copies: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return all frames with their given splits, less those for validation and test that an earlier split has."""
    names = np.asarray(data.split)
    taken: set[int] = set()
    unseen = np.ones(len(names), dtype=bool)
    for name in SPLITS:
        rows = np.flatnonzero(names == name)
        unseen[rows] = [int(copies[row]) not in taken for row in rows]
        taken |= set(copies[rows].tolist())
    if not unseen.all():
        print(
            f"densnet import: {data.source}: {int((~unseen).sum())} frames for validation or test are copies of "
            f"frames of another split: left out, first frame {np.flatnonzero(~unseen)[0]}",
            file=sys.stderr,
        )
    return np.flatnonzero(unseen), names[unseen]


def select(data: ImportedFrames, split: SplitSettings) -> Selection:
    """Deal the frames and measure how far those for validation and test are from the training frames.

    Raises:
        DensnetError: as :func:`deal`; no training frames; a single atom.
    """
    if len(data.numbers) < 2:
        raise DensnetError(f"{data.source}: holds a single atom; expected a molecule")
    rows, names = deal(data, split)
    train = names == "train"
    if not train.any():
        raise DensnetError(f"{data.source}: its split has no training frames; name some 'train'")
    descriptors = sorted_distances(data.numbers, data.positions[rows])
    distance = np.full(len(rows), np.nan)
    if not train.all():
        distance[~train] = distance_to_nearest(descriptors[~train], descriptors[train])
    return Selection(rows, names, distance)
