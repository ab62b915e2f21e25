"""Symmetry species of vibrations, against character tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from vibration_examples import vibrating

from densnet.potential import Array
from densnet.spectra.symmetry import operations, species_of

CHARACTER_TABLES = {
    "O": (4, [1, 2]),
    "N": (6, [2, 4]),
    "C": (24, [1, 2, 6]),
    "C=C": (8, [1, 1, 1, 2, 2, 2, 3]),
    "C=C=C": (8, [1, 3, 3, 8]),
    "C1CC1": (12, [1, 1, 2, 3, 6, 8]),
    "c1ccccc1": (24, [1, 1, 2, 2, 2, 2, 2, 4, 6, 8]),
    "CO": (2, [4, 8]),
    "O=C=O": (4, [1, 1, 2]),
    "C#N": (3, [2, 2]),
    "C#C": (4, [1, 2, 2, 2]),
    "[2H]O": (2, [3]),
}
"""Operations (of molecules in a row those that are used) and modes of each species: C2v, C3v, Td, D2h, D2d, D3h, D6h,
Cs, D∞h, C∞v, D∞h, and Cs of HDO."""


@pytest.mark.parametrize("smiles", CHARACTER_TABLES)
def test_species_have_as_many_vibrations_as_character_tables_say(smiles: str) -> None:
    molecule, positions, normal = vibrating(smiles)
    count, sizes = CHARACTER_TABLES[smiles]
    turned = Rotation.random(rng=np.random.default_rng(4)).as_matrix()
    for turn in (np.eye(3), turned):
        modes = (normal.modes.reshape(len(normal.modes), -1, 3) @ turn.T).reshape(normal.modes.shape)
        species = species_of(molecule.atomic_masses, positions @ turn.T, modes)
        assert species is not None and sorted(len(block.modes) for block in species) == sizes
        assert sorted(np.concatenate([block.modes for block in species])) == list(range(len(modes)))
        assert sum(block.symmetric for block in species) == 1
        assert len(operations(molecule.atomic_masses, positions @ turn.T)) == count


def test_degenerate_modes_are_of_one_species_and_the_breathing_mode_is_symmetric() -> None:
    _, _, normal = vibrating("C")
    species = species_of(*_of("C"), normal.modes)
    assert species is not None
    symmetric = next(block for block in species if block.symmetric)
    # of four equal stretches only the sum is totally symmetric: 2917 1/cm of methane
    assert normal.wavenumber[symmetric.modes] == pytest.approx([3000], abs=120)
    for block in species:
        assert np.ptp(normal.wavenumber[block.modes][:3]) < 1.0 or len(block.modes) == 6


def test_operations_lay_the_molecule_onto_itself_and_are_a_group() -> None:
    masses, positions = _of("C1CC1")
    group = operations(masses, positions)
    x = positions - masses @ positions / masses.sum()
    for operation in group:
        assert np.abs(x @ operation.matrix.T - x[operation.image]).max() < 0.01
        for other in group:
            product = operation.matrix @ other.matrix
            assert any(np.abs(product - known.matrix).max() < 0.02 for known in group)


def test_an_uneven_geometry_has_no_symmetry_and_a_nearly_even_one_has_it() -> None:
    masses, positions = _of("C=C")
    noise = np.random.default_rng(1).normal(size=positions.shape)
    assert len(operations(masses, positions + 0.3 * noise)) == 1
    assert len(operations(masses, positions + 0.005 * noise)) == 8


def test_modes_of_another_symmetry_are_of_none() -> None:
    masses, positions = _of("O")
    mixed = vibrating("O")[2].modes.copy()
    mixed[1], mixed[2] = (mixed[1] + mixed[2]) / np.sqrt(2), (mixed[1] - mixed[2]) / np.sqrt(2)
    assert species_of(masses, positions, mixed) is None


def _of(smiles: str) -> tuple[Array, Array]:
    molecule, positions, _ = vibrating(smiles)
    return molecule.atomic_masses, positions
