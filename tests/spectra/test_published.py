"""Published fundamentals: found by the molecule, infrared active by its symmetry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from densnet.errors import DensnetError
from densnet.molecule import from_smiles, from_xyz, inchi_of_geometry, inchi_of_smiles
from densnet.spectra.experiment import available, fundamentals, table_of
from densnet.spectra.published import ACTIVE, active_species, formula_of, motion, published_names

EXPECTED_ACTIVE = {
    "O=C=O": [667, 2349],
    "C": [1306, 3019],
    "C#C": [730, 3289],
    "C=C": [826, 949, 1444, 2989, 3106],
    "c1ccccc1": [673, 1038, 1486, 3063],
    "CC": [822, 1379, 1469, 2896, 2985],
}
"""1/cm, to 1: textbook infrared active fundamentals of molecules where symmetry forbids others."""


RAMAN_ACTIVE = {
    "C": [1306, 1534, 2917, 3019],
    "C#C": [612, 1974, 3374],
    "C=C": [943, 1236, 1342, 1623, 3026, 3103],
    "c1ccccc1": [606, 849, 992, 1178, 1596, 3047, 3062],
}
"""Textbook Raman active fundamentals."""


@pytest.mark.parametrize("smiles", RAMAN_ACTIVE)
def test_only_what_symmetry_allows_is_in_a_raman_spectrum(smiles: str) -> None:
    name = table_of(inchi_of_smiles(smiles))
    assert name is not None
    assert sorted(set(fundamentals(name, "raman").wavenumber.round())) == RAMAN_ACTIVE[smiles]


@pytest.mark.parametrize("smiles", EXPECTED_ACTIVE)
def test_only_what_symmetry_allows_is_there(smiles: str) -> None:
    name = table_of(inchi_of_smiles(smiles))
    assert name is not None
    assert sorted(set(fundamentals(name).wavenumber.round())) == EXPECTED_ACTIVE[smiles]


def test_mutual_exclusion_and_character_tables() -> None:
    """No vibration that is even under inversion is infrared active; three components of the dipole, at most."""
    for known, dipole, polarizability in ACTIVE.values():
        assert set(dipole.split()) | set(polarizability.split()) <= set(known.split()) and len(dipole.split()) <= 3
        assert not any("g" in species for species in dipole.split())
        assert not any("u" in species for species in polarizability.split())
        # the totally symmetric species, which stands first, holds the trace
        assert known.split()[0] in polarizability.split()
    assert active_species(["a1", "e"]) == {"a1", "e"}, "C3v, the smallest group that has both"
    assert active_species(["a1", "e", "f2"]) == {"f2"}, "Td"
    assert active_species(["x", "y"]) == {"x", "y"}, "no group is known: nothing is left out"


def test_every_molecule_is_found_by_its_own_inchi_and_name() -> None:
    names = published_names()
    assert len(names) == len({name.lower() for name in names}) == 213
    for name in (name for name in names if name.lower() not in available()):
        table = fundamentals(name.upper())
        assert table.name == name and (np.diff(table.wavenumber) >= 0).all()
        # one quantum of a vibration that dynamics can have
        assert table.wavenumber.min() > 10 and table.wavenumber.max() < 4500
        assert all("Shimanouchi" in source for source in table.source)


def test_formulas_are_those_of_the_molecules() -> None:
    for name, smiles in (("Acetone", "CC(C)=O"), ("Sulfur dioxide (32S16O2)", "O=S=O"), ("Thiophene", "c1ccsc1")):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        assert formula_of(name) == CalcMolFormula(mol)
    assert formula_of("Methane-d2") == ""


def test_our_own_tables_come_first() -> None:
    assert table_of(inchi_of_smiles("O")) == "water" and table_of(inchi_of_smiles("c1ccsc1")) == "thiophene"
    assert table_of(inchi_of_smiles("CCO")) == "ethanol" and table_of("InChI=1S/C9H20") is None


def test_isotopes_are_other_molecules() -> None:
    names = [table_of(inchi_of_smiles(smiles)) for smiles in ("C#C", "[2H]C#C", "[2H]C#C[2H]")]
    assert names == ["Acetylene", "Acetylene-d1", "Acetylene-d2"]
    light, _, heavy = (fundamentals(name).wavenumber.max() for name in names if name)
    # of a C-H stretch by the reduced masses of CH and CD: 0.73, the C-C stretch mixes in
    assert heavy / light == pytest.approx(0.74, abs=0.02)


def test_a_geometry_says_what_it_is(tmp_path: Path) -> None:
    for smiles in ("CC(C)=O", "C=C", "N", "OC=O"):
        assert inchi_of_geometry(from_smiles(smiles)) == inchi_of_smiles(smiles)
    path = tmp_path / "far.xyz"
    path.write_text("3\n\nO 0 0 0\nH 0 0 0.96\nH 0.93 0 -0.24\n")
    assert inchi_of_geometry(from_xyz(path)) == "InChI=1S/H2O/h1H2"


def test_modes_in_words() -> None:
    said = {
        "CH str": "C-H stretch",
        "CH3(C) d-deform": "CH3 deformation",
        "CH(alpha) ip-bend": "CH bend in the plane",
        "ip-Ring IV": "ring in the plane",
        "Deg str": "degenerate stretch",
        "C≡C str": "C≡C stretch",
        "CC str + CC torsion": "C-C stretch + C-C torsion",
    }
    assert {mode: motion(mode) for mode in said} == said


def test_a_name_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(DensnetError, match=r"one of the 213 molecules .*found 'Aceton'; did you mean Acetone\?"):
        fundamentals("Aceton")
