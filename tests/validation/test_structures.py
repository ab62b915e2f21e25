"""Structures side by side: superposition, what moved by how much, and other conformers and molecules."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from scipy.spatial.transform import Rotation

from densnet.molecule import conformers
from densnet.potential import Array
from densnet.validation.structures import compare_structures, distance_superposed, structure_findings

ETHANOL = molecule("CH3CH2OH")  # C C O, the hydroxyl's hydrogen, two of CH2, three of CH3
NUMBERS, POSITIONS = np.asarray(ETHANOL.numbers, dtype=np.int64), np.asarray(ETHANOL.positions)
TURN = Rotation.from_rotvec([0.3, -1.1, 2.0])


def turned(atoms: list[int], first: int, second: int, degrees: float) -> Array:
    """Return ethanol with some atoms turned about the line from one atom to another."""
    axis = POSITIONS[second] - POSITIONS[first]
    rotation = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
    positions = POSITIONS.copy()
    positions[atoms] = rotation.apply(positions[atoms] - POSITIONS[second]) + POSITIONS[second]
    return positions


def test_a_geometry_moved_and_turned_is_the_same() -> None:
    comparison = compare_structures(NUMBERS, TURN.apply(POSITIONS) + np.array([3.0, -2.0, 1.0]), POSITIONS)
    assert comparison.rmsd < 1e-7  # of single-precision roots in the superposition
    assert max(difference.size for difference in (*comparison.lengths, *comparison.angles)) < 1e-6
    assert comparison.verdict == "The same molecule in the same conformer."
    # eight bonds; six angles at each carbon and one at oxygen
    assert (len(comparison.lengths), len(comparison.angles)) == (8, 13)


def test_a_mirror_image_is_not_superposed() -> None:
    gauche = conformers("CCO", count=8)[1]
    mirrored = gauche.positions * [1, 1, -1]
    assert distance_superposed(mirrored, gauche.positions) > 0.1
    assert compare_structures(gauche.numbers, mirrored, gauche.positions).verdict.startswith("Another conformer")


def test_linear_molecules_are_superposed_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    dioxide = np.array([[0.0, 0, 0], [0, 0, 1.16], [0, 0, -1.16]])
    comparison = compare_structures(np.array([6, 8, 8]), TURN.apply(dioxide * 1.01), dioxide)
    # both oxygens are 0.0116 Å off, the carbon is not
    assert comparison.rmsd == pytest.approx(0.0116 * np.sqrt(2 / 3))
    assert [length.size for length in comparison.lengths] == pytest.approx([0.0116, 0.0116])
    assert comparison.angles[0].size < 1e-4 and not comparison.turned
    assert not recwarn.list


def test_what_moved_most_is_named() -> None:
    hydroxyl = 3
    oxygen = int(np.linalg.norm(POSITIONS[:3] - POSITIONS[hydroxyl], axis=1).argmin())
    positions = POSITIONS.copy()
    direction = POSITIONS[hydroxyl] - POSITIONS[oxygen]
    positions[hydroxyl] += 0.05 * direction / np.linalg.norm(direction)
    findings = structure_findings(compare_structures(NUMBERS, positions, POSITIONS), "here")
    values = {finding.what: finding for finding in findings}
    assert values["largest difference of a bond length"].value == pytest.approx(0.05)
    assert values["largest difference of a bond length"].condition == f"here; O{oxygen + 1}-H4"
    assert values["mean difference of a bond length"].value == pytest.approx(0.05 / 8)
    assert values["largest difference of an angle"].value < 1e-6
    assert {finding.unit for finding in findings} == {"Å", "degrees", "1"}


def test_a_turned_hydroxyl_is_another_conformer_and_a_turned_methyl_is_not() -> None:
    methyl = np.flatnonzero((NUMBERS == 1) & (np.linalg.norm(POSITIONS - POSITIONS[0], axis=1) < 1.2)).tolist()
    other = np.flatnonzero((NUMBERS == 1) & (np.linalg.norm(POSITIONS - POSITIONS[1], axis=1) < 1.2)).tolist()
    three, end, middle = (methyl, 0, 1) if len(methyl) == 3 else (other, 1, 0)
    assert len(three) == 3
    # a third of a turn gives every hydrogen the place of the next
    assert not compare_structures(NUMBERS, turned(three, end, middle, 120.0), POSITIONS).turned
    assert not compare_structures(NUMBERS, turned(three, end, middle, 15.0), POSITIONS).turned
    eclipsed = compare_structures(NUMBERS, turned(three, end, middle, 60.0), POSITIONS)
    assert eclipsed.turned and "Another conformer" in eclipsed.verdict
    carbon = middle if bool(np.linalg.norm(POSITIONS[middle] - POSITIONS[2]) < 1.6) else end
    gauche = compare_structures(NUMBERS, turned([3], carbon, 2, 120.0), POSITIONS)
    assert "H4" in gauche.verdict and "not" in gauche.verdict


def test_broken_bonds_are_named() -> None:
    positions = POSITIONS.copy()
    positions[3] += 3.0 * (POSITIONS[3] - POSITIONS[2])
    comparison = compare_structures(NUMBERS, positions, POSITIONS)
    assert comparison.verdict == "Another molecule: broken O3-H4."
    back = compare_structures(NUMBERS, POSITIONS, positions)
    assert back.verdict == "Another molecule: formed O3-H4."
