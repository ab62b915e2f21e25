"""Chains by rule: order of atoms, links, torsions, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import covalent_radii
from scipy.spatial.distance import cdist

from densnet.errors import DensnetError
from densnet.molecule import conformers, formula
from densnet.oligomer import SPREAD_DEGREES, Oligomer, oligomer, torsion_angles


def bonds(chain: Oligomer, conformer: int = 0) -> np.ndarray:
    """Return the bonded pairs of a geometry, by distances."""
    molecule = chain.molecules[conformer]
    radii = covalent_radii[molecule.numbers]
    near = cdist(molecule.positions, molecule.positions) < 1.25 * (radii[:, None] + radii)
    return np.argwhere(np.triu(near, 1))


@pytest.mark.parametrize(
    ("repeat_unit", "units", "smiles"),
    [
        ("thiophene", 1, "c1ccsc1"),
        ("thiophene", 3, "c1csc(-c2ccc(-c3cccs3)s2)c1"),
        ("*CC*", 2, "CCCC"),
        ("*CC(*)C", 2, "CCCC(C)C"),
        ("[*:2]OC[*:1]", 2, "COCO"),
    ],
)
def test_a_chain_is_the_molecule_that_its_smiles_says(repeat_unit: str, units: int, smiles: str) -> None:
    chain = oligomer(repeat_unit, units, count=2)
    (named,) = conformers(smiles, count=1)
    assert formula(chain.molecules[0].numbers) == formula(named.numbers)
    # as many bonds as RDKit's own molecule, at bonding distances: nothing is broken, nothing too near
    expected = len(named.numbers) - 1 + (units if repeat_unit == "thiophene" else 0)
    for conformer in range(len(chain.molecules)):
        assert len(bonds(chain, conformer)) == expected


def test_atoms_run_unit_by_unit_and_alike_in_each() -> None:
    chain = oligomer("thiophene", 5, count=1)
    numbers = chain.molecules[0].numbers
    assert (np.diff(chain.unit) >= 0).all()
    assert np.bincount(chain.unit).tolist() == [8, 7, 7, 7, 8]
    for unit in range(5):
        assert numbers[chain.unit == unit][:5].tolist() == [6, 6, 6, 6, 16]
    between = [(a, b) for a, b in bonds(chain) if chain.unit[a] != chain.unit[b]]
    assert between == [tuple(corners[1:3]) for corners in chain.torsions.tolist()]
    # alpha links: both ends of each bond are bonded to a sulphur of their own unit
    sulphur = numbers == 16
    for a, b in between:
        for atom in (a, b):
            assert any(sulphur[other] for pair in bonds(chain) if atom in pair for other in pair)
    assert sulphur[chain.torsions[:, [0, 3]]].all()


def test_torsions_are_anti_and_syn_and_follow_from_the_seed() -> None:
    chain, again, other = (oligomer("thiophene", 6, count=8, seed=seed) for seed in (3, 3, 4))
    angles = np.array([torsion_angles(molecule.positions, chain.torsions) for molecule in chain.molecules])
    # the force field may give way by a few degrees
    assert (np.abs(angles[0]) > 170).all()
    anti, syn = np.abs(angles) > 180 - SPREAD_DEGREES - 5, np.abs(angles) < SPREAD_DEGREES + 5
    assert (anti | syn).all()
    assert anti[1:].sum() > 5
    assert syn[1:].sum() > 5
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(chain.molecules, again.molecules, strict=True))
    assert not np.allclose(chain.molecules[1].positions, other.molecules[1].positions)


def test_torsion_angles_have_the_sign_of_iupac() -> None:
    positions = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 1.0], [0, 1.0, 1.0]])
    found = torsion_angles(np.stack([positions, positions * [1, -1, 1]]), np.array([[0, 1, 2, 3]]))
    np.testing.assert_allclose(found, [[90.0], [-90.0]])


def test_a_longer_chain_begins_as_a_shorter_one() -> None:
    short, long = (oligomer("thiophene", n, count=1) for n in (3, 12))
    n = int((short.unit < 2).sum())
    assert np.array_equal(short.molecules[0].numbers[:n], long.molecules[0].numbers[:n])
    assert np.array_equal(short.torsions, long.torsions[:2])


@pytest.mark.parametrize(
    ("repeat_unit", "units", "said"),
    [
        ("thiophene", 0, "units: expected a whole number of at least 1, got 0"),
        ("thiophene", -2, "at least 1, got -2"),
        ("CC", 2, r"exactly two attachment points \*, each at a single bond, got 'CC' with 0"),
        ("*CC", 2, "got '\\*CC' with 1"),
        ("*C(*)C*", 2, "with 3"),
        ("*=CC=*", 2, "each at a single bond"),
        ("**", 2, "exactly two attachment points"),
        ("*C(", 2, "expected thiophene or the SMILES of one repeat unit"),
        ("thiophen", 2, "expected thiophene or"),
        ("*O*", 3, "a single atom"),
    ],
)
def test_bad_chains(repeat_unit: str, units: int, said: str) -> None:
    with pytest.raises(DensnetError, match=said) as caught:
        oligomer(repeat_unit, units, count=1)
    assert "\n" not in str(caught.value)
