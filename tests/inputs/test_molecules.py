"""SMILES and xyz files that people have: understood, or refused with what they look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from input_case import READ, REFUSED, InputCase

from densnet.bonds import bonded
from densnet.cli.harmonic import relaxed_molecule, write_modes
from densnet.cli.md import md
from densnet.cli.sample import sample
from densnet.dynamics.simulation import DynamicsSettings
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.molecule import Molecule, formula, from_smiles, from_xyz
from densnet.reference.sampling import SamplingSettings
from densnet.spectra.harmonic import normal_modes

ATOMS = "O 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"
CELL = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 pbc="T T T"'


def water(comment: str = "water", atoms: str = ATOMS) -> str:
    return f"3\n{comment}\n{atoms}"


XYZ_CASES = (
    InputCase("symbols and Angstrom", READ, "", lambda: water()),
    InputCase("atomic numbers", READ, "", lambda: water(atoms="8 0 0 0\n1 0.96 0 0\n1 -0.24 0.93 0\n")),
    InputCase("labels of atoms (O1)", READ, "", lambda: water(atoms="O1 0 0 0\nH2 0.96 0 0\nH_b -0.24 0.93 0\n")),
    InputCase("more columns than needed", READ, "", lambda: water(atoms=ATOMS.replace("\n", " 0.1 0.2\n"))),
    InputCase(
        "columns named by an extended xyz",
        READ,
        "",
        lambda: water("Properties=id:I:1:species:S:1:pos:R:3", "7 O 0 0 0\n8 H 0.96 0 0\n9 H -0.24 0.93 0\n"),
    ),
    InputCase("exponents of Fortran", READ, "", lambda: water(atoms=ATOMS.replace("0.96", "9.6D-01"))),
    InputCase("a byte order mark", READ, "", lambda: "\ufeff" + water()),
    InputCase("Latin-1", READ, "", lambda: water("café").encode("latin-1")),
    InputCase("UTF-16", READ, "", lambda: water().encode("utf-16")),
    InputCase("line ends of old Macs", READ, "", lambda: water().replace("\n", "\r").encode()),
    InputCase("a periodic cell around a whole molecule", READ, "", lambda: water(CELL)),
    InputCase("a charge that agrees", READ, "", lambda: water("charge=0")),
    InputCase(
        "bohr",
        REFUSED,
        "but one in bohr",
        lambda: water(atoms="O 0 0 0\nH 1.81 0 0\nH -0.45 1.76 0\n"),
    ),
    InputCase(
        "nanometres",
        REFUSED,
        "but one in nanometres",
        lambda: water(atoms="O 0 0 0\nH 0.04 0.0871 0\nH 0.04 -0.0871 0\n"),
    ),
    InputCase(
        "a molecule wrapped in its periodic cell",
        REFUSED,
        "the molecule is wrapped",
        lambda: water(CELL, "O 0 0 0\nH 0.96 0 0\nH 8.76 0.93 0\n"),
    ),
    InputCase(
        "a solid",
        REFUSED,
        "expected a molecule, not a solid",
        lambda: '2\nLattice="3 0 0 0 3 0 0 0 3" pbc="T T T"\nLi 0 0 0\nH 1.5 0 0\n',
    ),
    InputCase(
        "two molecules",
        REFUSED,
        "expected one molecule, found 2 fragments",
        lambda: "6\n\n" + ATOMS + "O 0 0 4\nH 0.96 0 4\nH -0.24 0.93 4\n",
    ),
    InputCase("several structures", REFUSED, "expected one structure, found 3", lambda: 3 * water()),
    InputCase(
        "more atoms than announced", REFUSED, "announces 3 atoms, and more lines follow", lambda: water() + "H 0 0 3\n"
    ),
    InputCase("fewer atoms than announced", REFUSED, "announces 3 atoms and has 2", lambda: water()[:-15]),
    InputCase("a single atom", REFUSED, "He is a single atom", lambda: "1\n\nHe 0 0 0\n"),
    InputCase(
        "a dummy atom", REFUSED, "'X' is no element; remove dummy atoms", lambda: water(atoms=ATOMS.replace("O", "X"))
    ),
    InputCase(
        "a label that could be two elements",
        REFUSED,
        "line 3: expected the symbol of an element, found 'CA'",
        lambda: water(atoms=ATOMS.replace("O", "CA")),
    ),
    InputCase("decimal commas", REFUSED, "write decimals with a point", lambda: water(atoms=ATOMS.replace(".", ","))),
    InputCase(
        "a charge that the configuration contradicts",
        REFUSED,
        "charge: 0 does not match charge=1",
        lambda: water("charge=1 multiplicity=1"),
    ),
    InputCase(
        "oxygen, whose triplet no parity shows",
        REFUSED,
        "16 electrons, two of them unpaired",
        lambda: "2\n\nO 0 0 0\nO 1.21 0 0\n",
    ),
    InputCase(
        "an odd number of electrons",
        REFUSED,
        "9 electrons (charge 0) cannot have multiplicity 1",
        lambda: "2\n\nO 0 0 0\nH 0.97 0 0\n",
    ),
)

SMILES_CASES = (
    InputCase("isotopes ([2H]O[2H])", READ, "D2O", lambda: "[2H]O[2H]"),
    InputCase("hypervalent atoms, for which RDKit has no rules (PF6-)", READ, "F6P", lambda: "F[P-](F)(F)(F)(F)F"),
    InputCase("a carbene whose singlet is lower ([SiH2])", READ, "H2Si", lambda: "[SiH2]"),
    InputCase("a charge of its own", READ, "H4N", lambda: "[NH4+]"),
    InputCase("oxygen (O=O)", REFUSED, "16 electrons, two of them unpaired", lambda: "O=O"),
    InputCase("methylene ([CH2])", REFUSED, "8 electrons, two of them unpaired", lambda: "[CH2]"),
    InputCase(
        "a diradical ([CH2]C[CH2])", REFUSED, "has 2 unpaired electrons (1 on C, 1 on C) of 24", lambda: "[CH2]C[CH2]"
    ),
    InputCase("a radical ([CH3])", REFUSED, "9 electrons (charge 0) cannot have multiplicity 1", lambda: "[CH3]"),
    InputCase("a single atom ([He])", REFUSED, "is a single atom", lambda: "[He]"),
    InputCase("several molecules (O.O)", REFUSED, "has several fragments", lambda: "O.O"),
    InputCase("an isotope that there is not ([9H]C)", REFUSED, "no isotope 9 of H is known", lambda: "[9H]C"),
    InputCase("an open attachment point (*CC)", REFUSED, "is no element; remove dummy atoms", lambda: "*CC"),
)


@pytest.mark.parametrize("case", XYZ_CASES, ids=str)
def test_xyz_of_a_stranger(case: InputCase, tmp_path: Path) -> None:
    path, content = tmp_path / "theirs.xyz", case.make()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if case.outcome == REFUSED:
        with pytest.raises(DensnetError) as caught:
            from_xyz(path, charge=0)
        assert case.words in str(caught.value) and "theirs.xyz" in str(caught.value) and "\n" not in str(caught.value)
        return
    molecule = from_xyz(path, charge=0)
    assert (molecule.numbers.tolist(), molecule.masses) == ([8, 1, 1], None)
    np.testing.assert_allclose(molecule.positions, [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


@pytest.mark.parametrize("case", SMILES_CASES, ids=str)
def test_smiles_of_a_stranger(case: InputCase) -> None:
    if case.outcome == REFUSED:
        with pytest.raises(DensnetError) as caught:
            from_smiles(case.make())
        assert case.words in str(caught.value) and "\n" not in str(caught.value)
        return
    molecule = from_smiles(case.make())
    assert formula(molecule.numbers, molecule.masses) == case.words
    assert bonded(molecule.numbers, molecule.positions).sum() == 2 * (len(molecule.numbers) - 1)


def test_charge_of_an_extended_xyz_is_taken_where_none_is_given(tmp_path: Path) -> None:
    (tmp_path / "hydroxide.xyz").write_text("2\ncharge=-1\nO 0 0 0\nH 0.97 0 0\n")
    assert from_xyz(tmp_path / "hydroxide.xyz").n_electrons == 10


def test_isotopes_of_an_xyz(tmp_path: Path) -> None:
    (tmp_path / "heavy.xyz").write_text(water(atoms="18O 0 0 0\nD 0.96 0 0\n1 -0.24 0.93 0\n"))
    molecule = from_xyz(tmp_path / "heavy.xyz")
    assert molecule.numbers.tolist() == [8, 1, 1]
    assert molecule.atomic_masses.round(3).tolist() == [17.999, 2.014, 1.008]
    assert formula(molecule.numbers, molecule.masses) == "DHO"


def test_masses_of_isotopes_reach_the_dynamics(tmp_path: Path) -> None:
    brief = SamplingSettings(
        n_train=2, n_validation=0, n_test=1, n_trajectories=1, n_test_trajectories=1, equilibration_fs=2.0,
        interval_fs=2.0, test_interval_fs=2.0, strained_share=0.0,
    )  # fmt: skip
    (tmp_path / "heavy.xyz").write_text(water(atoms=ATOMS.replace("H", "D")))
    sample(xyz=tmp_path / "heavy.xyz", output=tmp_path / "heavy.nc", settings=brief)
    steps = DynamicsSettings(replicas=1, thermalise_ps=0.001, production_ps=0.01)
    md(geometries=tmp_path / "heavy.nc", output=tmp_path / "trajectory.nc", potential="gfn2-xtb", settings=steps)
    moved = read_dataset(tmp_path / "trajectory.nc", stage="md")
    assert moved["masses"].values.round(3).tolist() == [15.999, 2.014, 2.014]


def test_masses_of_isotopes_reach_the_normal_modes(tmp_path: Path) -> None:
    """Teller and Redlich: of a diatomic molecule the frequencies go as the square root of the reduced masses."""
    spring = np.kron([[1.0, -1.0], [-1.0, 1.0]], np.eye(3))
    positions = np.array([[0.0, 0.0, 0.0], [0.92, 0.0, 0.0]])
    wavenumber = {}
    for mass in (1.008, 2.014):
        molecule = Molecule(np.array([9, 1]), positions, name="HF", masses=np.array([18.998, mass]))
        found = normal_modes(spring, np.zeros((6, 3)), positions, molecule.atomic_masses, 0.0)
        write_modes(found, molecule, positions, "spring", {}, tmp_path / "modes.nc")
        read = relaxed_molecule(tmp_path / "modes.nc")
        assert read.atomic_masses.tolist() == [18.998, mass]
        wavenumber[mass] = found.wavenumber[-1]
    reduced = {mass: 18.998 * mass / (18.998 + mass) for mass in wavenumber}
    assert wavenumber[1.008] / wavenumber[2.014] == pytest.approx((reduced[2.014] / reduced[1.008]) ** 0.5)
