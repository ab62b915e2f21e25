"""Kohn-Sham determinants of a molecule, near its lowest conformer: for a first look, without sampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from densnet.errors import DensnetError
from densnet.fitting.determinants import Determinants
from densnet.fitting.kohn_sham_labels import FreeAtoms, read_atoms, read_kohn_sham_labels
from densnet.io.netcdf import variable, write_dataset
from densnet.molecule import Molecule
from densnet.reference.atoms import free_atoms
from densnet.reference.labels import METHOD_VERSION, label_shard
from densnet.reference.level import LevelOfTheory
from densnet.reference.programs import settled
from densnet.units import BOHR_IN_ANGSTROM

DISPLACEMENT = 0.05
"""Å; standard deviation of each coordinate, about that of 300 to 500 K."""


def single_points(
    molecule: Molecule, level: LevelOfTheory, *, n_frames: int, seed: int, folder: Path
) -> tuple[Determinants, FreeAtoms]:
    """Compute determinants of a molecule and its free atoms.

    The first geometry is the molecule's own; the others have their atoms displaced at random.

    Args:
        n_frames: geometries, at least one.
        seed: of the displacements.
        folder: for the files on the way.

    Raises:
        DensnetError: no frames asked for, no such program, an impossible level, or a calculation that fails.
    """
    if n_frames < 1:
        raise DensnetError(f"frames: expected at least 1, got {n_frames}")
    level = settled(level)
    sampled = _geometries(molecule, n_frames, seed)
    geometries, shard, atoms = (folder / name for name in ("geometries.nc", "shard.nc", "atoms.nc"))
    write_dataset(sampled, geometries, stage="sample", method_version=0, settings={"seed": seed})
    labelled, _ = label_shard(sampled, level, shard=0, shards=1, output=shard)
    failed = [str(status) for status in labelled["status"].values if status != "ok"]
    if failed:
        raise DensnetError(f"{level.program}: {len(failed)} of {n_frames} geometries failed, the first: {failed[0]}")
    settings = level.decisive()
    write_dataset(labelled, shard, stage="label", method_version=METHOD_VERSION, settings=settings)
    isolated, _ = free_atoms([int(number) for number in molecule.numbers], level, output=atoms)
    write_dataset(isolated, atoms, stage="atoms", method_version=METHOD_VERSION, settings=settings)

    labels = read_kohn_sham_labels([shard], geometries)
    determinants = Determinants(
        numbers=labels.numbers,
        positions=labels.dataset["positions"].values / BOHR_IN_ANGSTROM,
        orbitals=labels.orbitals,
        orbital_basis=labels.orbital_basis,
        level=f"{level.functional}/{level.basis}",
    )
    return determinants, read_atoms(atoms, labels.numbers, labels.orbital_basis, labels.level)


def _geometries(molecule: Molecule, n_frames: int, seed: int) -> xr.Dataset:
    displaced = np.random.default_rng(seed).normal(0.0, DISPLACEMENT, (n_frames, *molecule.positions.shape))
    displaced[0] = 0.0
    frame = ("frame",)
    return xr.Dataset(
        {
            "numbers": variable(("atom",), molecule.numbers, "1", "atomic numbers"),
            "positions": variable(("frame", "atom", "x"), molecule.positions + displaced, "angstrom", "positions"),
            "split": variable(frame, np.full(n_frames, "test"), "1", "split"),
            "temperature": variable(frame, np.full(n_frames, np.nan), "K", "none: displaced at random"),
            "distance_to_train": variable(frame, np.full(n_frames, np.nan), "angstrom", "none"),
        },
        coords={"frame": variable(frame, np.arange(n_frames), "1", "frame")},
        attrs={"charge": molecule.charge, "multiplicity": molecule.multiplicity},
    )
