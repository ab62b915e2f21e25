"""Molecules: what is read, what is refused, and with which line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from densnet.errors import DensnetError
from densnet.molecule import Molecule, conformers, from_smiles, from_xyz

WATER = "3\nwater\nO 0 0 0.117\nH 0 0.757 -0.469\nH 0 -0.757 -0.469\n"


def one_line(error: pytest.ExceptionInfo[DensnetError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_ethanol_from_smiles_has_the_bonds_of_ethanol() -> None:
    molecule = from_smiles("CCO", seed=3)
    assert sorted(molecule.numbers) == [1] * 6 + [6, 6, 8]
    assert (molecule.charge, molecule.multiplicity, molecule.n_electrons) == (0, 1, 26)
    carbon_oxygen = np.linalg.norm(molecule.positions[1] - molecule.positions[2])
    assert 1.35 < carbon_oxygen < 1.50


def test_same_seed_same_conformers_other_seed_others() -> None:
    first, again, other = (conformers("CCCO", count=3, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].positions, other[0].positions)


def test_charge_comes_from_the_smiles() -> None:
    assert from_smiles("[NH4+]").charge == 1
    with pytest.raises(DensnetError, match="charge: 0 does not match") as error:
        from_smiles("[NH4+]", charge=0)
    one_line(error)


@pytest.mark.parametrize("smiles", ["C1CC", "CCX", "", "C(C)(C)(C)(C)C"])
def test_refused_smiles_is_one_clear_line(smiles: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DensnetError, match="smiles: RDKit refuses") as error:
        from_smiles(smiles)
    assert repr(smiles) in one_line(error)
    assert capfd.readouterr().err == ""


def test_two_fragments_are_refused() -> None:
    with pytest.raises(DensnetError, match="several fragments"):
        from_smiles("O.O")


@pytest.mark.parametrize(("multiplicity", "line"), [(1, "cannot have multiplicity 1"), (2, "only closed shells")])
def test_radical_is_refused(multiplicity: int, line: str) -> None:
    with pytest.raises(DensnetError, match=line) as error:
        from_smiles("[CH3]", multiplicity=multiplicity)
    one_line(error)


def test_charged_system_with_odd_electrons_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "water.xyz"
    path.write_text(WATER)
    with pytest.raises(DensnetError, match=r"9 electrons \(charge 1\)"):
        from_xyz(path, charge=1)


def test_xyz_is_read(tmp_path: Path) -> None:
    path = tmp_path / "water.xyz"
    path.write_text(WATER)
    molecule = from_xyz(path)
    assert list(molecule.numbers) == [8, 1, 1]
    assert molecule.positions[1, 1] == 0.757


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("hello\nworld\n", "first line should be the number of atoms"),
        (WATER[:-30], "announces 3 atoms and has"),
        ("0\n\n", "announces 0 atoms"),
        ("1\n\nQq 0 0 0\n", "not a readable xyz file"),
        ("1\n\nO 0 zero 0\n", "not a readable xyz file"),
        ("2\n\nO 0 0 0\nO 0 0 nan\n", "not a finite number"),
        ("2\n\nO 0 0 0\nO 0 0 0.1\n", "0.10 Angstrom apart"),
    ],
)
def test_bad_xyz_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "bad.xyz"
    path.write_text(text)
    with pytest.raises(DensnetError, match=line) as error:
        from_xyz(path)
    assert "bad.xyz" in one_line(error)


def test_missing_xyz_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="No such file"):
        from_xyz(tmp_path / "none.xyz")


def test_molecule_cannot_be_changed() -> None:
    molecule = Molecule(np.array([2]), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="read-only"):
        molecule.positions[0, 0] = 1.0
