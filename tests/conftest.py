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
from densnet.exchange.labelled_molecule import LabelledMolecule, labelled_molecule
from densnet.fitting.fit import fit_density
from densnet.fitting.prior import fit_free_atom, superposition
from densnet.io.netcdf import variable, write_dataset
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.oligomer import oligomer
from densnet.training.density import train_density
from densnet.training.energy import train_energy
from densnet.training.settings import DensityTrainingSettings, EnergyTrainingSettings
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

NUMBERS = np.array([8, 1, 1])
WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]])
SPLIT = ["train"] * 10 + ["validation"] * 3 + ["test"] * 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest file first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name != "test_pipeline.py")


@pytest.fixture(autouse=True)
def no_program_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test looks for Psi4 itself."""
    monkeypatch.setenv("DENSNET_PROGRAM", "")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Sums in the same order whatever the machine."""
    torch.set_num_threads(1)


def canonical_orbitals(orbital_basis: Basis, numbers: np.ndarray, orbitals: np.ndarray) -> np.ndarray:
    order, sign = to_canonical("pyscf", integrals.shells_of(orbital_basis, numbers))
    return orbitals[order] * sign[:, None]


def free_atoms(basis: Basis, orbital_basis: Basis, elements: list[int]) -> tuple[dict[int, np.ndarray], list[float]]:
    coefficients, energies = {}, []
    for number in elements:
        mole = integrals.pyscf_mole(orbital_basis, [number], np.zeros((1, 3)))
        energy, _, orbitals, occupations = next(iter(atom_hf.get_atm_nrhf(mole).values()))
        scaled = canonical_orbitals(orbital_basis, np.array([number]), orbitals * np.sqrt(occupations))
        coefficients[number] = fit_free_atom(basis, orbital_basis, number, scaled @ scaled.T)
        energies.append(energy * HARTREE_IN_EV)
    return coefficients, energies


def write_labels(
    path: Path, numbers: np.ndarray, geometries: list[np.ndarray], split: list[str], **more: object
) -> None:
    """Write a schema-true ``labels.nc``, RHF/STO-3G by PySCF, fitted in def2-SVP-JKFIT; ``more`` are variables."""
    basis = Basis.from_name("def2-SVP-JKFIT", numbers)
    orbital_basis = Basis.from_name("STO-3G", numbers)
    rows: dict[str, list] = {name: [] for name in ("positions", "energy", "forces", "dipole", "orbitals", "c")}
    for positions in geometries:
        mole = gto.M(atom=[(int(z), r) for z, r in zip(numbers, positions, strict=True)], basis="STO-3G", verbose=0)
        field = scf.RHF(mole).run(conv_tol=1e-11)
        orbitals = canonical_orbitals(orbital_basis, numbers, field.mo_coeff[:, field.mo_occ > 0])
        rows["positions"].append(positions)
        rows["energy"].append(field.e_tot * HARTREE_IN_EV)
        rows["forces"].append(-field.nuc_grad_method().kernel() * HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM)
        rows["dipole"].append(field.dip_moment(unit="AU", verbose=0) * BOHR_IN_ANGSTROM)
        rows["orbitals"].append(orbitals)
        density_matrix = 2 * orbitals @ orbitals.T
        fit = fit_density(basis, orbital_basis, numbers, positions / BOHR_IN_ANGSTROM, density_matrix)
        rows["c"].append(fit.coefficients)
    elements = sorted({int(number) for number in numbers})
    atoms, energies = free_atoms(basis, orbital_basis, elements)
    frame = ("frame",)
    dataset = xr.Dataset(
        {
            "positions": variable(("frame", "atom", "x"), np.array(rows["positions"]), "angstrom", "positions"),
            "numbers": variable(("atom",), numbers, "1", "atomic numbers"),
            "split": variable(frame, np.array(split), "1", "split"),
            "distance_to_train": variable(frame, np.full(len(split), 0.05), "angstrom", "distance"),
            "energy": variable(frame, np.array(rows["energy"]), "eV", "energy"),
            "forces": variable(("frame", "atom", "x"), np.array(rows["forces"]), "eV/angstrom", "forces"),
            "dipole": variable(("frame", "x"), np.array(rows["dipole"]), "e angstrom", "dipole"),
            "orbitals": variable(("frame", "ao", "occupied"), np.array(rows["orbitals"]), "bohr^-3/2", "orbitals"),
            "coefficients": variable(("frame", "k"), np.array(rows["c"]), "1", "coefficients"),
            "prior": variable(("k",), superposition(basis, numbers, atoms), "1", "prior"),
            "element": variable(("element",), np.array(elements), "1", "elements"),
            "atomic_energy": variable(("element",), np.array(energies), "eV", "energies of free atoms"),
            **more,
        },
        coords={"frame": np.arange(len(split))},
        attrs={
            "fit_basis": basis.to_json(),
            "orbital_basis": orbital_basis.to_json(),
            "charge": 0,
            "multiplicity": 1,
            "coefficient_convention": "densnet",
        },
    )
    write_dataset(dataset, path, stage="fit", method_version=1, settings={"functional": "HF", "basis": "STO-3G"})


@pytest.fixture(scope="session")
def water_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of 16 displaced water molecules."""
    generator = np.random.default_rng(7)
    path = tmp_path_factory.mktemp("labels") / "labels.nc"
    geometries = [WATER + 0.03 * generator.standard_normal((3, 3)) for _ in SPLIT]
    write_labels(path, NUMBERS, geometries, SPLIT)
    return path


@pytest.fixture(scope="session")
def alkane_labels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Labels of methane, ethane and propane, chains of CH2: two files to learn from and one, unseen, to test."""
    generator = np.random.default_rng(5)
    folder = tmp_path_factory.mktemp("alkanes")
    splits = {1: ["train"] * 6 + ["validation"] * 2 + ["test"] * 2, 2: ["train"] * 4 + ["validation"] + ["test"] * 2}
    for units, split in (*splits.items(), (3, ["test"])):
        chain = oligomer("*C*", units, count=2)
        starts = [molecule.positions for molecule in chain.molecules]
        geometries = [
            starts[n % len(starts)] + 0.03 * generator.standard_normal(starts[0].shape) for n in range(len(split))
        ]
        unit = {"unit": variable(("atom",), chain.unit, "1", "unit")}
        if units > 1:
            unit["torsion"] = variable(("link", "corner"), chain.torsions, "1", "torsion")
        write_labels(folder / f"{units}.nc", chain.molecules[0].numbers, geometries, split, **unit)
    return [folder / f"{units}.nc" for units in (1, 2, 3)]


@pytest.fixture(scope="session")
def labelled_water(water_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The water labels with their level of theory, as "fit" leaves them."""
    path = tmp_path_factory.mktemp("labelled") / "labels.nc"
    level = {"functional": "HF", "basis": "STO-3G", "dispersion": "none", "program": "PySCF"}
    write_dataset(xr.load_dataset(water_labels).assign_attrs(level), path, stage="fit", method_version=1, settings={})
    return path


@pytest.fixture(scope="session")
def water_molecule(labelled_water: Path) -> LabelledMolecule:
    """What the water labels hold for others."""
    return labelled_molecule(labelled_water)


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
