"""Which of many frames are worth a label: those that a model does not know, and of these a diverse choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.io.netcdf import variable
from densnet.molecule import sorted_distances
from densnet.oligomer import CARRIED, VARIABLES
from densnet.reference.selection import distance_to_nearest, farthest_points
from densnet.reference.settings import CollectionSettings

Array = NDArray[np.float64]

VALIDATION_SHARE = 0.1
FRAMES = ("temperature", "time", "spread", "domain_distance")
LEAST = 2
"""Frames that are worth a round: one to learn from and one for validation."""
CONSIDERED = 10
"""Times as many frames as are wanted, those that are known least, among which diversity decides."""


@dataclass(frozen=True)
class Threshold:
    """What of a frame must be exceeded for it to be wanted.

    Attributes:
        factor: c, by which the spread of the forces must be scaled to be the usual error.
        error: c · spread in eV/Angstrom from which on a frame is wanted.
        domain_distance: from which on it is wanted whatever its spread.
    """

    factor: float
    error: float
    domain_distance: float

    def excess(self, spread: Array, domain_distance: Array) -> Array:
        """Return by how many times frames exceed the threshold, (t,); those above 1 are wanted."""
        return np.asarray(np.maximum(self.factor * spread / self.error, domain_distance / self.domain_distance))


def calibrated(spread: Array, error: Array, settings: CollectionSettings) -> Threshold:
    r"""Return the threshold from held-out frames.

    With the largest spread s_t of the force on an atom and the largest error e_t of one, c = median(e_t / s_t); a frame
    is wanted where c s exceeds ``expected_error`` · median(e_t).

    Args:
        spread: s, eV/Angstrom, (t,).
        error: e, eV/Angstrom, (t,).
        settings: how far above the usual an error must be.
    """
    factor = float(np.median(error / np.maximum(spread, np.finfo(float).tiny)))
    return Threshold(factor, settings.expected_error * float(np.median(error)), settings.domain_distance)


def choose(
    numbers: NDArray[np.int64], positions: Array, excess: Array, learned: Array, settings: CollectionSettings
) -> NDArray[np.int64]:
    """Return the rows of the frames to label: known least, and unlike each other and what was learned from.

    Among the :data:`CONSIDERED` times as many frames with the largest excess above 1, those are taken in turn that are
    farthest from all taken before and from the training frames (:func:`densnet.reference.selection.farthest_points`).

    Args:
        numbers: atomic numbers, (i,).
        positions: Angstrom, (t, i, x).
        excess: :meth:`Threshold.excess`, (t,).
        learned: training frames, Angstrom, (n, i, x).
        settings: how many.
    """
    wanted = np.flatnonzero(excess > 1)
    wanted = wanted[np.argsort(-excess[wanted], kind="stable")][: CONSIDERED * settings.frames]
    if len(wanted) < LEAST:
        return wanted[:0]
    descriptors, known = (1.0 / sorted_distances(numbers, frames) for frames in (positions[wanted], learned))
    return wanted[farthest_points(descriptors, min(settings.frames, len(wanted)), beside=known)]


def collected_geometries(
    first: xr.Dataset, explored: Mapping[str, Array], excess: Array, rows: NDArray[np.int64], learned: Array, seed: int
) -> xr.Dataset:
    """Return chosen frames as a ``geometries.nc``, a tenth of them for validation and the others for training.

    Args:
        first: geometries of the molecule, whose attributes, isotopes and units of a chain stay true.
        explored: positions in Angstrom (t, i, x), and of each frame temperature, time, spread and domain_distance (t,).
        excess: :meth:`Threshold.excess`, (t,).
        rows: of the chosen frames.
        learned: training frames, Angstrom, (n, i, x).
        seed: of the deal.
    """
    numbers, n = first["numbers"].values, len(rows)
    n_validation = max(round(VALIDATION_SHARE * n), min(n, 1))
    split = np.repeat(["validation", "train"], [n_validation, n - n_validation])
    split = np.random.default_rng([seed, 3]).permutation(split)
    distance = np.full(n, np.nan)
    if n:
        distance[split == "validation"] = distance_to_nearest(
            *(sorted_distances(numbers, r) for r in (explored["positions"][rows][split == "validation"], learned))
        )
    frame, of_frames = ("frame",), {name: explored[name][rows] for name in FRAMES}
    return xr.Dataset(
        {
            "positions": variable(("frame", "atom", "x"), explored["positions"][rows], "angstrom", "positions"),
            "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
            "split": variable(frame, split.astype(str), "1", "train, validation or test"),
            "temperature": variable(frame, of_frames["temperature"], "K", "temperature of the dynamics"),
            "time": variable(frame, of_frames["time"], "fs", "time since the replica's dynamics began"),
            "forces_spread": variable(
                frame, of_frames["spread"], "eV/angstrom", "largest spread over the members of the force on an atom"
            ),
            "domain_distance": variable(
                frame, of_frames["domain_distance"], "1", "distance from the training frames over the usual, less 1"
            ),
            "excess": variable(frame, excess[rows], "1", "by how many times the threshold for a label is exceeded"),
            "distance_to_train": variable(
                frame,
                distance,
                "angstrom",
                "root mean square difference of sorted distances to nearest earlier train frame",
            ),
            **{name: first[name] for name in (*VARIABLES, "masses") if name in first},
        },
        attrs={name: first.attrs[name] for name in CARRIED if name in first.attrs},
    )
