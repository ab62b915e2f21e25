"""Real labels for the tests of models and training: water, RHF/STO-3G, by PySCF."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from pyscf import gto, scf
from pyscf.scf import atom_hf

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.density.fit import fit_density
from densnet.density.prior import fit_free_atom, superposition
from densnet.io.netcdf import variable, write_dataset
from densnet.models.density_model import DensityModelSettings
from densnet.models.energy_model import EnergyModelSettings
from densnet.training.density import DensityTrainingSettings, train_density
from densnet.training.energy import EnergyTrainingSettings, train_energy
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

NUMBERS = np.array([8, 1, 1])
WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]])
SPLIT = ["train"] * 10 + ["validation"] * 3 + ["test"] * 3


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Sums in the same order whatever the machine."""
    torch.set_num_threads(1)


def canonical_orbitals(orbital_basis: Basis, orbitals: np.ndarray) -> np.ndarray:
    order, sign = to_canonical("pyscf", integrals.shells_of(orbital_basis, NUMBERS))
    return orbitals[order] * sign[:, None]


def free_atoms(basis: Basis, orbital_basis: Basis) -> tuple[dict[int, np.ndarray], list[float]]:
    coefficients, energies = {}, []
    for number in (1, 8):
        mole = integrals.pyscf_mole(orbital_basis, [number], np.zeros((1, 3)))
        energy, _, orbitals, occupations = next(iter(atom_hf.get_atm_nrhf(mole).values()))
        order, sign = to_canonical("pyscf", integrals.shells_of(orbital_basis, [number]))
        scaled = (orbitals * np.sqrt(occupations))[order] * sign[:, None]
        coefficients[number] = fit_free_atom(basis, orbital_basis, number, scaled @ scaled.T)
        energies.append(energy * HARTREE_IN_EV)
    return coefficients, energies


@pytest.fixture(scope="session")
def water_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A schema-true ``labels.nc`` of 16 displaced water molecules."""
    generator = np.random.default_rng(7)
    basis = Basis.from_name("def2-SVP-JKFIT", NUMBERS)
    orbital_basis = Basis.from_name("STO-3G", NUMBERS)
    rows: dict[str, list] = {name: [] for name in ("positions", "energy", "forces", "dipole", "orbitals", "c")}
    for _ in SPLIT:
        positions = WATER + 0.03 * generator.standard_normal((3, 3))
        mole = gto.M(atom=[(int(z), r) for z, r in zip(NUMBERS, positions, strict=True)], basis="STO-3G", verbose=0)
        field = scf.RHF(mole).run(conv_tol=1e-11)
        orbitals = canonical_orbitals(orbital_basis, field.mo_coeff[:, field.mo_occ > 0])
        rows["positions"].append(positions)
        rows["energy"].append(field.e_tot * HARTREE_IN_EV)
        rows["forces"].append(-field.nuc_grad_method().kernel() * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM)
        rows["dipole"].append(field.dip_moment(unit="AU", verbose=0) * BOHR_IN_ANGSTROM)
        rows["orbitals"].append(orbitals)
        density_matrix = 2 * orbitals @ orbitals.T
        fit = fit_density(basis, orbital_basis, NUMBERS, positions / BOHR_IN_ANGSTROM, density_matrix)
        rows["c"].append(fit.coefficients)
    atoms, energies = free_atoms(basis, orbital_basis)
    frame = ("frame",)
    dataset = xr.Dataset(
        {
            "positions": variable(("frame", "atom", "x"), np.array(rows["positions"]), "angstrom", "positions"),
            "numbers": variable(("atom",), NUMBERS, "1", "atomic numbers"),
            "split": variable(frame, np.array(SPLIT), "1", "split"),
            "distance_to_train": variable(frame, np.full(len(SPLIT), 0.05), "angstrom", "distance"),
            "energy": variable(frame, np.array(rows["energy"]), "eV", "energy"),
            "forces": variable(("frame", "atom", "x"), np.array(rows["forces"]), "eV/angstrom", "forces"),
            "dipole": variable(("frame", "x"), np.array(rows["dipole"]), "e angstrom", "dipole"),
            "orbitals": variable(("frame", "ao", "occupied"), np.array(rows["orbitals"]), "bohr^-3/2", "orbitals"),
            "coefficients": variable(("frame", "k"), np.array(rows["c"]), "1", "coefficients"),
            "prior": variable(("k",), superposition(basis, NUMBERS, atoms), "1", "prior"),
            "element": variable(("element",), np.array([1, 8]), "1", "elements"),
            "atomic_energy": variable(("element",), np.array(energies), "eV", "energies of free atoms"),
        },
        coords={"frame": np.arange(len(SPLIT))},
        attrs={
            "fit_basis": basis.to_json(),
            "orbital_basis": orbital_basis.to_json(),
            "charge": 0,
            "multiplicity": 1,
            "coefficient_convention": "densnet",
        },
    )
    path = tmp_path_factory.mktemp("labels") / "labels.nc"
    write_dataset(dataset, path, stage="fit", method_version=1, settings={"functional": "HF", "basis": "STO-3G"})
    return path


@pytest.fixture(scope="session")
def water_run(water_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``labels.nc`` and a barely trained ``model.pt``, as a run of the workflow leaves them."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(water_labels, folder / "labels.nc")
    train_density(
        folder / "labels.nc",
        DensityModelSettings(channels=8, edge_channels=4, cutoff=3.0),
        DensityTrainingSettings(steps=60, batch_size=4),
        output=folder / "density.pt",
        log=folder / "density.csv",
    )
    train_energy(
        folder / "labels.nc",
        folder / "density.pt",
        EnergyModelSettings(channels=8, edge_channels=4, l_max=2, cutoff=3.0),
        EnergyTrainingSettings(steps=2, batch_size=4),
        output=folder / "energy.pt",
        combined=folder / "model.pt",
        log=folder / "energy.csv",
    )
    return folder
