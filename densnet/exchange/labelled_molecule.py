"""The labels of one molecule as every program knows them: geometries, energies, forces and dipoles, no densities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import SPLITS, program_of
from densnet.fitting.label_content import OF_MODEL
from densnet.io.netcdf import read_dataset
from densnet.reference.level import level_name
from densnet.reference.packing import ATOMS, ORBITALS, split_sizes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledMolecule:
    """Labels of one molecule, in ASE's units.

    Attributes:
        numbers: atomic numbers, (i,).
        positions: Angstrom, (t, i, x).
        energy: total energies, eV, (t,).
        forces: eV/Angstrom, (t, i, x).
        dipole: e Angstrom, about the origin of the positions, (t, x); NaN where it is not known.
        split: train, validation or test, (t,).
        frame: numbers of the frames among the geometries, (t,).
        charge: e.
        multiplicity: 2S + 1.
        functional, basis, dispersion: level of theory.
        program: which computed the labels, with its version.
        source: name of the file or folder, behind that of the folder it lies in.
        atomic_energies: of the spherical free atoms, eV, by atomic number; those that the file has.
    """

    numbers: NDArray[np.int64]
    positions: Array
    energy: Array
    forces: Array
    dipole: Array
    split: NDArray[np.str_]
    frame: NDArray[np.int64]
    charge: int
    multiplicity: int
    functional: str
    basis: str
    dispersion: str
    program: str
    source: str
    atomic_energies: dict[int, float]

    @property
    def level(self) -> str:
        """The level of theory in one phrase, e.g. "PBE-D4/def2-SVP"."""
        return level_name(self.functional, self.basis, self.dispersion)

    @property
    def symbols(self) -> list[str]:
        """The chemical symbols of the atoms."""
        return [chemical_symbols[number] for number in self.numbers]

    def of_splits(self, wanted: Sequence[str]) -> LabelledMolecule:
        """Return the frames of some splits; of all, if none is named.

        Raises:
            DensnetError: there is no frame in one of them.
        """
        sizes = split_sizes(self.split)
        empty = [name for name in wanted if not sizes[name]]
        if empty:
            there = ", ".join(f"{count} {name}" for name, count in sizes.items() if count)
            raise DensnetError(f"split: expected one of which {self.source} has frames ({there}), found {empty[0]}")
        rows = np.flatnonzero(np.isin(self.split, wanted or SPLITS))
        along = ("positions", "energy", "forces", "dipole", "split", "frame")
        return replace(self, **{name: getattr(self, name)[rows] for name in along})


def labelled_molecule(path: Path) -> LabelledMolecule:
    """Read the output of "fit" or "label", or a folder of labels that "pack" wrote.

    Frames whose label failed are left out.

    Raises:
        DensnetError: no such file or folder, or one of another kind; no forces or energies; one that is not finite.
    """
    path = Path(path)
    file, free = _files(path)
    needed = ("positions", "numbers", "split", "energy")
    data = read_dataset(file, stage=("fit", "label"), variables=needed)
    if "forces" not in data.variables:
        raise DensnetError(f"{file}: expected forces beside the energies, found none; label with forces")
    if "status" in data:
        data = data.isel(frame=np.flatnonzero(data["status"].values == "ok"))
    if not data.sizes["frame"]:
        raise DensnetError(f"{file}: expected labelled frames, found none; label some")
    for name in ("positions", "energy", "forces"):
        lacking = ~np.isfinite(data[name].values.reshape(data.sizes["frame"], -1)).all(axis=1)
        if lacking.any():
            frames = _frames(data)[lacking].tolist()
            raise DensnetError(f"{file}: {name} is not finite in frame(s) {frames}; label these frames again")
    dipole = data["dipole"].values if "dipole" in data else np.full((data.sizes["frame"], 3), np.nan)
    values: dict[str, Any] = {name: data[name].values for name in (*needed, "forces")}
    return LabelledMolecule(
        **values,
        dipole=dipole,
        frame=_frames(data),
        **_provenance(data.attrs, file),
        source="/".join(path.resolve().parts[-2:]),
        atomic_energies=_atomic_energies(data, free),
    )


def _files(path: Path) -> tuple[Path, Path | None]:
    """Return the file of the labels, and that of the free atoms if it is another."""
    if not path.is_dir():
        return path, None
    file, free = path / ORBITALS, path / ATOMS
    if not file.exists():
        inside = sorted(folder.name for folder in path.iterdir() if (folder / ORBITALS).exists())
        choice = f"of the folders in it ({', '.join(inside)})" if inside else "that 'densnet pack' made"
        raise DensnetError(f"{path}: expected a folder of labels with {ORBITALS}, found none; name one {choice}")
    return file, free if free.exists() else None


def _frames(data: xr.Dataset) -> NDArray[np.int64]:
    frames = data["frame"].values if "frame" in data.coords else np.arange(data.sizes["frame"])
    return np.asarray(frames, dtype=np.int64)


def _provenance(attributes: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return charge, multiplicity, level and program of a file's attributes."""
    missing = [name for name in ("charge", "multiplicity", "functional", "basis") if name not in attributes]
    if missing:
        raise DensnetError(f"{file}: expected the attribute {missing[0]}, found none; make the file again")
    return {
        "charge": int(attributes["charge"]),
        "multiplicity": int(attributes["multiplicity"]),
        "functional": str(attributes["functional"]),
        "basis": str(attributes["basis"]),
        "dispersion": str(attributes.get("dispersion", "none")),
        "program": program_of(attributes),
    }


def _atomic_energies(data: xr.Dataset, free: Path | None) -> dict[int, float]:
    """Return the energies of the free atoms in eV, those that are known."""
    if free is not None:
        atoms = read_dataset(free, stage="atoms", variables=("element", "energy"))
        elements, energies = atoms["element"].values, atoms["energy"].values
    elif "atomic_energy" in data and data["atomic_energy"].attrs.get("long_name") != OF_MODEL:
        elements, energies = data["element"].values, data["atomic_energy"].values
    else:
        return {}
    return {int(z): float(energy) for z, energy in zip(elements, energies, strict=True) if np.isfinite(energy)}
