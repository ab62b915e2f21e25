"""Read what ``densnet label`` and ``densnet atoms`` wrote, check that it fits together, bring it to canonical order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset

Array = NDArray[np.float64]

FROM_SHARDS = ("positions", "numbers", "split", "energy", "forces", "dipole", "orbitals", "status", "wall_time")
FROM_GEOMETRIES = ("positions", "numbers", "temperature", "distance_to_train")
LEVEL = ("functional", "basis", "dispersion", "energy_convergence", "density_convergence")
"""Attributes that say at which level of theory a shard was made."""
COMMON = ("orbital_basis", "ao_convention", "psi4_shells", "psi4_version", "charge", "multiplicity", *LEVEL)
"""Attributes that all shards must share."""
SAME_POSITION = 1e-6
"""Å; a shard's geometries are copies of the geometries file's."""


@dataclass(frozen=True)
class Labels:
    """All frames of a molecule, as Psi4 labelled them.

    Attributes:
        dataset: the shards' variables for every frame in order, with temperature and distance_to_train; frames whose
            ``status`` is not "ok" hold NaN.
        numbers: (i,) atomic numbers.
        orbitals: (t, m, o), bohr^(-3/2), canonical order.
        orbital_basis: of the functions m.
        n_electrons: Σ Z - charge.
        level: attributes to hand on: charge, multiplicity, level of theory, Psi4's version.
    """

    dataset: xr.Dataset
    numbers: NDArray[np.int64]
    orbitals: Array
    orbital_basis: Basis
    n_electrons: int
    level: dict[str, Any]


@dataclass(frozen=True)
class FreeAtoms:
    """Free atoms by atomic number: density matrices (m, m), canonical order, and energies in eV."""

    density_matrices: dict[int, Array]
    energies: dict[int, float]


def read_labels(shards: Sequence[Path], geometries: Path) -> Labels:
    """Read all shards of one geometries file.

    Raises:
        DensnetError: no shards; a file is truncated or foreign; shards disagree, lack frames, repeat them or belong to
            other geometries; the molecule is no closed shell or has effective core potentials.
    """
    if not shards:
        raise DensnetError("shards: expected at least one file of 'densnet label', got none")
    sampled = read_dataset(geometries, stage="sample", variables=FROM_GEOMETRIES)
    datasets = [read_dataset(path, stage="label", variables=FROM_SHARDS) for path in shards]
    for path, dataset in zip(shards, datasets, strict=True):
        _check_attributes(path, dataset, Path(shards[0]), datasets[0])
        if not np.array_equal(dataset["numbers"].values, sampled["numbers"].values):
            raise DensnetError(f"{path}: its atoms are not those of {geometries}; label this file's geometries again")
    parts = [d.drop_vars("numbers") for d in datasets if d.sizes["frame"]]
    if not parts:
        raise DensnetError(f"{shards[0]}: no frames in any shard; label the geometries again")
    whole = xr.concat(parts, "frame", data_vars="all", combine_attrs="override").sortby("frame")
    _check_frames(whole, sampled, geometries)
    temperature, distance = (sampled[name].copy() for name in ("temperature", "distance_to_train"))
    whole = whole.assign(numbers=sampled["numbers"], temperature=temperature, distance_to_train=distance)

    attributes = datasets[0].attrs
    numbers = np.asarray(sampled["numbers"].values, dtype=np.int64)
    charge, multiplicity = int(attributes["charge"]), int(attributes["multiplicity"])
    n_electrons = int(numbers.sum()) - charge
    n_occupied = whole.sizes["occupied"]
    if multiplicity != 1:
        raise DensnetError(f"{shards[0]}: multiplicity is {multiplicity}, but only closed shells (1) can be fitted")
    if 2 * n_occupied != n_electrons:
        raise DensnetError(
            f"{shards[0]}: expected {n_electrons / 2:g} doubly occupied orbitals for {n_electrons} electrons, "
            f"got {n_occupied}; use an all-electron orbital basis"
        )
    basis = Basis.from_json(attributes["orbital_basis"])
    shells = [(int(atom), int(l)) for atom, l in json.loads(attributes["psi4_shells"])]
    index, sign = _canonical_order(shards[0], attributes["ao_convention"], shells, basis, numbers)
    if whole.sizes["ao"] != len(index):
        raise DensnetError(f"{shards[0]}: orbitals have {whole.sizes['ao']} functions, their basis {len(index)}")
    orbitals = np.asarray(whole["orbitals"].values)[:, index] * sign[:, None]
    level = {name: attributes[name] for name in ("charge", "multiplicity", "psi4_version", *LEVEL)}
    return Labels(whole, numbers, orbitals, basis, n_electrons, level)


def read_atoms(
    path: Path, numbers: Sequence[int] | NDArray[np.integer], orbital_basis: Basis, level: Mapping[str, Any]
) -> FreeAtoms:
    """Read the free atoms of every element of some labels.

    Args:
        path: file of ``densnet atoms``.
        numbers: atomic numbers (repeats allowed).
        orbital_basis: of the labels.
        level: the labels' attributes, of which functional and basis must be the atoms' own.

    Raises:
        DensnetError: truncated or foreign file, an element is missing, or another level of theory than the labels'.
    """
    dataset = read_dataset(path, stage="atoms", variables=("element", "energy"))
    _need_attributes(path, dataset, ("orbital_basis", "ao_convention", "psi4_shells", "functional", "basis"))
    if any(_differs(dataset.attrs[name], level[name]) for name in ("functional", "basis")):
        raise DensnetError(
            f"{path}: made at another level of theory than the labels; run 'densnet atoms' again at theirs"
        )
    basis = Basis.from_json(dataset.attrs["orbital_basis"])
    shells = json.loads(dataset.attrs["psi4_shells"])
    matrices: dict[int, Array] = {}
    for number in sorted({int(z) for z in numbers}):
        name = f"density_matrix_{chemical_symbols[number]}"
        if name not in dataset or number not in dataset["element"].values:
            raise DensnetError(f"{path}: no free atom for {chemical_symbols[number]}; run 'densnet atoms' again")
        if basis.of(number) != orbital_basis.of(number):
            raise DensnetError(f"{path}: its orbital basis is not that of the labels; run 'densnet atoms' again")
        own = [(0, int(l)) for l in shells[str(number)]]
        index, sign = _canonical_order(path, dataset.attrs["ao_convention"], own, basis, np.array([number]))
        matrices[number] = np.asarray(dataset[name].values)[np.ix_(index, index)] * (sign[:, None] * sign)
    energies = dict(zip(dataset["element"].values.astype(int).tolist(), dataset["energy"].values.tolist(), strict=True))
    return FreeAtoms(matrices, {number: float(energies[number]) for number in matrices})


def _canonical_order(
    path: Path, convention: str, shells: list[tuple[int, int]], basis: Basis, numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Array]:
    index, sign = to_canonical(convention, shells)
    layout = basis.layout(numbers)
    expected = [(int(a), int(l)) for a, l, m in zip(layout.atom, layout.l, layout.m, strict=True) if m == -l]
    if sorted(shells) != expected:
        raise DensnetError(f"{path}: psi4_shells does not list the shells of orbital_basis; delete it and run again")
    return index, sign


def _check_attributes(path: Path, dataset: xr.Dataset, first_path: Path, first: xr.Dataset) -> None:
    _need_attributes(path, dataset, COMMON)
    for name in COMMON:
        if _differs(dataset.attrs[name], first.attrs[name]):
            raise DensnetError(
                f"{path}: {name} differs from that of {first_path}; label all shards at one level of theory"
            )


def _need_attributes(path: Path, dataset: xr.Dataset, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in dataset.attrs]
    if missing:
        raise DensnetError(f"{path}: the attribute(s) {missing} are missing; delete it and run again")


def _differs(one: Any, other: Any) -> bool:
    return str(one) != str(other)


def _check_frames(whole: xr.Dataset, sampled: xr.Dataset, geometries: Path) -> None:
    frames, expected = whole["frame"].values, np.arange(sampled.sizes["frame"])
    repeated = np.unique(frames[:-1][frames[1:] == frames[:-1]])
    if repeated.size:
        raise DensnetError(f"shards: frame {repeated[0]} comes more than once; name each shard once")
    missing = np.setdiff1d(expected, frames)
    if missing.size:
        raise DensnetError(
            f"shards: {missing.size} of the {len(expected)} frames of {geometries} are missing, the first is "
            f"{missing[0]}; name all shards"
        )
    moved = (
        len(frames) != len(expected)
        or not np.abs(whole["positions"].values - sampled["positions"].values).max() <= SAME_POSITION
    )
    if moved:
        raise DensnetError(
            f"shards: their geometries are not those of {geometries}; label this file's geometries again"
        )
