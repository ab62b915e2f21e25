"""The JSON of AMLP (Automated Machine Learning Potential), from which its converter makes MACE's HDF5 files.

A list of frames. Of each, AMLP's ``ml_dataset_converter.py`` takes ``energy`` (eV), ``atom_types``, ``coordinates``
(Angstrom) and ``forces`` (eV/Angstrom), the last two as ``{"element", "x", "y", "z"}`` for each atom, and
``source_file``, by which it deals frames into splits of its own. A frame without ``cell_lengths`` and ``cell_angles``
is a molecule. It ignores every other key: here split, frame, charge, multiplicity, level, program and dipole
(e Angstrom).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from densnet.exchange.labelled_molecule import Array, LabelledMolecule
from densnet.io.netcdf import write_text


def write_amlp(molecule: LabelledMolecule, output: Path) -> list[Path]:
    """Write all frames to one file, with all digits.

    Raises:
        DensnetError: the file cannot be written.
    """
    write_text(output, json.dumps([_frame(molecule, t) for t in range(len(molecule.energy))]) + "\n")
    return [output]


def _frame(molecule: LabelledMolecule, t: int) -> dict[str, Any]:
    frame: dict[str, Any] = {
        "energy": float(molecule.energy[t]),
        "atom_types": molecule.symbols,
        "coordinates": _by_atom(molecule.symbols, molecule.positions[t]),
        "forces": _by_atom(molecule.symbols, molecule.forces[t]),
        "source_file": molecule.source,
        "split": str(molecule.split[t]),
        "frame": int(molecule.frame[t]),
        "charge": molecule.charge,
        "multiplicity": molecule.multiplicity,
        "level": molecule.level,
        "program": molecule.program,
    }
    return frame | ({"dipole": molecule.dipole[t].tolist()} if np.isfinite(molecule.dipole[t]).all() else {})


def _by_atom(symbols: list[str], vectors: Array) -> list[dict[str, Any]]:
    pairs = zip(symbols, vectors.tolist(), strict=True)
    return [{"element": symbol, "x": x, "y": y, "z": z} for symbol, (x, y, z) in pairs]
