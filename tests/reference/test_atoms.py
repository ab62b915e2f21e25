"""Free atoms: electrons counted, exactly spherical, energies of an independent program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from label_examples import needs_psi4
from pyscf import gto
from pyscf.data.elements import CONFIGURATION
from pyscf.scf import atom_hf, atom_ks

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.errors import DensnetError
from densnet.reference.atoms import configuration, free_atoms
from densnet.reference.level import LevelOfTheory
from densnet.units import HARTREE_IN_EV

pytestmark = needs_psi4
ELEMENTS = {1: "H", 6: "C", 17: "Cl", 35: "Br"}


@pytest.fixture(scope="module", params=["PBE", "HF", "B3LYP"])
def atoms(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    level = LevelOfTheory(functional=request.param)
    return free_atoms(list(ELEMENTS), level, output=tmp_path_factory.mktemp("atoms") / "a.nc")[0]


def test_electrons_are_counted_and_the_density_is_spherical(atoms: xr.Dataset) -> None:
    basis = Basis.from_json(atoms.attrs["orbital_basis"])
    for number, symbol in ELEMENTS.items():
        shells = [(0, l) for l in json.loads(atoms.attrs["psi4_shells"])[str(number)]]
        index, sign = to_canonical("psi4", shells)
        density = atoms[f"density_matrix_{symbol}"].values[np.ix_(index, index)] * np.outer(sign, sign)
        numbers, origin = np.array([number]), np.zeros((1, 3))
        overlap = integrals.overlap(basis, numbers, origin)
        assert np.vdot(density, overlap) == pytest.approx(number, abs=1e-8)
        directions = np.random.default_rng(0).normal(size=(20, 3))
        points = 1.3 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        values = integrals.evaluate(basis, numbers, origin, points)
        rho = np.einsum("gm,mn,gn->g", values, density, values)
        assert np.ptp(rho) < 1e-12 * rho.max() + 1e-13


def test_energies_are_those_of_pyscfs_spherical_atoms(atoms: xr.Dataset) -> None:
    for number, symbol in ELEMENTS.items():
        mole = gto.M(atom=symbol, basis="def2-svp", spin=number % 2, verbose=0)
        if atoms.attrs["functional"] == "HF":
            solver = atom_hf.AtomSphAverageRHF(mole)
        else:
            solver = atom_ks.AtomSphAverageRKS(mole)
            solver.xc = {"PBE": "pbe", "B3LYP": "b3lypg"}[atoms.attrs["functional"]]
            solver.grids.level = 5
        solver.atomic_configuration = CONFIGURATION
        expected = solver.kernel() * HARTREE_IN_EV
        # Density fitting costs less than 0.1 mHa an atom.
        assert float(atoms["energy"].sel(element=number)) == pytest.approx(expected, abs=0.0001 * HARTREE_IN_EV)


def test_configurations() -> None:
    assert configuration(6) == [4, 2, 0, 0]
    assert sum(configuration(35)) == 35
    with pytest.raises(DensnetError, match="element: expected an atomic number"):
        configuration(0)


def test_a_single_function(tmp_path: Path) -> None:
    """Hydrogen's Fock matrix in a minimal basis commutes with its density from the start."""
    dataset, _ = free_atoms([1], LevelOfTheory(functional="HF", basis="STO-3G"), output=tmp_path / "a.nc")
    np.testing.assert_allclose(dataset["density_matrix_H"].values, [[1.0]], atol=1e-10)
