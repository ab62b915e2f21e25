"""Geometries that a user gives, as they are, in the place of sampled ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.molecule import formula, sorted_distances
from densnet.reference.selection import distance_to_nearest, farthest_points
from densnet.reference.settings import GivenFramesSettings
from densnet.starting_geometry import check_cell, check_unit

METHOD_VERSION: int = 1

Array = NDArray[np.float64]


def given_geometries(path: Path, settings: GivenFramesSettings, *, charge: int = 0) -> xr.Dataset:
    """Return the frames of an xyz file as "sample" has its own: all are taken, none is changed.

    Test and validation frames are drawn at random; the others are for training, in such an order that each is the one
    farthest from all before it (:func:`densnet.reference.selection.farthest_points` on inverse sorted distances): the
    first so many of them are always spread over the whole.

    Args:
        path: xyz file of many frames of one molecule, its atoms always in the same order.
        settings: how many frames are for validation and for the test.
        charge: of the molecule, e.

    Raises:
        DensnetError: an unreadable file, frames of different molecules, a single atom, or too few frames.
    """
    numbers, positions = read_frames(path)
    held_out = settings.n_validation + settings.n_test
    if len(positions) <= held_out:
        raise DensnetError(
            f"{path}: expected more than {held_out} frames, n_validation and n_test together, found {len(positions)}; "
            "hold fewer out"
        )
    shuffled = np.random.default_rng(settings.seed).permutation(len(positions))
    test, validation, train = np.split(shuffled, [settings.n_test, held_out])
    descriptors = sorted_distances(numbers, positions)
    train = train[farthest_points(1.0 / descriptors[train], len(train), first=0)]
    rows = np.concatenate([train, np.sort(validation), np.sort(test)])
    split = np.repeat(["train", "validation", "test"], [len(train), len(validation), len(test)])
    distance = np.full(len(rows), np.nan)
    distance[len(train) :] = distance_to_nearest(descriptors[rows[len(train) :]], descriptors[train])
    frame = ("frame",)
    nearest = "root mean square difference of sorted distances to nearest train frame"
    return xr.Dataset(
        {
            "positions": variable(("frame", "atom", "x"), positions[rows], "angstrom", "positions"),
            "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
            "split": variable(frame, split.astype(str), "1", "train, validation or test"),
            "temperature": variable(frame, np.full(len(rows), np.nan), "K", "none: the frame was given"),
            "trajectory": variable(frame, np.full(len(rows), -1), "1", "none: the frame was given"),
            "time": variable(frame, np.full(len(rows), np.nan), "fs", "none: the frame was given"),
            "distance_to_train": variable(frame, distance, "angstrom", nearest),
            "source_frame": variable(frame, rows, "1", "index of the frame in its file"),
        },
        attrs={"molecule": formula(numbers), "charge": charge, "multiplicity": 1},
    )


def read_frames(path: Path) -> tuple[NDArray[np.int64], Array]:
    """Return atomic numbers (i,) and positions (t, i, x) in Angstrom of an xyz file of many frames.

    Raises:
        DensnetError: no such file, an unreadable one, frames of different molecules, a single atom, a solid or a
            molecule that its cell has cut, positions in bohr.
    """
    if not Path(path).is_file():
        raise DensnetError(f"{path}: no such file; expected an xyz file of one or more frames")
    try:
        images: list[Any] = list(ase.io.iread(path, ":", format="extxyz"))
    except Exception as error:  # ASE's reader fails in as many ways as files are wrong
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DensnetError(f"{path}: not a readable xyz file ({reason}); correct it") from error
    numbers = np.asarray(images[0].numbers, dtype=np.int64) if images else np.zeros(0, dtype=np.int64)
    if len(numbers) < 2:
        raise DensnetError(f"{path}: expected frames of a molecule, found {formula(numbers) or 'nothing'}")
    for t, image in enumerate(images):
        if not np.array_equal(image.numbers, numbers):
            raise DensnetError(
                f"{path}: expected the atoms of frame 0, {formula(numbers)}, in their order in every frame, found "
                f"{formula(image.numbers)} in frame {t}; split the file, or order its atoms"
            )
    positions = np.array([image.positions for image in images], dtype=float)
    if not np.isfinite(positions).all():
        raise DensnetError(f"{path}: expected finite positions, found others; correct the file")
    for t, image in enumerate(images):
        if image.pbc.all():
            check_cell(f"{path}: frame {t}", numbers, positions[t], np.asarray(image.cell))
    check_unit(str(path), numbers, positions)
    return numbers, positions
