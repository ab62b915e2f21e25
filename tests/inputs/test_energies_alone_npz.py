"""Energies and forces without densities as npz files, and their faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.units import kcal, mol
from energies_alone_examples import check_import
from input_case import READ, REFUSED, InputCase

from densnet.exchange.labelled_molecule import LabelledMolecule
from densnet.units import BOHR_IN_ANGSTROM


def benchmark(molecule: LabelledMolecule, unit: float = kcal / mol, **more: Any) -> dict[str, Any]:
    """Revised MD17's keys, in its units."""
    return {
        "nuclear_charges": molecule.numbers,
        "coords": molecule.positions,
        "energies": molecule.energy / unit,
        "forces": molecule.forces / unit,
    } | more


def ours(molecule: LabelledMolecule) -> dict[str, Any]:
    """The keys of docs/import.md, without densities."""
    return {
        "numbers": molecule.numbers,
        "positions": molecule.positions,
        "energies": molecule.energy,
        "forces": molecule.forces,
    }


def lacking(content: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != key}


NPZ_CASES = (
    InputCase("revised MD17's keys, in kcal/mol and Å", READ, "", benchmark),
    InputCase("densnet's keys, in eV and Å", READ, "", ours),
    InputCase(
        "revised MD17's keys, in eV",
        REFUSED,
        "looks like a number in eV that was taken for kcal/mol",
        lambda m: benchmark(m, unit=1.0),
    ),
    InputCase(
        "revised MD17's keys without forces",
        REFUSED,
        "the key forces is missing; expected nuclear_charges, coords, energies, forces",
        lambda m: lacking(benchmark(m), "forces"),
    ),
    InputCase("densnet's keys without forces", REFUSED, "'forces' is missing", lambda m: lacking(ours(m), "forces")),
    InputCase(
        "gradients for forces",
        REFUSED,
        "the forces look like gradients instead of forces",
        lambda m: benchmark(m, forces=-m.forces / (kcal / mol)),
    ),
    InputCase(
        "positions in bohr",
        REFUSED,
        "the positions are no molecule in Angstrom, but one in bohr",
        lambda m: benchmark(m, coords=m.positions / BOHR_IN_ANGSTROM),
    ),
    InputCase(
        "densities of its own",
        REFUSED,
        "has densities of its own (orbitals); leave --density out",
        lambda m: ours(m) | {"orbitals": np.zeros((len(m.energy), 7, 5))},
    ),
    InputCase(
        "a Python object, which could run code",
        REFUSED,
        "write plain arrays with numpy.savez, no objects",
        lambda m: ours(m) | {"energies": [None]},
    ),
)


@pytest.mark.parametrize("case", NPZ_CASES, ids=str)
def test_npz(
    case: InputCase, water_molecule: LabelledMolecule, water_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    np.savez(tmp_path / "theirs.npz", **case.make(water_molecule))
    check_import(case, tmp_path / "theirs.npz", "data", water_run / "density.pt", capsys)
