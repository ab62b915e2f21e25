"""Labels of chosen geometries from orbitals that lie in a file: a shard like Psi4's, without Psi4."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import SAME_POSITION
from densnet.io.netcdf import read_dataset
from densnet.processes.pool import one_thread
from densnet.reference import import_checks as checks
from densnet.reference.imported_data import ImportedData
from densnet.reference.imported_labels import atoms_of, orbital_labels
from densnet.reference.imported_split import Selection

METHOD_VERSION: int = 1

Array = NDArray[np.float64]


@one_thread()
def labels_of_orbitals(data: ImportedData, geometries: xr.Dataset, atoms: Path) -> xr.Dataset:
    """Return what "label" writes of all geometries in one shard, from a file that holds them with their orbitals.

    Args:
        data: from :func:`densnet.reference.imported_data.read_data`; it may hold more frames, in any order.
        geometries: outcome of "sample".
        atoms: file of ``densnet atoms`` at the level of theory of the orbitals.

    Raises:
        DensnetError: other atoms, or a frame that the file lacks; no orbitals, or orbitals that are not orthonormal or
            contradict the given dipole; free atoms of another level or basis, or energies far from theirs.
    """
    if not np.array_equal(data.numbers, geometries["numbers"].values):
        raise DensnetError(f"{data.source}: its atoms are not those of the geometries; give the molecule's own file")
    rows = rows_of(geometries["positions"].values, data.positions, data.source)
    # by which it is known that functional and basis are the atoms' own, function by function
    checks.check_energies(data, atoms_of(data, atoms).energies)
    free = read_dataset(atoms, stage="atoms")
    selection = Selection(rows, geometries["split"].values.astype(str), geometries["distance_to_train"].values)
    labels = orbital_labels(data, Basis.from_json(free.attrs["orbital_basis"]), selection)
    return labels.assign_attrs(functional=free.attrs["functional"], basis=free.attrs["basis"])


def check_held(path: Path, positions: Array) -> None:
    """Refuse a file that lacks a geometry; of the file nothing but the positions is read.

    Args:
        path: as docs/import.md has it.
        positions: the geometries, (t, i, x), Å.

    Raises:
        DensnetError: a geometry is missing, or the file cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            held = np.asarray(stored["positions"], dtype=np.float64)
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DensnetError(
            f"{path}: not a readable npz file with positions ({error}); correct it (docs/import.md) or move it away"
        ) from error
    if held.shape[1:] != positions.shape[1:]:
        raise DensnetError(
            f"{path}: positions: expected the shape (any, {positions.shape[1]}, 3), found {held.shape}; move it away"
        )
    rows_of(positions, held, path)


def rows_of(positions: Array, held: Array, source: Path) -> NDArray[np.int64]:
    """Return where in a file each geometry is.

    Args:
        positions: the geometries, (t, i, x), Å.
        held: those of the file, (T, i, x), Å.
        source: the file.

    Raises:
        DensnetError: a geometry is not among them to 1e-6 Å.
    """
    distance, rows = cKDTree(held.reshape(len(held), -1)).query(positions.reshape(len(positions), -1), p=np.inf)
    missing = np.flatnonzero(distance > SAME_POSITION)
    if len(missing):
        raise DensnetError(
            f"{source}: holds no orbitals of {len(missing)} of the {len(positions)} geometries, the first is frame "
            f"{missing[0]}; ask for fewer frames, or move the file away and Psi4 labels them all"
        )
    return np.asarray(rows, dtype=np.int64)
