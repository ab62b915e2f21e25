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

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable
from densnet.oligomer import VARIABLES
from densnet.units import BOHR_IN_ANGSTROM

Array = NDArray[np.float64]

SPLITS = ("train", "validation", "test")
FROM_SHARDS = ("positions", "numbers", "split", "energy", "forces", "dipole", "orbitals", "status", "wall_time")
FROM_GEOMETRIES = ("positions", "numbers", "temperature", "distance_to_train")
LEVEL = ("functional", "basis", "dispersion", "energy_convergence", "density_convergence")
"""Attributes that say at which level of theory a shard was made."""
COMMON = ("orbital_basis", "ao_convention", "psi4_shells", "psi4_version", "charge", "multiplicity", *LEVEL)
"""Attributes that all shards must share."""
OTHER_PROGRAM = "not used: labels by "
"""What ``psi4_version`` begins with where labels are not Psi4's; the program's name follows."""
SAME_POSITION = 1e-6
"""Å; a shard's geometries are copies of the geometries file's."""
GIVEN = ("energy_given", "forces_given")
"""Variables of the geometries that, if they are there, take the place of the labels' energies and forces."""
GIVEN_FORCES_TOLERANCE = 0.05
"""eV/Å, mean over components, between given forces and the labels': two programs at one level of theory differ by
some 1e-3, another basis set or functional by more than this, another unit or order of atoms by far more."""
GIVEN_ENERGY_TOLERANCE = 0.05
"""eV, mean deviation of given energies from the labels' after their mean difference, which two programs may have."""
NEARLY_ORTHONORMAL = 1e-4
"""Rounding to single precision leaves CᵀSC within 1e-6 of unity; what is further off is wrong and stays so."""


@dataclass(frozen=True)
class KohnShamLabels:
    """All frames of a molecule, as Psi4 or PySCF labelled them.

    Attributes:
        dataset: the shards' variables for every frame in order, with temperature and distance_to_train; frames whose
            ``status`` is not "ok" hold NaN.
        numbers: (i,) atomic numbers.
        orbitals: (t, m, o), bohr^(-3/2), canonical order.
        orbital_basis: of the functions m.
        n_electrons: Σ Z - charge.
        level: attributes to hand on: charge, multiplicity, level of theory, program.
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


def psi4_version(program: str) -> str:
    """Return the attribute ``psi4_version`` of labels that a program made, "Psi4 1.3.2" for instance."""
    name, _, version = program.partition(" ")
    return version if name == "Psi4" else f"{OTHER_PROGRAM}{program}"


def program_of(attributes: Mapping[str, Any]) -> str:
    """Return the program that made a file, name and version; files of earlier versions name Psi4's version alone."""
    version = str(attributes.get("psi4_version", ""))
    of_others = version.removeprefix(OTHER_PROGRAM)
    return str(attributes.get("program", of_others if of_others != version else f"Psi4 {version}".strip()))


