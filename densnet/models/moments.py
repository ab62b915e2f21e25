"""The stage ``densnet moments``: charges and multipoles along a trajectory, from a model's densities or fitted ones."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.settings import MomentsSettings
from densnet.density.trajectory_moments import METHOD_VERSION, moments_dataset, moments_of_many
from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.io.parts import Parts
from densnet.models.checkpoint import load_ensemble

Array = NDArray[np.float64]

PIECE = 200
"""Frames between restart points; so many go through the model at once."""


@dataclass(frozen=True)
class Source:
    """Geometries and what gives their coefficients.

    Attributes:
        basis: of the densities.
        numbers: (i,).
        prior: (k,) of the free atoms.
        positions: (t, i, 3) in Å, all frames in one row.
        coefficients: from frame indices to (t, k).
        dims: of the frames, e.g. (replica, time).
        shape: their lengths.
        coords: of the frames.
    """

    basis: Basis
    numbers: NDArray[np.int64]
    prior: Array
    positions: Array
    coefficients: Callable[[NDArray[np.int64]], Array]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coords: dict[str, xr.DataArray]


def trajectory_moments(
    trajectory: Path, output: Path, settings: MomentsSettings, *, model: Path | None = None, processes: int = 1
) -> None:
    """Write dipoles, quadrupoles and atomic charges of every ``stride``-th frame.

    Args:
        trajectory: a ``trajectory.nc``, or a ``labels.nc``, whose fitted densities are taken if no model is given.
        output: the file; finished pieces are kept beside it in ``<output>.parts`` until it is whole.
        model: gives the densities.
        processes: that share the frames; the result does not depend on it.

    Raises:
        DensnetError: a trajectory without a model, a file that cannot be read, an element unknown to the model.
    """
    identity = {"settings": asdict(settings), "trajectory": fingerprint(trajectory), "v": METHOD_VERSION}
    if model is not None:
        identity["model"] = fingerprint(model)
    source = _source(trajectory, model, settings.stride)
    parts = Parts(output, identity)
    frames = np.arange(len(source.positions))
    rows: list[dict[str, Array]] = []
    began, fresh = time.monotonic(), 0
    for start in range(0, len(frames), PIECE):
        piece = frames[start : start + PIECE]
        stored = parts.read(f"{start:07d}")
        if stored is None:
            stored = _piece(source, piece, settings, processes)
            parts.write(f"{start:07d}", stored)
            fresh += len(piece)
            left = (time.monotonic() - began) / fresh * (len(frames) - piece[-1] - 1)
            print(f"densnet moments: {piece[-1] + 1}/{len(frames)} frames  {left:.0f} s left", file=sys.stderr)
        rows += [{name: stored[name][n] for name in stored} for n in range(len(piece))]
    dataset = moments_dataset(rows, source.numbers, source.dims, source.shape).assign_coords(source.coords)
    dataset.attrs = {"partition": settings.charges, "source": "fit" if model is None else "model"}
    write_dataset(dataset, output, stage="moments", method_version=METHOD_VERSION, settings=identity)
    parts.remove()


def _piece(source: Source, frames: NDArray[np.int64], settings: MomentsSettings, processes: int) -> dict[str, Array]:
    pairs = zip(source.positions[frames], source.coefficients(frames), strict=True)
    rows = list(moments_of_many(source.basis, source.numbers, source.prior, pairs, settings, processes=processes))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _source(trajectory: Path, model: Path | None, stride: int) -> Source:
    data = read_dataset(trajectory, stage=("md", "fit"), variables=("positions", "numbers"))
    dims = tuple(str(name) for name in data["positions"].dims[:-2])
    taken = data.isel({dims[-1]: slice(None, None, stride)})
    if model is None:
        if "coefficients" not in data:
            raise DensnetError(f"{trajectory}: holds no densities; give the model that makes them (--model)")
        taken = taken.isel({dims[-1]: np.isfinite(taken["coefficients"].values).all(axis=-1)})
    numbers = np.asarray(data["numbers"].values, dtype=np.int64)
    positions = taken["positions"].values.astype(float)
    shape = positions.shape[:-2]
    if 0 in shape:
        raise DensnetError(f"{trajectory}: holds no frames; make it again")
    positions = positions.reshape(-1, len(numbers), 3)
    coords = {name: taken[name] for name in dims if name in taken.coords}
    if model is None:
        fitted, prior = taken["coefficients"].values, taken["prior"].values
        basis = Basis.from_json(taken.attrs["fit_basis"], trajectory)
        return Source(basis, numbers, prior, positions, lambda frames: fitted[frames], dims, shape, coords)
    network = load_ensemble(model, device="cuda" if torch.cuda.is_available() else "cpu")
    prior = network.prior(numbers)

    def predicted(frames: NDArray[np.int64]) -> Array:
        return network.coefficients(numbers, positions[frames])

    return Source(network.basis, numbers, prior, positions, predicted, dims, shape, coords)
