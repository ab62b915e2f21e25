"""Dynamics of chains of several lengths: whether they held together, and the torsion angles that they took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import ase.data
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.bonds import BONDED_BELOW
from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.oligomer import torsion_angles
from densnet.report.columns import Column, row_variables
from densnet.report.lengths import units_of
from densnet.report.metrics import trajectory_metrics
from densnet.spectra.internal_coordinates import InternalCoordinates

METHOD_VERSION: int = 1

Array = NDArray[np.float64]

BIN_EDGES = np.arange(0.0, 181.0, 10.0)
"""Degrees; torsion angles are counted without their sign, 0 is syn and 180 anti."""
PLACES = ("outer", "inner")
"""The first and the last link of a chain, and those between."""

COLUMNS = {
    "units": Column("units", "1", "length of the chain"),
    "replicas": Column("replicas", "1", "replicas"),
    "md_ps_total": Column("ps in all", "ps", "production time of all replicas together"),
    "atoms_lost": Column(
        "atoms lost", "1", f"atoms that once had no bond within {BONDED_BELOW:g} sums of covalent radii"
    ),
    "shortest_bond": Column("shortest bond", "1", "shortest length of a bond over its sum of covalent radii"),
    "longest_bond": Column("longest bond", "1", "longest length of a bond over its sum of covalent radii"),
    "nve_drift_mev_per_atom_per_ps": Column(
        "drift [meV/atom/ps]", "meV/atom/ps", "drift of the total energy, mean over replicas"
    ),
    "md_ms_per_step_per_replica": Column("ms a step", "ms", "wall time of one step of one replica"),
}


@dataclass(frozen=True)
class Dynamics:
    """What is kept of one length's dynamics.

    Attributes:
        row: a value for each of :data:`COLUMNS`.
        torsions: links in each bin over their number and the bins' width, (place, bin), 1/degree; NaN without links.
    """

    row: dict[str, float]
    torsions: Array


def dynamics_of(trajectory: xr.Dataset, geometries: xr.Dataset) -> Dynamics:
    """Return health and torsions of a chain's dynamics, whose links the geometries know that it started from.

    Raises:
        DensnetError: not a chain, or another molecule.
    """
    if "unit" not in geometries or geometries.sizes["atom"] != trajectory.sizes["atom"]:
        raise DensnetError(
            "chains: expected the dynamics of a chain and the geometries that it started from, found others; start "
            "from 'densnet sample --oligomer'"
        )
    positions = trajectory["positions"].transpose("replica", "time", "atom", "x").values
    lost, shortest, longest = _bonds(trajectory["numbers"].values, positions)
    row = {
        "units": units_of(geometries),
        "replicas": trajectory.sizes["replica"],
        "atoms_lost": lost,
        "shortest_bond": shortest,
        "longest_bond": longest,
        **trajectory_metrics(trajectory),
    }
    links = geometries["torsion"].values if "torsion" in geometries else np.empty((0, 4), dtype=np.int64)
    angles = torsion_angles(positions.astype(float), links).reshape(-1 if len(links) else 0, len(links))
    outer = angles[:, [0, -1]] if len(links) else angles
    return Dynamics(row, np.stack([_distribution(outer), _distribution(angles[:, 1:-1])]))


def chains_table(dynamics: Sequence[Dynamics], labels: Iterable[xr.Dataset]) -> xr.Dataset:
    """Return the table of all lengths, shortest first, and the torsion angles of dynamics and of training labels."""
    if not dynamics:
        raise DensnetError("chains: expected the dynamics of at least one length, got none")
    ordered = sorted(dynamics, key=lambda length: length.row["units"])
    torsions, meaning = np.stack([length.torsions for length in ordered]), "distribution of torsion angles without sign"
    trained = _distribution(np.concatenate([[], *map(_training_angles, labels)]))
    data = row_variables(COLUMNS, [length.row for length in ordered]) | {
        "torsions": variable(("row", "place", "angle"), torsions, "1/degree", f"{meaning}, of dynamics"),
        "torsions_trained": variable(("angle",), trained, "1/degree", f"{meaning}, of all training labels"),
    }
    middles = (BIN_EDGES[1:] + BIN_EDGES[:-1]) / 2
    coords = {
        "angle": variable(("angle",), middles, "degree", "middle of a bin of torsion angles, 180 is anti"),
        "place": variable(("place",), list(PLACES), "1", "the first and last link of a chain, or those between"),
    }
    return xr.Dataset(data, coords)


def _bonds(numbers: NDArray[np.int64], positions: Array) -> tuple[int, float, float]:
    """Return the atoms lost, and the shortest and longest bond of positions (replica, time, i, 3).

    Bonds are those of the first frame; lengths are over the sums of covalent radii.
    """
    pairs = InternalCoordinates.of(numbers, positions[0, 0].astype(float)).stretches
    of_atom = (pairs[:, :, None] == np.arange(len(numbers))).any(axis=1)
    radii = ase.data.covalent_radii[numbers][pairs].sum(1)
    lost, shortest, longest = 0, np.inf, 0.0
    for moved in positions:
        length = np.linalg.norm(moved[:, pairs[:, 0]] - moved[:, pairs[:, 1]], axis=-1) / radii
        bonds_left = (length < BONDED_BELOW).astype(int) @ of_atom
        lost += int((bonds_left == 0).any(axis=0).sum())
        shortest, longest = min(shortest, float(length.min())), max(longest, float(length.max()))
    return lost, shortest, longest


def _training_angles(labels: xr.Dataset) -> Array:
    if "torsion" not in labels:
        return np.empty(0)
    trained = labels["positions"].values[labels["split"].values == "train"]
    return torsion_angles(trained, labels["torsion"].values).ravel()


def _distribution(angles: Array) -> Array:
    """Return the share of angles a degree in each bin, (bin,); NaN if there are none."""
    counts = np.histogram(np.abs(angles), BIN_EDGES)[0]
    width = float(np.diff(BIN_EDGES[:2])[0])
    return counts / (angles.size * width) if angles.size else np.full(len(counts), np.nan)
