"""Energies and forces without densities as extended xyz, and their faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import kcal, mol
from energies_alone_examples import check_import
from input_case import READ, REFUSED, SAID, InputCase

from densnet.exchange.labelled_molecule import LabelledMolecule
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

OF_UNIT = {"hartree/bohr": HARTREE_IN_EV / BOHR_IN_ANGSTROM, "kcal/mol/Å": kcal / mol, "eV/bohr": 1 / BOHR_IN_ANGSTROM}


def frames(molecule: LabelledMolecule, change: Callable[[Atoms, int], None], prefix: str = "") -> list[Atoms]:
    """Return frames with ASE's own names, or with a prefix."""
    images = []
    for t, positions in enumerate(molecule.positions):
        atoms = Atoms(molecule.numbers, positions)
        energy, forces = float(molecule.energy[t]), molecule.forces[t]
        if prefix:
            atoms.info[f"{prefix}energy"] = energy
            atoms.arrays[f"{prefix}forces"] = forces
        else:
            atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        change(atoms, t)
        images.append(atoms)
    return images


def as_it_is(atoms: Atoms, t: int) -> None:
    pass


def scaled(name: str, factor: float) -> Callable[[Atoms, int], None]:
    def change(atoms: Atoms, t: int) -> None:
        atoms.calc.results[name] = factor * atoms.calc.results[name]

    return change


def without(name: str) -> Callable[[Atoms, int], None]:
    def change(atoms: Atoms, t: int) -> None:
        if t == 2:
            del atoms.calc.results[name]

    return change


def saying(**info: Any) -> Callable[[Atoms, int], None]:
    return lambda atoms, t: atoms.info.update(info)


def of_two_levels(atoms: Atoms, t: int) -> None:
    atoms.info["level"] = "PBE/def2-SVP" if t < 8 else "PBE0/def2-SVP"


def in_a_cell(atoms: Atoms, t: int) -> None:
    atoms.center(vacuum=4.0)
    atoms.pbc = True


def wrapped(atoms: Atoms, t: int) -> None:
    atoms.set_cell([9.0, 9.0, 9.0])
    atoms.pbc = True
    atoms.wrap()


def moved(factor: float) -> Callable[[Atoms, int], None]:
    def change(atoms: Atoms, t: int) -> None:
        atoms.positions *= factor

    return change


def lost(atoms: Atoms, t: int) -> None:
    if t == 3:
        atoms.calc.results["forces"] = np.where(np.eye(3, dtype=bool), np.nan, atoms.calc.results["forces"])


def of_elements(numbers: list[int], at: int | None = None) -> Callable[[Atoms, int], None]:
    def change(atoms: Atoms, t: int) -> None:
        if at is None or t == at:
            atoms.set_atomic_numbers(numbers)

    return change


def with_free_atoms(molecule: LabelledMolecule) -> list[Atoms]:
    free = molecule.atomic_energies.items()
    return [
        *(Atoms([z], info={"REF_energy": energy, "config_type": "IsolatedAtom"}) for z, energy in free),
        *frames(molecule, as_it_is),
    ]


