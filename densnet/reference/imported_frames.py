"""Frames of one molecule that other codes labelled: geometries, energies and forces, whatever else comes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import SPLITS
from densnet.molecule import Molecule
from densnet.reference.imported_files import ATOM_KEYS, Reader
from densnet.starting_geometry import check_unit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ImportedFrames:
    """Frames of one molecule; shapes and numbers are checked.

    Attributes:
        source: the file.
        frames: the file of the energies and forces, if it is another.
        numbers: atomic numbers, (i,).
        positions: Å, (t, i, 3).
        energies: eV, (t,).
        forces: eV/Å, (t, i, 3).
        dipoles: e Å about the origin of the positions, (t, 3), or None.
        charge: total charge in e.
        temperature: K, (t,); NaN where not given.
        split: train, validation or test, (t,), or None.
        functional, orbital_basis_name, dispersion, program: the level of theory in words.
        atom_energies: of the free atoms, eV, by atomic number; those that are given.
    """

    source: Path
    frames: Path
    numbers: NDArray[np.int64]
    positions: Array
    energies: Array
    forces: Array
    dipoles: Array | None
    charge: int
    temperature: Array
    split: NDArray[np.str_] | None
    functional: str
    orbital_basis_name: str
    dispersion: str
    program: str
    atom_energies: Mapping[int, float]

    @property
    def n_electrons(self) -> int:
        """Number of electrons, Σ Z - charge."""
        return int(self.numbers.sum()) - self.charge


def frames_of(reader: Reader) -> ImportedFrames:
    """Return the frames that a file's values describe.

    Raises:
        DensnetError: a key that is missing; a wrong shape; NaN; no frames; no closed shell.
    """
    numbers = reader.whole("numbers", (-1,))
    positions = reader.numeric("positions", (-1, len(numbers), 3))
    n = len(positions)
    if not n:
        raise DensnetError(f"{reader.path}: holds no frames")
    charge = int(reader.whole("charge", ())) if "charge" in reader else 0
    for frame in range(n):
        Molecule(numbers, positions[frame], charge=charge, name=f"{reader.source('positions')}: frame {frame}")
    check_unit(str(reader.source("positions")), numbers, positions)
    split = reader.raw("split").astype(str) if "split" in reader else None
    if split is not None and (split.shape != (n,) or not set(split.tolist()) <= set(SPLITS)):
        raise DensnetError(f"{reader.source('split')}: split must be one of {SPLITS} for each of the {n} frames")
    temperature = np.full(n, np.nan)
    if "temperature" in reader:
        temperature[:] = reader.numeric("temperature", (n,) if reader.raw("temperature").ndim else ())
    return ImportedFrames(
        source=reader.path,
        frames=reader.xyz or reader.path,
        numbers=numbers,
        positions=positions,
        energies=reader.numeric("energies", (n,)),
        forces=reader.numeric("forces", (n, len(numbers), 3)),
        dipoles=reader.numeric("dipoles", (n, 3)) if "dipoles" in reader else None,
        charge=charge,
        temperature=temperature,
        split=split,
        functional=reader.text("functional"),
        orbital_basis_name=reader.text("orbital_basis"),
        dispersion=reader.text("dispersion", "none"),
        program=reader.text("program", "another code"),
        atom_energies={
            atomic_numbers[name.removeprefix(ATOM_KEYS[1])]: float(reader.numeric(name, ()))
            for name in reader.values
            if name.startswith(ATOM_KEYS[1])
        },
    )
