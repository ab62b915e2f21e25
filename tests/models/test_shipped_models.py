"""The models that ship answer in a fresh clone, as accurately as their metrics say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from densnet import DenSNetCalculator
from densnet.density.label_files import read_labels
from densnet.units import E_ANGSTROM_IN_DEBYE, EV_IN_MEV

ROOT = Path(__file__).parents[2]
FRAMES = 8


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "models").glob("*.pt")))
def test_it_predicts_its_test_frames(name: str) -> None:
    metrics = json.loads((ROOT / "models" / f"{name}.json").read_text("utf-8"))
    labels = read_labels([ROOT / "data" / name / "orbitals.nc"], ROOT / "data" / name / "geometries.nc")
    test = np.flatnonzero(labels.dataset["split"].values == "test")
    calculator = DenSNetCalculator(ROOT / "models" / f"{name}.pt")
    errors = []
    for frame in test[:: len(test) // FRAMES][:FRAMES]:
        data = labels.dataset.isel(frame=frame)
        atoms = Atoms(labels.numbers, data["positions"].values, calculator=calculator)
        forces, dipole = atoms.get_forces(), atoms.get_dipole_moment()
        energy_error = abs(atoms.get_potential_energy() - float(data["energy"])) / len(atoms)
        errors.append(
            (
                EV_IN_MEV * np.abs(forces - data["forces"].values).mean() / metrics["force_mae_mev_per_angstrom"],
                EV_IN_MEV * energy_error / metrics["energy_mae_mev_per_atom"],
                E_ANGSTROM_IN_DEBYE * np.linalg.norm(dipole - data["dipole"].values) / metrics["dipole_mae_debye"],
            )
        )
        density = calculator.density(atoms)
        assert density.n_electrons == pytest.approx(labels.n_electrons, abs=1e-8)
    # a mean over eight frames of errors that scatter by about their own mean
    assert (np.mean(errors, axis=0) < 2.5).all(), np.mean(errors, axis=0)