XYZ_CASES = (
    InputCase("energies in eV and forces in eV/Å under ASE's names", READ, "", lambda m: frames(m, as_it_is)),
    InputCase("MACE's names, REF_energy and REF_forces", READ, "", lambda m: frames(m, as_it_is, "REF_")),
    InputCase("free atoms among the frames (config_type=IsolatedAtom)", READ, "", with_free_atoms),
    InputCase("a whole molecule in a periodic cell", READ, "", lambda m: frames(m, in_a_cell)),
    InputCase("a level of theory (level) of its own", READ, "", lambda m: frames(m, saying(level="PBE0/def2-TZVP"))),
    InputCase(
        "copies of frames",
        SAID,
        "1 of 17 frames are copies of others: left out",
        lambda m: [*frames(m, as_it_is), frames(m, as_it_is)[3]],
    ),
    InputCase("no forces in a frame", REFUSED, "frame 2 has no 'forces'", lambda m: frames(m, without("forces"))),
    InputCase("no energy in a frame", REFUSED, "frame 2 has no 'energy'", lambda m: frames(m, without("energy"))),
    InputCase(
        "other names than those of ASE and MACE",
        REFUSED,
        "expected it under that name, which is ASE's, or as 'REF_energy', in eV and Å, found dft_energy, dft_forces",
        lambda m: frames(m, as_it_is, "dft_"),
    ),
    InputCase(
        "two energies that differ",
        REFUSED,
        "frame 0 has 'energy' and 'REF_energy', which differ",
        lambda m: frames(m, saying(REF_energy=0.0)),
    ),
    InputCase("a number that is missing", REFUSED, "forces is not finite in frame 3", lambda m: frames(m, lost)),
    InputCase(
        "gradients for forces",
        REFUSED,
        "the forces look like gradients instead of forces",
        lambda m: frames(m, scaled("forces", -1.0)),
    ),
    *(
        InputCase(
            f"forces in {unit}",
            REFUSED,
            f"the forces look like numbers in {unit}",
            lambda m, factor=factor: frames(m, scaled("forces", 1 / factor)),
        )
        for unit, factor in OF_UNIT.items()
    ),
    InputCase(
        "energies in hartree",
        REFUSED,
        "looks like a number in hartree; give both in eV",
        lambda m: frames(m, scaled("energy", 1 / HARTREE_IN_EV)),
    ),
    InputCase(
        "energies in kcal/mol",
        REFUSED,
        "looks like a number in kcal/mol; give both in eV",
        lambda m: frames(m, scaled("energy", mol / kcal)),
    ),
    InputCase(
        "positions in bohr",
        REFUSED,
        "the positions are no molecule in Angstrom, but one in bohr",
        lambda m: frames(m, moved(1 / BOHR_IN_ANGSTROM)),
    ),
    InputCase(
        "positions in nanometres",
        REFUSED,
        "atoms 0 and 2 are only 0.09 Angstrom apart; correct the geometry (are its units Angstrom?)",
        lambda m: frames(m, moved(0.1)),
    ),
    InputCase(
        "another charge (charge=2)",
        REFUSED,
        "the density model is of the charge 0",
        lambda m: frames(m, saying(charge=2)),
    ),
    InputCase(
        "a triplet (multiplicity=3)",
        REFUSED,
        "multiplicity: expected 1, a closed shell, found 3",
        lambda m: frames(m, saying(multiplicity=3)),
    ),
    InputCase(
        "an element that the density model lacks",
        REFUSED,
        "the density model lacks S",
        lambda m: frames(m, of_elements([16, 1, 1])),
    ),
    InputCase(
        "two molecules",
        REFUSED,
        "frame 2 has other atoms than frame 0, NH2 and OH2",
        lambda m: frames(m, of_elements([7, 1, 1], 2)),
    ),
    InputCase(
        "atoms in another order in one frame",
        REFUSED,
        "frame 2 has other atoms than frame 0, HOH and OH2",
        lambda m: frames(m, of_elements([1, 8, 1], 2)),
    ),
    InputCase(
        "a molecule wrapped in its periodic cell",
        REFUSED,
        "frame 0: the molecule is wrapped",
        lambda m: frames(m, wrapped),
    ),
    InputCase(
        "frames of two levels of theory",
        REFUSED,
        "level: expected one of all frames, found PBE/def2-SVP, PBE0/def2-SVP",
        lambda m: frames(m, of_two_levels),
    ),
    InputCase("nothing", REFUSED, "holds no frames", lambda m: []),
)


@pytest.mark.parametrize("case", XYZ_CASES, ids=str)
def test_extended_xyz(
    case: InputCase, water_molecule: LabelledMolecule, water_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images = case.make(water_molecule)
    ase.io.write(tmp_path / "theirs.xyz", images, format="extxyz") if images else (tmp_path / "theirs.xyz").touch()
    check_import(case, tmp_path / "theirs.xyz", "xyz", water_run / "density.pt", capsys)
