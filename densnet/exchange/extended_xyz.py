"""Extended xyz by ASE: for ASE itself, MACE, and whatever reads ``REF_energy`` and ``REF_forces``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from densnet.errors import DensnetError
from densnet.exchange.labelled_molecule import LabelledMolecule
from densnet.fitting.kohn_sham_labels import SPLITS
from densnet.io.netcdf import write_atomically
from densnet.peers.labelled_frames import ENERGY, labelled_atoms

DIPOLE = "REF_dipole"
"""Not ASE's own "dipole", which its reader would take for a calculator's result."""
ISOLATED = "IsolatedAtom"
"""MACE's word for a frame whose energy is that of the free atom."""


def images(molecule: LabelledMolecule) -> list[Atoms]:
    """Return a structure a frame.

    In ``info`` are REF_energy (eV), REF_dipole (e Angstrom), split, frame, charge, multiplicity, level, program and
    source, in ``arrays`` REF_forces (eV/Angstrom).
    """
    common = {
        "charge": molecule.charge,
        "multiplicity": molecule.multiplicity,
        "level": molecule.level,
        "program": molecule.program,
        "source": molecule.source,
    }
    structures = []
    for t, positions in enumerate(molecule.positions):
        atoms = labelled_atoms(molecule.numbers, positions, float(molecule.energy[t]), molecule.forces[t])
        if np.isfinite(molecule.dipole[t]).all():
            atoms.info[DIPOLE] = molecule.dipole[t]
        atoms.info |= {"split": str(molecule.split[t]), "frame": int(molecule.frame[t]), **common}
        structures.append(atoms)
    return structures


def write_extended_xyz(molecule: LabelledMolecule, output: Path) -> list[Path]:
    """Write all frames to one file; positions and forces have eight decimals, energies and dipoles all digits.

    Raises:
        DensnetError: the file cannot be written.
    """
    _write(images(molecule), output)
    return [output]


def write_mace(molecule: LabelledMolecule, output: Path) -> list[Path]:
    """Write a file a split to a folder, as ``mace_run_train`` reads them.

    Every frame has MACE's ``total_charge`` and ``total_spin`` (2S + 1) and a ``config_type``; before the training
    frames stand the free atoms with their energies, which MACE takes by ``--E0s=IsolatedAtom``.

    Raises:
        DensnetError: the energy of a free atom is not known; a file cannot be written.
    """
    lacking = sorted(set(molecule.symbols) - {atom.symbols[0] for atom in free_atoms(molecule)})
    if lacking:
        raise DensnetError(
            f"{molecule.source}: expected the energies of all free atoms, found none of {', '.join(lacking)}; "
            "export a folder that 'densnet pack' made, or the output of 'densnet fit'"
        )
    written = []
    for split in SPLITS:
        if split not in molecule.split:
            continue
        structures = images(molecule.of_splits([split]))
        for atoms in structures:
            atoms.info |= {
                "config_type": "Default",
                "total_charge": molecule.charge,
                "total_spin": molecule.multiplicity,
            }
        written.append(Path(output) / f"{split}.xyz")
        _write([*free_atoms(molecule), *structures] if split == "train" else structures, written[-1])
    return written


def free_atoms(molecule: LabelledMolecule) -> list[Atoms]:
    """Return the free atoms of the molecule's elements, those whose energies are known."""
    elements = sorted(set(molecule.numbers.tolist()) & molecule.atomic_energies.keys())
    atoms = [Atoms([z], info={ENERGY: molecule.atomic_energies[z], "config_type": ISOLATED}) for z in elements]
    for atom in atoms:
        atom.info["level"] = molecule.level
    return atoms


def mace_command(written: list[Path]) -> str:
    """Return how MACE's command line is told of the files and of their keys."""
    options = {"train": "train_file", "validation": "valid_file", "test": "test_file"}
    files: dict[str, Any] = {options[path.stem]: path for path in written}
    keys = {"energy_key": ENERGY, "forces_key": "REF_forces", "dipole_key": DIPOLE, "E0s": ISOLATED}
    return " ".join(["mace_run_train", *(f"--{name}={value}" for name, value in (files | keys).items())])


def _write(structures: list[Atoms], path: Path) -> None:
    write_atomically(path, lambda temporary: ase.io.write(temporary, structures, format="extxyz"))
