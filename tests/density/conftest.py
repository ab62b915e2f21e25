"""Fixtures shared by the density tests."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from ase.units import Bohr
from density_examples import Molecule, converge

from densnet.basis.basis import Basis


@pytest.fixture(scope="session")
def water() -> Molecule:
    """Hartree-Fock/def2-SVP water, far from the origin and askew."""
    positions = np.array([[0.0, 0.0, 0.0], [1.65, 0.3, 0.6], [-0.8, 1.5, -0.6]]) + np.array([2.0, -1.0, 3.0])
    return converge([8, 1, 1], positions, functional=None)


@pytest.fixture(scope="session")
def ethanol() -> Molecule:
    """PBE/def2-SVP ethanol near its minimum."""
    atoms = molecule("CH3CH2OH")
    return converge(atoms.numbers.tolist(), atoms.positions / Bohr, functional="PBE")


@pytest.fixture(scope="session")
def fit_basis() -> Basis:
    return Basis.from_name("def2-SVP-JKFIT", [1, 8])
