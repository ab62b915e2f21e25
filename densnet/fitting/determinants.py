"""Kohn-Sham determinants: what densities are fitted to, read from a label file or made anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.molecule import formula
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Determinants:
    """Closed-shell determinants of several geometries of one molecule.

    Attributes:
        numbers: (i,) atomic numbers.
        positions: (t, i, 3) in bohr.
        orbitals: (t, m, o), doubly occupied, canonical order.
        orbital_basis: of the functions m.
        level: functional and basis, for a reader.
    """

    numbers: NDArray[np.int64]
    positions: Array
    orbitals: Array
    orbital_basis: Basis
    level: str

    @property
    def formula(self) -> str:
        """Return the sum formula."""
        return formula(self.numbers)

    def __getitem__(self, chosen: slice) -> Determinants:
        """Return some of the geometries."""
        return replace(self, positions=self.positions[chosen], orbitals=self.orbitals[chosen])

    def frames(self) -> list[tuple[Array, Array]]:
        """Return positions and orbitals of each geometry."""
        return list(zip(self.positions, self.orbitals, strict=True))


def determinants_of_labels(path: Path, split: str, limit: int) -> Determinants:
    """Read up to ``limit`` frames of a split, evenly spread, from a ``labels.nc``.

    Raises:
        DensnetError: not a label file, no orbitals in it, or no frames of that split.
    """
    dataset = read_dataset(path, stage="fit", variables=("positions", "numbers", "split"))
    if "orbitals" not in dataset:
        raise DensnetError(f"{path}: holds no orbitals to fit again; give labels that have them")
    rows = np.flatnonzero(dataset["split"].values == split)
    if not len(rows):
        raise DensnetError(f"{path}: expected frames of the split {split!r}, found none")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, limit).round().astype(int))]
    return _from(dataset.isel(frame=rows))


def _from(dataset: xr.Dataset) -> Determinants:
    return Determinants(
        numbers=np.asarray(dataset["numbers"].values, dtype=np.int64),
        positions=dataset["positions"].values / BOHR_IN_ANGSTROM,
        orbitals=np.asarray(dataset["orbitals"].values, dtype=float),
        orbital_basis=Basis.from_json(dataset.attrs["orbital_basis"]),
        level=f"{dataset.attrs.get('functional', '?')}/{dataset.attrs.get('basis', '?')}",
    )
