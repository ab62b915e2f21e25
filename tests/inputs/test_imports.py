"""What other codes' files go wrong in: units, signs, frames, digits, copies; each said with what it looks like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from input_case import READ, REFUSED, SAID, InputCase
from pyscf import gto, scf

from densnet.basis import integrals
from densnet.errors import DensnetError
from densnet.potentials import named
from densnet.reference import import_checks
from densnet.reference.force_checks import check_forces
from densnet.reference.imported_data import ImportedData, read_data
from densnet.reference.imported_split import SplitSettings, deal
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]])
ATOMS = {1: -0.4666 * HARTREE_IN_EV, 8: -73.8042 * HARTREE_IN_EV}
N = 8
Content = dict[str, Any]


@pytest.fixture(scope="module")
def right() -> Content:
    """Water by Hartree-Fock in STO-3G, moved at random."""
    positions = WATER + 0.05 * np.random.default_rng(1).normal(size=(N, 3, 3))
    moles = [gto.M(atom=list(zip("OHH", r, strict=True)), basis="STO-3G", verbose=0) for r in positions]
    fields = [scf.RHF(mole).run(conv_tol=1e-12) for mole in moles]
    gradients = [field.nuc_grad_method().kernel() for field in fields]
    return {
        "numbers": np.array([8, 1, 1]),
        "positions": positions,
        "energies": np.array([field.e_tot for field in fields]) * HARTREE_IN_EV,
        "forces": -np.array(gradients) * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM,
        "functional": "HF",
        "orbital_basis": "STO-3G",
        "ao_order": "pyscf",
        "orbitals": np.array([field.mo_coeff[:, field.mo_occ > 0] for field in fields]),
    }


def turned(array: np.ndarray) -> np.ndarray:
    return np.roll(array, 3, axis=0)


def copied(content: Content) -> Content:
    rows = np.array([0, 1, 2, 3, 4, 5, 0, 1])
    return {key: content[key][rows] for key in ("positions", "energies", "forces", "orbitals")}


def some_zero(forces: np.ndarray) -> np.ndarray:
    return np.where(np.arange(N)[:, None, None] == 5, 0.0, forces)


CASES = (
    InputCase("total energies in eV, forces in eV/Å", READ, "", lambda c: {}),
    InputCase(
        "gradients for forces",
        REFUSED,
        "the forces look like gradients instead of forces",
        lambda c: {"forces": -c["forces"]},
    ),
    InputCase(
        "forces in hartree/bohr",
        REFUSED,
        "the forces look like numbers in hartree/bohr",
        lambda c: {"forces": c["forces"] / HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM},
    ),
    InputCase(
        "gradients in hartree/bohr",
        REFUSED,
        "gradients instead of forces, in hartree/bohr",
        lambda c: {"forces": -c["forces"] / HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM},
    ),
    InputCase(
        "forces in kcal/mol/Å",
        REFUSED,
        "the forces look like numbers in kcal/mol/Å",
        lambda c: {"forces": 23.06 * c["forces"]},
    ),
    InputCase(
        "forces in eV/bohr",
        REFUSED,
        "the forces look like numbers in eV/bohr",
        lambda c: {"forces": BOHR_IN_ANGSTROM * c["forces"]},
    ),
    InputCase(
        "forces of other frames",
        REFUSED,
        "the forces look like those of other frames",
        lambda c: {"forces": turned(c["forces"])},
    ),
    InputCase(
        "forces of zero",
        REFUSED,
        "the forces of 1 of 8 frames are zero, first frame 5",
        lambda c: {"forces": some_zero(c["forces"])},
    ),
    InputCase(
        "energies of other frames",
        REFUSED,
        "the energies look like those of other frames",
        lambda c: {"energies": turned(c["energies"])},
    ),
    InputCase("energies in hartree", REFUSED, "give both in eV", lambda c: {"energies": c["energies"] / HARTREE_IN_EV}),
    InputCase(
        "energies without the atoms'",
        REFUSED,
        "as total energies of the same level of theory",
        lambda c: {"energies": c["energies"] - c["energies"].mean()},
    ),
    InputCase(
        "orbitals with eight decimals",
        SAID,
        "orbitals of 8 of 8 frames have few digits",
        lambda c: {"orbitals": c["orbitals"].round(8)},
    ),
    InputCase(
        "orbitals in single precision",
        SAID,
        "orbitals of 8 of 8 frames have few digits",
        lambda c: {"orbitals": c["orbitals"].astype(np.float32)},
    ),
    InputCase(
        "orbitals with five decimals",
        REFUSED,
        "orbitals are not orthonormal",
        lambda c: {"orbitals": c["orbitals"].round(5)},
    ),
    InputCase("copies of frames without a split", SAID, "2 of 8 frames are copies of others: left out", copied),
    InputCase(
        "copies of training frames among those for validation and test",
        SAID,
        "2 frames for validation or test are copies of frames of another split: left out, first frame 6",
        lambda c: copied(c) | {"split": ["train"] * 4 + ["validation", "test", "test", "validation"]},
    ),
    InputCase(
        "too few different frames for the split",
        REFUSED,
        "(6 of its 8 frames are copies of others); ask for fewer",
        lambda c: {key: c[key][[0, 1] * 4] for key in ("positions", "energies", "forces", "orbitals")},
    ),
)


def imported(path: Path, content: Content) -> ImportedData:
    """All that the import checks before it fits."""
    np.savez(path, **content)
    data = read_data(path)
    import_checks.check_energies(data, ATOMS)
    check_forces(data, named("gfn2-xtb"))
    orbitals = import_checks.canonical_orbitals(data)
    for C, r in zip(orbitals, data.positions / BOHR_IN_ANGSTROM, strict=True):
        S = integrals.overlap(data.orbital_functions.basis, data.numbers, r)
        np.testing.assert_allclose(C.T @ S @ C, np.eye(5), atol=1e-9)
    rows, names = deal(data, SplitSettings())
    assert {"train"} <= set(names) and len({data.energies[row] for row in rows}) == len(rows)
    return data


@pytest.mark.parametrize("case", CASES, ids=str)
def test_labels_of_a_stranger(case: InputCase, right: Content, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    content = right | case.make(right)
    if case.outcome == REFUSED:
        with pytest.raises(DensnetError) as caught:
            imported(tmp_path / "theirs.npz", content)
        assert case.words in str(caught.value) and "theirs.npz" in str(caught.value) and "\n" not in str(caught.value)
        return
    imported(tmp_path / "theirs.npz", content)
    assert (case.outcome == SAID) == bool(said := capsys.readouterr().err)
    assert case.words in said


def frames_of(right: Content, change: Callable[[Atoms], None], forces: np.ndarray) -> list[Atoms]:
    images = []
    for r, energy, force in zip(right["positions"], right["energies"], forces, strict=True):
        atoms = Atoms("OHH", r)
        change(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=force)
        images.append(atoms)
    return images


def wrap(atoms: Atoms) -> None:
    atoms.set_cell([9.0, 9.0, 9.0])
    atoms.pbc = True
    atoms.wrap()


def lose_a_number(forces: np.ndarray) -> np.ndarray:
    lost = forces.copy()
    lost[3, 1, 2] = np.nan
    return lost


XYZ_CASES = (
    InputCase(
        "a number that is missing",
        REFUSED,
        "theirs.xyz: forces is not finite in frame 3",
        lambda c: frames_of(c, lambda atoms: None, lose_a_number(c["forces"])),
    ),
    InputCase(
        "gradients beside densities",
        REFUSED,
        "theirs.xyz: the forces look like gradients",
        lambda c: frames_of(c, lambda atoms: None, -c["forces"]),
    ),
    InputCase(
        "a molecule wrapped in its periodic cell",
        REFUSED,
        "theirs.xyz: frame 0: the molecule is wrapped",
        lambda c: frames_of(c, wrap, c["forces"]),
    ),
)


@pytest.mark.parametrize("case", XYZ_CASES, ids=str)
def test_the_file_that_is_at_fault_is_named(case: InputCase, right: Content, tmp_path: Path) -> None:
    densities = {key: right[key] for key in ("functional", "orbital_basis", "ao_order", "orbitals")}
    np.savez(tmp_path / "densities.npz", **densities)
    write(tmp_path / "theirs.xyz", case.make(right), format="extxyz")
    with pytest.raises(DensnetError) as caught:
        check_forces(read_data(tmp_path / "densities.npz", tmp_path / "theirs.xyz"), named("gfn2-xtb"))
    assert case.words in str(caught.value)
