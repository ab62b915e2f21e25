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
from densnet.report.csv_rows import csv_of
from densnet.report.metrics import trajectory_metrics
from densnet.spectra.internal_coordinates import InternalCoordinates

METHOD_VERSION: int = 1

Array = NDArray[np.float64]

BIN_EDGES = np.arange(0.0, 181.0, 10.0)
"""Degrees; torsion angles are counted without their sign, 0 is syn and 180 anti."""
PLACES = ("outer", "inner")
"""The first and the last link of a chain, and those between."""

COLUMNS: dict[str, tuple[str, str]] = {
    "units": ("1", "length of the chain"),
    "replicas": ("1", "replicas"),
    "md_ps_total": ("ps", "production time of all replicas together"),
    "atoms_lost": ("1", f"atoms that once had no bond within {BONDED_BELOW:g} sums of covalent radii"),
    "shortest_bond": ("1", "shortest length of a bond over its sum of covalent radii"),
    "longest_bond": ("1", "longest length of a bond over its sum of covalent radii"),
    "nve_drift_mev_per_atom_per_ps": ("meV/atom/ps", "drift of the total energy, mean over replicas"),
    "md_ms_per_step_per_replica": ("ms", "wall time of one step of one replica"),
}
"""Units and meaning of the columns of the table."""


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
    """Return health and torsions of a chain's dynamics.

    Args:
        trajectory: outcome of "md".
        geometries: outcome of "sample" that it started from.

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
        "units": int(geometries["unit"].max()) + 1,
        "replicas": trajectory.sizes["replica"],
        "atoms_lost": lost,
        "shortest_bond": shortest,
        "longest_bond": longest,
        **trajectory_metrics(trajectory),
    }
    links = geometries["torsion"].values if "torsion" in geometries else np.empty((0, 4), dtype=np.int64)
    angles = torsion_angles(positions.astype(float), links).reshape(-1 if len(links) else 0, len(links))
    return Dynamics(row, np.stack([_distribution(angles[:, of]) for of in _places(len(links))]))


def chains_table(dynamics: Sequence[Dynamics], labels: Iterable[xr.Dataset]) -> xr.Dataset:
    """Return the table of all lengths, shortest first, and the torsion angles of dynamics and of training labels.

    Args:
        labels: outcomes of "fit" of the lengths that were trained on.

    Raises:
        DensnetError: no dynamics.
    """
    if not dynamics:
        raise DensnetError("chains: expected the dynamics of at least one length, got none")
    ordered = sorted(dynamics, key=lambda one: one.row["units"])
    data = {
        name: variable(("row",), np.array([one.row[name] for one in ordered]), *words)
        for name, words in COLUMNS.items()
    }
    torsions, said = np.stack([one.torsions for one in ordered]), "distribution of torsion angles without sign"
    data["torsions"] = variable(("row", "place", "angle"), torsions, "1/degree", f"{said}, of dynamics")
    trained = _distribution(np.concatenate([[], *(_training_angles(one) for one in labels)]))
    data["torsions_trained"] = variable(("angle",), trained, "1/degree", f"{said}, of all training labels")
    middles = (BIN_EDGES[1:] + BIN_EDGES[:-1]) / 2
    coords = {
        "angle": variable(("angle",), middles, "degree", "middle of a bin of torsion angles, 180 is anti"),
        "place": variable(("place",), list(PLACES), "1", "the first and last link of a chain, or those between"),
    }
    return xr.Dataset(data, coords)


def as_csv(table: xr.Dataset) -> str:
    """Return the rows of the table as CSV, one a length."""
    rows = ([float(table[name].values[row]) for name in COLUMNS] for row in range(table.sizes["row"]))
    return csv_of(list(COLUMNS), rows, ".6g")


def as_rows(table: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table as it is shown."""
    header = ["units", "replicas", "ps in all", "atoms lost", "shortest bond", "longest bond"]
    header += ["drift [meV/atom/ps]", "ms a step"]
    rows = [[f"{table[name].values[row]:.3g}" for name in COLUMNS] for row in range(table.sizes["row"])]
    return header, rows


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


def _places(n_links: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the links of each of :data:`PLACES`."""
    every = np.arange(n_links)
    ends = (every == 0) | (every == n_links - 1)
    return every[ends], every[~ends]


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