def merge_shards(shards: Sequence[Path], geometries: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the geometries and the labels of those frames that the shards hold, in order, with the shards' attributes.

    Raises:
        DensnetError: no shards; a file is truncated or foreign; shards disagree, repeat frames or belong to other
            geometries.
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
    if not parts and not sampled.sizes["frame"]:
        parts = [datasets[0].drop_vars("numbers")]
    if not parts:
        raise DensnetError(f"{shards[0]}: no frames in any shard; label the geometries again")
    whole = xr.concat(parts, "frame", data_vars="all", combine_attrs="override").sortby("frame")
    _check_frames(whole, sampled, geometries)
    return sampled, whole.assign(numbers=sampled["numbers"])


def read_kohn_sham_labels(
    shards: Sequence[Path], geometries: Path, sizes: Mapping[str, int] | None = None
) -> KohnShamLabels:
    """Read all shards of one geometries file.

    Orbitals that were kept in single precision are made orthonormal again in double. Energies and forces that came
    with the geometries take the place of the shards'.

    Args:
        sizes: how many frames of a split to take, all of those that are not named: the first of train, which are in
            random order, and of the others so many evenly spread over their trajectories.

    Raises:
        DensnetError: no shards; a file is truncated or foreign; shards disagree, lack frames, repeat them or belong to
            other geometries; fewer frames than wanted; no closed shell, or an orbital basis with core potentials;
            energies or forces that came with the geometries are none of the labels' level of theory.
    """
    sampled, whole = merge_shards(shards, geometries)
    missing = np.setdiff1d(np.arange(sampled.sizes["frame"]), whole["frame"].values)
    if missing.size:
        raise DensnetError(
            f"shards: {missing.size} of the {sampled.sizes['frame']} frames of {geometries} are missing, the first is "
            f"{missing[0]}; name all shards"
        )
    temperature, distance = (sampled[name].copy() for name in ("temperature", "distance_to_train"))
    chain = {name: sampled[name] for name in VARIABLES if name in sampled}
    whole = whole.assign(chain | {"temperature": temperature, "distance_to_train": distance})
    whole, differences = _with_given(whole, sampled, geometries)
    whole = whole.isel(frame=_taken(whole["split"].values, sizes or {}))

    attributes = whole.attrs
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
    basis, orbitals = canonical_orbitals(whole, numbers, shards[0])
    level = {name: attributes[name] for name in ("charge", "multiplicity", "psi4_version", *LEVEL)} | differences
    level |= {name: attributes[name] for name in ("program",) if name in attributes}
    return KohnShamLabels(whole, numbers, orbitals, basis, n_electrons, level)


def canonical_orbitals(labels: xr.Dataset, numbers: NDArray[np.int64], path: Path) -> tuple[Basis, Array]:
    """Return the orbital basis of labels, and their orbitals (t, m, o) in canonical order, orthonormal in double.

    Args:
        labels: content of a file of ``densnet label``, or of several.
        numbers: (i,) atomic numbers.
        path: the file, for messages.

    Raises:
        DensnetError: orbitals and the shells that the file names do not fit together.
    """
    attributes = labels.attrs
    basis = Basis.from_json(attributes["orbital_basis"], path)
    shells = [(int(atom), int(l)) for atom, l in json.loads(attributes["psi4_shells"])]
    index, sign = _canonical_order(path, attributes["ao_convention"], shells, basis, numbers)
    if labels.sizes["ao"] != len(index):
        raise DensnetError(f"{path}: orbitals have {labels.sizes['ao']} functions, their basis {len(index)}")
    orbitals = np.asarray(labels["orbitals"].values, dtype=np.float64)[:, index] * sign[:, None]
    if labels["orbitals"].dtype == np.float32:
        orbitals = _orthonormal(orbitals, basis, numbers, labels["positions"].values / BOHR_IN_ANGSTROM)
    return basis, orbitals


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
        DensnetError: truncated or foreign file, an element is missing, or another level of theory or program than the
            labels'.
    """
    dataset = read_dataset(path, stage="atoms", variables=("element", "energy"))
    _need_attributes(path, dataset, ("orbital_basis", "ao_convention", "psi4_shells", "functional", "basis"))
    if any(_differs(dataset.attrs[name], level[name]) for name in ("functional", "basis")):
        raise DensnetError(
            f"{path}: made at another level of theory than the labels; run 'densnet atoms' again at theirs"
        )
    programs = [str(attributes["program"]) for attributes in (dataset.attrs, level) if "program" in attributes]
    if len({program.split()[0] for program in programs}) > 1:
        raise DensnetError(
            f"{path}: free atoms by {programs[0]} beside labels by {programs[1]}; make all of a run with one program "
            "(reference.program)"
        )
    basis = Basis.from_json(dataset.attrs["orbital_basis"], path)
    shells = json.loads(dataset.attrs["psi4_shells"])
    matrices: dict[int, Array] = {}
    for number in sorted({int(z) for z in numbers}):
        name = f"density_matrix_{chemical_symbols[number]}"
        if name not in dataset or number not in dataset["element"].values:
            raise DensnetError(f"{path}: no free atom for {chemical_symbols[number]}; run 'densnet atoms' again")
        if basis.of(number) != orbital_basis.of(number):
            raise DensnetError(f"{path}: its orbital basis is not that of the labels; run 'densnet atoms' again")
        of_atom = [(0, int(l)) for l in shells[str(number)]]
        index, sign = _canonical_order(path, dataset.attrs["ao_convention"], of_atom, basis, np.array([number]))
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
    program, of_first = program_of(dataset.attrs), program_of(first.attrs)
    if program.split()[0] != of_first.split()[0]:
        raise DensnetError(
            f"{path}: labelled by {program}, {first_path} by {of_first}; make all of a run with one program "
            "(reference.program): delete the shards of the other and run again"
        )
    for name in COMMON:
        if _differs(dataset.attrs[name], first.attrs[name]):
            raise DensnetError(
                f"{path}: {name} differs from that of {first_path}; label all shards at one level of theory"
            )


def _need_attributes(path: Path, dataset: xr.Dataset, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in dataset.attrs]
    if missing:
        raise DensnetError(f"{path}: the attribute(s) {missing} are missing; delete it and run again")


def _differs(value: Any, first: Any) -> bool:
    return str(value) != str(first)


def _check_frames(whole: xr.Dataset, sampled: xr.Dataset, geometries: Path) -> None:
    frames = whole["frame"].values
    repeated = np.unique(frames[:-1][frames[1:] == frames[:-1]])
    if repeated.size:
        raise DensnetError(f"shards: frame {repeated[0]} comes more than once; name each shard once")
    known = (frames >= 0) & (frames < sampled.sizes["frame"])
    if (
        not known.all()
        or not np.abs(whole["positions"].values - sampled["positions"].values[frames]).max(initial=0.0) <= SAME_POSITION
    ):
        raise DensnetError(
            f"shards: their geometries are not those of {geometries}; label this file's geometries again"
        )


def _with_given(whole: xr.Dataset, sampled: xr.Dataset, geometries: Path) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return the labels with energies and forces that came with the geometries, and attributes that say so.

    Both unchanged, and no attributes, where none came with them.

    Raises:
        DensnetError: one is missing or not finite, or they differ from the labels by more than two programs do.
    """
    if not any(name in sampled for name in GIVEN):
        return whole, {}
    missing = [name for name in GIVEN if name not in sampled or not np.isfinite(sampled[name].values).all()]
    if missing:
        raise DensnetError(
            f"{geometries}: {missing[0]} is missing or not finite; expected {' and '.join(GIVEN)}, or neither of them"
        )
    energy, forces = (sampled[name].values for name in GIVEN)
    ok = whole["status"].values == "ok"
    by = str(sampled.attrs.get("given_by", "not said by whom"))
    attributes: dict[str, Any] = {"energies_and_forces_given_by": by}
    if ok.any():
        in_energy = energy[ok] - whole["energy"].values[ok]
        force_difference = float(np.abs(forces[ok] - whole["forces"].values[ok]).mean())
        energy_difference = float(np.abs(in_energy - in_energy.mean()).mean())
        if force_difference > GIVEN_FORCES_TOLERANCE or energy_difference > GIVEN_ENERGY_TOLERANCE:
            raise DensnetError(
                f"{geometries}: its energies and forces ({by}) differ from the labels' by {energy_difference:.3g} eV "
                f"(after the mean) and {force_difference:.3g} eV/Å in the mean, at most {GIVEN_ENERGY_TOLERANCE:g} and "
                f"{GIVEN_FORCES_TOLERANCE:g}; check their units, the order of atoms and frames, and the level of theory"
            )
        attributes |= {
            "given_energy_offset_ev": float(in_energy.mean()),
            "given_energy_difference_ev": energy_difference,
            "given_force_difference_ev_per_angstrom": force_difference,
        }
    return whole.assign(
        energy=variable(("frame",), np.where(ok, energy, np.nan), "eV", f"total energy, given by {by}"),
        forces=variable(
            ("frame", "atom", "x"),
            np.where(ok[:, None, None], forces, np.nan),
            "eV/angstrom",
            f"forces, given by {by}",
        ),
    ), attributes


def evenly_spread(rows: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """Return so many of some rows, evenly spread, ascending; all where there are fewer."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(wanted, len(rows))).round().astype(int))]


def _taken(split: NDArray[np.str_], sizes: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the rows of the frames that ``sizes`` wants, ascending."""
    taken = [np.zeros(0, dtype=np.int64)]
    for name in np.unique(split):
        rows = np.flatnonzero(split == name)
        wanted = sizes.get(str(name), len(rows))
        if wanted > len(rows):
            raise DensnetError(f"labels: expected {wanted} {name} frames, found {len(rows)}; take fewer or label more")
        spread = np.arange(wanted) if name == "train" else np.arange(wanted) * len(rows) // max(wanted, 1)
        taken.append(rows[spread])
    return np.sort(np.concatenate(taken))


def _orthonormal(orbitals: Array, basis: Basis, numbers: NDArray[np.int64], positions: Array) -> Array:
    """Return the orthonormal orbitals nearest to those of each frame, C (CᵀSC)^(-1/2).

    Löwdin, J. Chem. Phys. 18, 365 (1950). Orbitals that are not numbers stay as they are.

    Args:
        orbitals: (t, m, o).
        positions: (t, i, 3), bohr.
    """
    result = orbitals.copy()
    for t in np.flatnonzero(np.isfinite(orbitals).all(axis=(1, 2))):
        C = orbitals[t]
        values, vectors = np.linalg.eigh(C.T @ integrals.overlap(basis, numbers, positions[t]) @ C)
        if abs(values - 1.0).max() < NEARLY_ORTHONORMAL:
            result[t] = C @ (vectors / np.sqrt(values)) @ vectors.T
    return result
